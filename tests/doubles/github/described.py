"""Holds what the double is asked and what it answers to GitHub's own descriptions."""

from __future__ import annotations

import json
import lzma
import re
from functools import cache
from pathlib import Path
from typing import Any

from graphql import GraphQLSchema, build_schema
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

HERE = Path(__file__).resolve().parent
# What GitHub may say to any question, though not every operation lists it.
ANYWHERE = frozenset((301, 401, 403, 429, 500, 502, 503, 504))
# A release that is not there: the description has no answer for it, GitHub's "Not Found" it is.
ONE_RELEASE = re.compile(r"/repos/[^/]+/[^/]+/releases/\d+")


@cache
def description() -> dict[str, Any]:
    """The part of the OpenAPI description that we use."""
    with lzma.open(HERE / "openapi.json.xz", "rt", encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


@cache
def schema() -> GraphQLSchema:
    """The part of the GraphQL schema that we ask for."""
    with lzma.open(HERE / "schema.graphql.xz", "rt", encoding="utf-8") as file:
        return build_schema(file.read())


def example(name: str) -> Any:
    """A fresh copy of one of the description's own examples."""
    return json.loads(_example(name))


@cache
def _example(name: str) -> str:
    return json.dumps(description()["components"]["examples"][name]["value"])


@cache
def _openapi() -> OpenAPI:
    return OpenAPI.from_dict(description())


class _Request:
    """A request as openapi-core looks at it."""

    content_type = "application/json"
    host_url = "https://api.github.com"

    def __init__(self, method: str, path: str, query: dict[str, str], body: bytes) -> None:
        self.method, self.path, self.body = method.lower(), path, body or None
        given: ImmutableMultiDict[str, str] = ImmutableMultiDict(query)
        self.parameters = RequestParameters(query=given, header=Headers(), cookie=ImmutableMultiDict())


class _Response:
    """An answer as openapi-core looks at it."""

    def __init__(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.status_code, self.data, self.headers = status, data, Headers(headers)
        self.content_type = "application/json"


def refused(
    method: str, path: str, query: dict[str, str], body: bytes, status: int, data: bytes, headers: dict[str, str]
) -> list[str]:
    """What the description has against a question and its answer; nothing, if all is well."""
    request = _Request(method, path, query, body)
    found = _refused(lambda: _openapi().validate_request(request), f"{method} {path}")
    if not found:
        operation = _operation(method, path)
        names = {_parameter(one)["name"] for one in operation["parameters"]}
        found = [f"{method} {path}: {name} is no parameter that is described" for name in sorted(set(query) - names)]
    is_known = status in ANYWHERE or (status == 404 and ONE_RELEASE.fullmatch(path))
    if not is_known and status != 304:
        response = _Response(status, data, headers)
        found += _refused(lambda: _openapi().validate_response(request, response), f"{method} {path} gave {status}")
    return found


def _refused(check: Any, what: str) -> list[str]:
    try:
        check()
    except OpenAPIError as error:
        cause = error.__cause__ or error
        said = getattr(cause, "schema_errors", None) or [cause]
        return [f"{what}: {str(one)[:500]}" for one in said]
    return []


def _operation(method: str, path: str) -> Any:
    given = path.split("/")
    for template in sorted(description()["paths"], key=lambda one: one.count("{")):
        wanted = template.split("/")
        if len(wanted) == len(given) and all(a == b or a.startswith("{") for a, b in zip(wanted, given, strict=True)):
            return description()["paths"][template][method.lower()]
    raise LookupError(f"{method} {path} is not described")


def _parameter(one: Any) -> Any:
    return description()["components"]["parameters"][one["$ref"].rsplit("/", 1)[1]] if "$ref" in one else one
