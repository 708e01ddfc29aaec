"""Operations: a function that answers, with the types of its parameters and its answer; routes and document follow."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, get_type_hints
from urllib.parse import quote, urlencode

from flask import Response, current_app, request
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable, TooManyRequests
from werkzeug.wrappers import Response as BaseResponse

from app import limits
from app.api.fields import Answer, Asked, Items
from app.api.pace import Pace
from app.api.problems import WrongParameters
from app.auth import access
from app.db import current_db

JSON, CSV = "application/json", "text/csv"
Example = Callable[[Session], str | None]
_PUBLIC = "public, no-cache"


@dataclass(frozen=True)
class Csv:
    """An answer as a table."""

    body: str
    filename: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One thing that a program can ask for.

    `moving`: fields of the answer that change with every request and say nothing new; they are not in its ETag.
    """

    name: str
    path: str
    subject: str
    summary: str
    text: str
    asked: type[Asked]
    answer: type[Answer]
    respond: Callable[[Session, Any], Answer]
    as_csv: Callable[[Session, Any], Csv] | None = None
    moving: frozenset[str] = frozenset()
    in_path: tuple[str, ...] = ()

    @property
    def media_types(self) -> tuple[str, ...]:
        """In which kinds the answer is to be had."""
        return (JSON, CSV) if self.as_csv else (JSON,)

    @property
    def is_list(self) -> bool:
        """Whether it answers with a part of a list."""
        return issubclass(self.answer, Items)


_operations: dict[str, Operation] = {}
_examples: dict[str, Example] = {}


def operation(
    path: str,
    *,
    subject: str,
    asked: type[Asked] | None = None,
    as_csv: Callable[[Session, Any], Csv] | None = None,
    moving: tuple[str, ...] = (),
) -> Callable[[Callable[[Session, Any], Any]], Callable[[Session, Any], Any]]:
    """Register (as a decorator) `(session, asked) -> answer` at a path like `/people/{person}`.

    What stands in braces are fields of the parameters; the rest of them stand in the query. The first line of the
    docstring is its summary, the types are the document. `asked`: its parameters' type where that is no written class.
    """

    def register(function: Callable[[Session, Any], Any]) -> Callable[[Session, Any], Any]:
        hints = get_type_hints(function)
        _session, written = inspect.signature(function).parameters
        summary, _, text = inspect.cleandoc(function.__doc__ or "").partition("\n")
        in_path = tuple(part[1:-1] for part in path.split("/") if part.startswith("{"))
        _operations[path] = Operation(
            function.__name__, path, subject, summary.rstrip("."), text.strip(), asked or hints[written],
            hints["return"], function, as_csv, frozenset(moving), in_path,
        )  # fmt: skip
        return function

    return register


def example(name: str) -> Callable[[Example], Example]:
    """Register (as a decorator) where an example of a path's part comes from: session -> a value, or None."""

    def register(function: Example) -> Example:
        _examples[name] = function
        return function

    return register


def operations() -> list[Operation]:
    """Every operation, in the order in which they were registered."""
    return list(_operations.values())


def examples(session: Session) -> dict[str, str]:
    """A value for each part of a path, as far as there is one."""
    found = {name: function(session) for name, function in _examples.items()}
    return {name: value for name, value in found.items() if value is not None}


def filled(one: Operation, known: Mapping[str, str]) -> str | None:
    """The operation's path with an example for everything that it must be asked with; None while there is none."""
    needed = [name for name, field in one.asked.model_fields.items() if field.is_required() or name in one.in_path]
    if any(name not in known for name in needed):
        return None
    path = re.sub(r"\{(\w+)\}", lambda part: quote(known[part[1]], safe=":"), one.path)
    query = urlencode({name: known[name] for name in needed if name not in one.in_path})
    return f"{path}?{query}" if query else path


def view_of(one: Operation) -> Callable[..., BaseResponse]:
    """The route's function: reads the parameters, asks the operation, and answers with an ETag."""

    @wraps(one.respond)
    def view(**parts: str) -> BaseResponse:
        _keep_the_pace()
        media_type = _accepted(one)
        asked = _asked(one, parts)
        with current_db().read() as session:
            if one.as_csv is not None and media_type == CSV:
                response = _as_csv(one.as_csv(session, asked))
            else:
                response = _as_json(one, one.respond(session, asked))
        if len(one.media_types) > 1:
            response.vary.add("Accept")
        response.headers["Cache-Control"] = _PUBLIC
        return response.make_conditional(request)

    return access("public")(view)


def _accepted(one: Operation) -> str:
    accepted: MIMEAccept = request.accept_mimetypes
    found = accepted.best_match(one.media_types) if accepted else JSON
    if found is None:
        raise NotAcceptable(f"This is to be had as {' or '.join(one.media_types)}, not as {request.accept_mimetypes}.")
    return found


def _asked(one: Operation, parts: Mapping[str, str]) -> Asked:
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    clash = [name for name in request.args if name in parts]
    if twice or clash:
        raise WrongParameters([*((name, "is given more than once; give it once") for name in twice),
                               *((name, "is a part of the path already") for name in clash)])  # fmt: skip
    try:
        return one.asked.model_validate({**request.args.to_dict(), **parts})
    except ValidationError as error:
        raise WrongParameters.of(error, [name for name in one.asked.model_fields if name not in parts]) from None


def _as_csv(table: Csv) -> Response:
    response = Response(table.body, mimetype=CSV)
    response.headers.update({**table.headers, "Content-Disposition": f'attachment; filename="{table.filename}"'})
    response.add_etag()
    return response


def _as_json(one: Operation, answer: BaseModel) -> Response:
    body = answer.model_dump_json()
    response = Response(body, mimetype=JSON)
    if one.moving:
        lasting = answer.model_dump_json(exclude=set(one.moving))
        response.set_etag(hashlib.sha256(lasting.encode()).hexdigest()[:32], weak=True)
    else:
        response.set_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
    if isinstance(answer, Items) and answer.next is not None:
        response.headers["Link"] = f'<{answer.next}>; rel="next"'
    return response


def _keep_the_pace() -> None:
    pace: Pace = current_app.extensions.setdefault("flambeau-api-pace", Pace())
    wait_s = pace.wait_s(limits.source_of(request.remote_addr))
    if wait_s:
        raise TooManyRequests(f"More than {pace.per_minute} requests in a minute; wait {wait_s} s.", retry_after=wait_s)
