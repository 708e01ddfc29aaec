"""The OpenAPI 3.1 document, made from the operations and their types: what it says is what runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.operations import CSV, JSON, Operation
from app.api.problems import Problem

PROBLEM = "application/problem+json"
_REF = "#/components/schemas/{model}"
_HEADERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ETag": ("Of this answer: sent back as `If-None-Match`, it saves the body of the next.", {"type": "string"}),
    "Link": ('The address of the next part of the list, as `rel="next"` (RFC 8288).', {"type": "string"}),
    "X-Request-Id": ("The request's number in the portal's log.", {"type": "string"}),
    "X-Rests-On": ("With text/csv: the resolution of people and employers that the rows rest on.", {"type": "string"}),
    "Retry-After": ("Seconds to wait.", {"type": "integer", "minimum": 1}),
}
_ERRORS = {
    "404": ("There is no such thing, or it is hidden.", ("X-Request-Id",)),
    "406": ("It is not to be had in a kind that `Accept` takes.", ("X-Request-Id",)),
    "422": ("Parameters that cannot be used; `errors` names each.", ("X-Request-Id",)),
    "429": ("Too many requests from this address.", ("X-Request-Id", "Retry-After")),
    "500": ("A fault of ours, noted under `request_id`.", ("X-Request-Id",)),
    "503": ("The portal's governance/ was never synced.", ("X-Request-Id",)),
}


def document(operations: Sequence[Operation], *, title: str, version: str, server: str) -> dict[str, Any]:
    """The whole document."""
    models: list[type[BaseModel]] = list(dict.fromkeys([*(one.answer for one in operations), Problem]))
    names, schemas = models_json_schema([(model, "serialization") for model in models], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "summary": "Everything that the pages show, for programs; read-only.",
            "description": "Public data, without a key. Lists are walked by `next`; errors are RFC 9457.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": subject} for subject in dict.fromkeys(one.subject for one in operations)],
        "paths": {one.path: {"get": _operation(one, names[one.answer, "serialization"])} for one in operations},
        "components": {
            "schemas": schemas["$defs"],
            "headers": {name: {"description": text, "schema": schema} for name, (text, schema) in _HEADERS.items()},
            "responses": {status: _error(text, headers) for status, (text, headers) in _ERRORS.items()},
        },
    }


@cache
def parameters_of(one: Operation) -> list[dict[str, Any]]:
    """An operation's parameters as the document has them."""
    schema = one.asked.model_json_schema(ref_template=_REF)
    defs, required = schema.get("$defs", {}), schema.get("required", [])
    return [
        _parameter(name, dict(given), defs, in_path=name in one.in_path, is_required=name in required)
        for name, given in schema.get("properties", {}).items()
    ]


def _parameter(
    name: str, given: dict[str, Any], defs: Mapping[str, Any], *, in_path: bool, is_required: bool
) -> dict[str, Any]:
    text = given.pop("description", "")
    plain = _plain(given, defs)
    found: dict[str, Any] = {"name": name, "in": "path" if in_path else "query", "schema": plain}
    if in_path or is_required:
        found["required"] = True
    if text:
        found["description"] = text
    return found


def _plain(given: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's schema without what a query cannot say: no null, no title, no reference."""
    if "anyOf" in given:
        (one,) = [each for each in given["anyOf"] if each.get("type") != "null"]
        return _plain({**one, **{key: value for key, value in given.items() if key != "anyOf"}}, defs)
    if "$ref" in given:
        found = defs[given["$ref"].rsplit("/", 1)[-1]]
        return _plain({**found, **{key: value for key, value in given.items() if key != "$ref"}}, {})
    left_out = {"title", "description"} | ({"default"} if given.get("default") is None else set())
    return {key: value for key, value in given.items() if key not in left_out}


def _operation(one: Operation, schema: Mapping[str, Any]) -> dict[str, Any]:
    shown = ("ETag", "X-Request-Id", *(("Link",) if one.is_list else ()),
             *(("X-Rests-On",) if CSV in one.media_types else ()))  # fmt: skip
    content: dict[str, Any] = {JSON: {"schema": schema}}
    if CSV in one.media_types:
        content[CSV] = {"schema": {"type": "string"}}
    responses: dict[str, Any] = {
        "200": {"description": "The answer.", "headers": _headers(shown), "content": content},
        "304": {"description": "Nothing has changed since that ETag.", "headers": _headers(("ETag",))},
    }
    responses |= {status: {"$ref": f"#/components/responses/{status}"} for status in _ERRORS}
    found = {
        "operationId": one.name, "tags": [one.subject], "summary": one.summary, "parameters": parameters_of(one),
        "responses": responses,
    }  # fmt: skip
    return found | ({"description": one.text} if one.text else {})


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _error(text: str, headers: Sequence[str]) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=Problem.__name__)}
    return {"description": text, "headers": _headers(headers), "content": {PROBLEM: {"schema": schema}}}
