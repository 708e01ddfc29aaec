"""Forms as data: fields described once, parsed by a pydantic model, every problem beside its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import render_template
from pydantic import BaseModel, ConfigDict, ValidationError

from app.pages import Problem

_Kind = TypeVar("_Kind", bound="Form")
_TEXTS = {
    "missing": "is empty",
    "date_from_datetime_parsing": "is no date; write it like 2026-01-31",
    "date_parsing": "is no date; write it like 2026-01-31",
    "date_from_datetime_inexact": "is no date; write it like 2026-01-31",
    "int_parsing": "is no whole number",
    "decimal_parsing": "is no number; write it like 1250.00",
    "enum": "is none of the choices",
    "literal_error": "is none of the choices",
}


class Form(BaseModel):
    """What a form sends, as values. A field without a default is required; an empty field counts as not sent."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


@dataclass(frozen=True)
class Field:
    """One labelled input of a page; `kind` as in the macro `field`."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    required: bool = False
    options: Sequence[tuple[str, str]] = ()
    rows: int = 3


def parse(kind: type[_Kind], sent: Mapping[str, str]) -> tuple[_Kind | None, list[Problem]]:
    """The form's value, or None and every problem with its field.

    >>> class Size(Form):
    ...     width: int
    ...     height: int
    >>> parse(Size, {"width": "x"})[1]
    [Problem(where='width', text='is no whole number'), Problem(where='height', text='is empty')]
    """
    try:
        return kind.model_validate({name: text for name, text in sent.items() if text.strip()}), []
    except ValidationError as error:
        return None, [_problem(detail) for detail in error.errors()]


def page(
    title: str,
    fields: Sequence[Field],
    *,
    values: Mapping[str, Any],
    submit: str,
    lead: str = "",
    crumbs: Sequence[tuple[str, str]] = (),
    problems: Sequence[Problem] = (),
    notes: Sequence[str] = (),
    is_danger: bool = False,
) -> Any:
    """A page with one form; with problems its status is 422 and every value is kept."""
    order = [field.name for field in fields]
    text = render_template(
        "form_page.html",
        title=title,
        fields=fields,
        values=values,
        submit=submit,
        lead=lead,
        crumbs=crumbs,
        problems=sorted(problems, key=lambda problem: order.index(problem.where) if problem.where in order else -1),
        labels={field.name: field.label for field in fields},
        notes=notes,
        is_danger=is_danger,
    )
    return (text, 422) if problems else text


def _problem(detail: Any) -> Problem:
    where = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "string_too_long":
        return Problem(where, f"is longer than {detail['ctx']['max_length']} characters")
    text = str(detail["msg"]).removeprefix("Value error, ")
    return Problem(where, _TEXTS.get(detail["type"], text[:1].lower() + text[1:]))
