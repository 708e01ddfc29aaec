"""Cuts what we use out of GitHub's own descriptions of its interfaces, which their packages publish under MIT.

    npm pack @octokit/openapi @octokit/graphql-schema      # and unpack both
    python -m tests.doubles.github.cut api.github.com.json schema.graphql

The OpenAPI description keeps the operations in `OPERATIONS` with every schema and example that they reach; GraphQL's
schema keeps the types and fields that `app.github.questions` asks for. Words for people are left out of both.
"""

from __future__ import annotations

import json
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    EnumTypeDefinitionNode,
    FieldNode,
    GraphQLInputObjectType,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    Node,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    UnionTypeDefinitionNode,
    Visitor,
    build_ast_schema,
    get_named_type,
    parse,
    print_ast,
    validate,
    visit,
)

from app.github import questions

HERE = Path(__file__).resolve().parent
OPERATIONS = (
    ("/repos/{owner}/{repo}", "get"),
    ("/repos/{owner}/{repo}/pulls", "get"),
    ("/repos/{owner}/{repo}/pulls/{pull_number}", "get"),
    ("/repos/{owner}/{repo}/issues", "get"),
    ("/repos/{owner}/{repo}/pulls/comments", "get"),
    ("/repos/{owner}/{repo}/pulls/comments/{comment_id}", "get"),
    ("/repos/{owner}/{repo}/releases", "get"),
    ("/repos/{owner}/{repo}/releases/{release_id}", "get"),
    ("/repos/{owner}/{repo}/installation", "get"),
    ("/app/installations/{installation_id}/access_tokens", "post"),
)
_WORDS = {"externalDocs", "summary", "tags", "x-github", "x-octokit", "x-displayName"}
_BUILT_IN = {"String", "Int", "Boolean", "ID", "Float"}


def asked() -> list[str]:
    """Every GraphQL question that the portal asks."""
    rest = (questions.rest_of_timelines([("id", "cursor")], pulls=pulls)[0] for pulls in (True, False))
    again = (questions.PULLS_AGAIN, questions.ISSUES_AGAIN)
    return [questions.PULLS, questions.ISSUES, questions.by_number([1, 2]), *rest, *again]


def cut_openapi(whole: dict[str, Any]) -> dict[str, Any]:
    """The description with our operations alone."""
    kept: dict[str, Any] = {key: whole[key] for key in ("openapi", "servers")}
    kept["info"] = {key: whole["info"][key] for key in ("title", "version", "license")}
    kept["paths"] = {}
    for path, method in OPERATIONS:
        kept["paths"].setdefault(path, {})[method] = _plain(whole["paths"][path][method])
    kept["components"] = components = {}
    waiting = list(_references(kept["paths"]))
    while waiting:
        _, _, kind, name = waiting.pop().split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = _plain(whole["components"][kind][name])
            waiting += _references(components[kind][name])
    return kept


def cut_graphql(text: str, asked: list[str]) -> str:
    """The schema with the types and fields that these questions look at.

    Raises: ValueError where the published schema refuses one of them.
    """
    document = parse(text, no_location=True)
    schema = build_ast_schema(document, assume_valid=True, assume_valid_sdl=True)
    fields, types = _used(schema, asked)
    kept = [one for definition in document.definitions if (one := _cut(definition, fields, types)) is not None]
    return print_ast(DocumentNode(definitions=tuple(kept)))


def _used(schema: Any, asked: list[str]) -> tuple[dict[str, set[str]], set[str]]:
    fields: dict[str, set[str]] = {}
    types: set[str] = set()
    info = TypeInfo(schema)

    class Look(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            parent, field = info.get_parent_type(), info.get_field_def()
            if node.name.value != "__typename":
                fields.setdefault(parent.name, set()).add(node.name.value)
                types.update((parent.name, get_named_type(field.type).name))
                for one in field.args.values():
                    add_input(get_named_type(one.type))

    def add_input(one: Any) -> None:
        if one.name not in types:
            types.add(one.name)
            if isinstance(one, GraphQLInputObjectType):
                for field in one.fields.values():
                    add_input(get_named_type(field.type))

    for text in asked:
        question = parse(text)
        if problems := validate(schema, question):
            raise ValueError("; ".join(problem.message for problem in problems))
        visit(question, TypeInfoVisitor(info, Look()))
    fields.setdefault("Node", set()).add("id")
    types.update(("Node", "Actor"))
    for one in schema.get_possible_types(schema.type_map["Actor"]):
        types.add(one.name)
        fields.setdefault(one.name, set())
    for name in fields:
        # What an interface is asked for, everything that keeps it must have.
        for interface in getattr(schema.type_map[name], "interfaces", ()):
            fields[name] |= fields.get(interface.name, set())
    return fields, types


def _cut(node: Any, fields: dict[str, set[str]], types: set[str]) -> Any:
    name = node.name.value if getattr(node, "name", None) else ""
    if name not in types or name in _BUILT_IN:
        return None
    common = {"name": node.name, "directives": ()}
    if isinstance(node, UnionTypeDefinitionNode):
        return UnionTypeDefinitionNode(**common, types=tuple(one for one in node.types if one.name.value in fields))
    if isinstance(node, ScalarTypeDefinitionNode):
        return ScalarTypeDefinitionNode(**common)
    if isinstance(node, (EnumTypeDefinitionNode, InputObjectTypeDefinitionNode)):
        return _silent(node)
    if isinstance(node, (ObjectTypeDefinitionNode, InterfaceTypeDefinitionNode)):
        interfaces = tuple(one for one in node.interfaces or () if one.name.value in types)
        own = tuple(_silent(one) for one in node.fields if one.name.value in fields.get(name, ()))
        return type(node)(**common, interfaces=interfaces, fields=own)
    raise ValueError(f"{name} is of a kind that is not cut yet: {type(node).__name__}")


def _silent(node: Any) -> Any:
    """Without descriptions and directives, all the way down."""
    if isinstance(node, tuple):
        return tuple(_silent(one) for one in node)
    if not isinstance(node, Node):
        return node
    found = {one: _silent(getattr(node, one)) for one in node.keys if one not in ("description", "directives")}
    return type(node)(**found, **({"directives": ()} if "directives" in node.keys else {}))


def _plain(value: Any, *, names: bool = False) -> Any:
    """Without the words for people; `names`: the keys are names of properties, which may be called like words."""
    if isinstance(value, dict):
        kept = {key: _plain(one, names=key == "properties") for key, one in value.items() if names or key not in _WORDS}
        # An answer must have a description; nobody reads it here.
        return kept | ({"description": ""} if isinstance(kept.get("description"), str) and not names else {})
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(found := value.get("$ref"), str):
            yield found
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def main(description: str, schema: str) -> None:
    """Write both files beside this one."""
    kept = cut_openapi(json.loads(Path(description).read_text(encoding="utf-8")))
    graphql = cut_graphql(Path(schema).read_text(encoding="utf-8"), asked())
    for name, text in (("openapi.json.xz", json.dumps(kept, indent=0)), ("schema.graphql.xz", graphql)):
        (HERE / name).write_bytes(lzma.compress(text.encode(), preset=9))
        sys.stdout.write(f"{name}: {len(text):,} characters, {(HERE / name).stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
