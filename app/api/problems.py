"""Errors as RFC 9457 writes them: what a program reads when something is wrong, every parameter named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from flask import request
from pydantic import Field, ValidationError
from werkzeug.exceptions import UnprocessableEntity

from app import pages
from app.api.fields import Answer

WRONG_PARAMETERS = "api/#wrong-parameters"


class WrongParameter(Answer):
    """One parameter that cannot be used."""

    parameter: str
    detail: str


class Problem(Answer):
    """An error (RFC 9457)."""

    type: Annotated[str, Field(description="`about:blank`, or the address of what is said about such errors.")]
    title: str
    status: int
    detail: str
    instance: Annotated[str, Field(description="The path that was asked for.")]
    request_id: Annotated[str, Field(description="Its number in the portal's log.")]
    errors: Annotated[list[WrongParameter] | None, Field(description="With 422: every parameter that is wrong.")] = None


class WrongParameters(UnprocessableEntity):
    """Parameters that cannot be used: 422 with all of them."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name} {text}" for name, text in errors))
        self.errors = [{"parameter": name, "detail": text} for name, text in errors]

    @classmethod
    def of(cls, error: ValidationError, known: Sequence[str]) -> WrongParameters:
        """What pydantic found, in our words where they say more."""
        found = []
        for one in error.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in one["loc"])
            found.append((name, _told(one, known)))
        return cls(found)


def _told(one: Mapping[str, Any], known: Sequence[str]) -> str:
    if one["type"] == "extra_forbidden":
        return f"is no parameter here; there {'are ' + ', '.join(known) if known else 'is none'}"
    if one["type"] == "missing":
        return "is missing"
    text = str(one["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def wrong_parameters(error: WrongParameters) -> tuple[str, int, dict[str, str]]:
    """The answer to a request with wrong parameters."""
    return pages.problem(422, str(error.description), type=f"{request.url_root}{WRONG_PARAMETERS}", errors=error.errors)
