"""Forms as data: fields described once, parsed by a pydantic model, and every problem told at once.

What a field's own type refuses and what the rules of the change refuse (app.checks) are found in one pass: a rule
speaks as soon as the fields that it looks at could be read, whatever is wrong with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from flask import flash, redirect, render_template, request
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.auth import current_user
from app.checks import Checked, Problem, RefusedError, UnfoundError, checked
from app.db import current_db

_TEXTS = {
    "missing": "is empty",
    "date_from_datetime_parsing": "is no date; write it like 2026-01-31",
    "date_parsing": "is no date; write it like 2026-01-31",
    "date_from_datetime_inexact": "is no date; write it like 2026-01-31",
    "int_parsing": "is no whole number",
    "decimal_parsing": "is no number; write it like 1250.00",
    "decimal_max_places": "has more than two decimal places; write it like 1250.00",
    "enum": "is none of the choices",
    "literal_error": "is none of the choices",
}


class Form(BaseModel):
    """What a form sends, as values. A field without a default is required; an empty field counts as not sent.

    A form checks each field alone; what holds between fields is a rule of the change (app.checks).
    """

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


@dataclass(frozen=True)
class Reading:
    """What was sent, as far as it could be read: the values of the valid fields, and what is wrong with the others."""

    valid: Mapping[str, Any]
    problems: Sequence[Problem] = ()


def read(kind: type[Form], sent: Mapping[str, str]) -> Reading:
    """The values of the fields that are valid, and every other field's problem.

    >>> class Size(Form):
    ...     width: int
    ...     height: int
    ...     depth: int = 1
    >>> found = read(Size, {"width": "x", "depth": "3"})
    >>> found.valid, found.problems
    ({'depth': 3}, [Problem(where='width', text='is no whole number'), Problem(where='height', text='is empty')])
    """
    filled = {name: text for name, text in sent.items() if text.strip()}
    problems: list[Problem] = []
    wrong: set[str] = set()
    try:
        form: Form = kind.model_validate(filled)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors()]
        wrong = {problem.where for problem in problems}
        form = _in_part(kind).model_validate({name: text for name, text in filled.items() if name not in wrong})
    return Reading({name: getattr(form, name) for name in kind.model_fields if name not in wrong}, problems)


@lru_cache(maxsize=64)
def _in_part(kind: type[Form]) -> type[Form]:
    """The same form with every field optional, to read those that are valid."""
    fields: dict[str, Any] = {}
    for name, info in kind.model_fields.items():
        part = copy(info)
        if part.is_required():
            part.default = None
        fields[name] = (info.annotation, part)
    return create_model(f"{kind.__name__}InPart", __base__=kind, **fields)


Finder = Callable[[Session, Any], Any]
"""Turns what a field says into what it names; raises UnfoundError with a sentence when it names nothing."""


Given = Callable[[Session], Mapping[str, Any]]
Done = Callable[[Session, Any], tuple[str, str]]


@dataclass(frozen=True)
class Page:
    """How a form looks: its words, fields and first values."""

    title: str
    submit: str
    fields: Sequence[Field] = ()
    lead: str = ""
    crumbs: Sequence[tuple[str, str]] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    is_danger: bool = False

    def show(self, problems: Sequence[Problem] = (), *, version: int | str | None = None) -> Any:
        """The page; with problems its status is 422 and every value is kept.

        `version` is that of the row which the form edits, as it was when the form was opened.
        """
        order = [one.name for one in self.fields]
        text = render_template(
            "form_page.html",
            form=self,
            values=request.form if request.method == "POST" else self.values,
            problems=sorted(problems, key=lambda problem: order.index(problem.where) if problem.where in order else -1),
            labels={one.name: one.label for one in self.fields},
            version=version,
        )
        return (text, 422) if problems else text


def ask(
    page: Page,
    kind: type[Form],
    change: Checked[..., Any] | Callable[..., Any],
    *,
    given: Given,
    done: Done,
    finders: Mapping[str, Finder] | None = None,
    edits: str = "",
) -> Any:
    """The view of a form that has a page of its own: shows it, or sends it and shows it again with every problem.

    `edits` is the given row that the form changes: who opened the form before somebody else saved it gets the 409 page.
    """
    if request.method != "POST":
        with current_db().read() as session:
            return page.show(version=given(session)[edits].version if edits else None)
    sent = send(kind, change, given=given, done=done, finders=finders, edits=edits)
    if isinstance(sent, Response):
        return sent
    return page.show(sent, version=request.form.get("version") if edits else None)


def send(
    kind: type[Form],
    change: Checked[..., Any] | Callable[..., Any],
    *,
    given: Given,
    done: Done,
    finders: Mapping[str, Finder] | None = None,
    edits: str = "",
    asks_others: bool = False,
) -> Response | list[Problem]:
    """Make the change that a form asks for, in one transaction, or give back all that is wrong with it.

    The change is called with the form's fields and what is `given` (rows of this session), each by its name, and with
    `session` and `actor` where it takes them. `finders` turn what a field says into the row that it names. `done` says
    from the result where to go on, and with which sentence. `asks_others`: a rule waits for another machine's answer,
    so the rules are looked at before the right to write is held.
    """
    checked_change = change if isinstance(change, Checked) else checked()(change)
    reading, database = read(kind, request.form), current_db()

    def known(session: Session) -> tuple[dict[str, Any], list[Problem]]:
        rows = dict(given(session))
        if edits:
            rows[edits].expect_version(request.form.get("version"))
        values, unfound = _find(session, {**reading.valid}, finders or {})
        own = {"session": session, "actor": current_user().actor}
        return {name: one for name, one in own.items() if name in checked_change.parameters} | rows | values, unfound

    def broken(values: dict[str, Any], unfound: list[Problem]) -> list[Problem]:
        problems = [*reading.problems, *unfound]
        return problems + checked_change.broken(values, unreadable={problem.where for problem in problems})

    if reading.problems or asks_others:
        with database.read() as session:
            if problems := broken(*known(session)):
                return problems
    try:
        with database.write() as session:
            values, unfound = known(session)
            if problems := unfound if asks_others else broken(values, unfound):
                return problems
            onward, said = done(session, checked_change.act(**values))
    except RefusedError as error:
        return error.problems
    flash(said)
    return redirect(onward)


def _find(
    session: Session, values: dict[str, Any], finders: Mapping[str, Finder]
) -> tuple[dict[str, Any], list[Problem]]:
    problems = []
    for name, finder in finders.items():
        if name in values:
            try:
                values[name] = finder(session, values[name])
            except UnfoundError as error:
                problems.append(Problem(name, str(error)))
    return values, problems


def _problem(detail: Any) -> Problem:
    where = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "string_too_long":
        return Problem(where, f"is longer than {detail['ctx']['max_length']} characters")
    text = str(detail["msg"]).removeprefix("Value error, ")
    return Problem(where, _TEXTS.get(detail["type"], text[:1].lower() + text[1:]))
