"""The look that an address asks for: window, scope and options, for whoever serves figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.contributions import queries
from app.contributions.figures.figure import ANYWHERE, FIGURES, Figure
from app.contributions.figures.look import Look
from app.contributions.models import Repository
from app.contributions.queries import EVERYTHING, Scope
from app.contributions.registry import by_public_id
from app.contributions.windows import read_window
from app.members import queries as members
from app.members.models import Organization
from app.modules import queries as modules
from app.people import queries as people

MOST_BESIDE = 6
_LONGEST = 1000
"""So many characters of an option of any text are read."""


class NothingThere(LookupError):
    """An address names something that is not there (or is hidden)."""


class BadAddress(ValueError):
    """An address asks for what cannot be; `problems` are (argument, text)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {text}" for field, text in problems))
        self.problems = problems


def read_look(session: Session, arguments: Mapping[str, str], *, now: datetime) -> Look:
    """The window, repository and options that these arguments ask for.

    Raises: NothingThere, BadAddress.
    """
    wanted = arguments.get("repository", "")
    chosen = _repository(session, wanted) if wanted else None
    scope = Scope(repository=chosen.id) if chosen else EVERYTHING
    span = queries.span(session, scope)
    window, problems = read_window(arguments, today=now.date(), first=span[0] if span else None)
    options, more = _options(arguments)
    if problems or more:
        raise BadAddress(problems + more)
    kept = dict(window.arguments) | ({"repository": chosen.public_id} if chosen else {}) | options
    return Look(session, scope, window, now, kept, options, _beside(session, options.get("with", "")))


def read_figure(session: Session, key: str, arguments: Mapping[str, str], *, now: datetime) -> Figure:
    """The figure of this key, of the scope, days and options that these arguments name.

    Raises: NothingThere, BadAddress.
    """
    registered = FIGURES.get(key)
    if registered is None:
        raise NothingThere(f"There is no figure {key!r}; there are {', '.join(FIGURES)}.")
    named = [name for name in ANYWHERE if arguments.get(name)]
    refused = [(name, f"this figure is not drawn of one {name}") for name in named if name not in registered.scopes]
    if "everything" not in registered.scopes and not set(named) - {"repository"}:
        refused.append(
            ("scope", f"name one {' or one '.join(one for one in registered.scopes if one != 'repository')}")
        )
    if refused:
        raise BadAddress(refused)
    look = read_look(session, arguments, now=now)
    scope = read_scope(session, arguments, look.scope)
    return registered.of(look.at(scope).of_organization(scope.organization) if scope.organization else look.at(scope))


def read_scope(session: Session, arguments: Mapping[str, str], scope: Scope) -> Scope:
    """This scope with the organization, person or module that the arguments name besides.

    Raises: NothingThere.
    """
    values: dict[str, Any] = {"repository": scope.repository}
    if name := arguments.get("organization"):
        organization = members.organization_by_public_id(session, name)
        if organization is None:
            raise NothingThere(f"There is no organization {name!r}.")
        values["organization"] = organization.id
    if name := arguments.get("person"):
        told = people.person_by_public_id(session, name)
        found = people.canonical(session, told) if told else None
        if found is None or found.hidden_at is not None:
            raise NothingThere(f"There is no person {name!r}.")
        values["person"] = found.id
    if name := arguments.get("module"):
        if modules.module_by_key(session, name) is None:
            raise NothingThere(f"There is no module {name!r}.")
        values["module"] = name
    return Scope(**values)


def _repository(session: Session, wanted: str) -> Repository:
    found = by_public_id(session, wanted)
    if found is None:
        raise NothingThere(f"There is no repository {wanted!r}.")
    return found


def _options(arguments: Mapping[str, str]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The options that figures know, as far as they are asked for, and what is wrong with them."""
    known: dict[str, tuple[str, ...]] = {}
    for registered in FIGURES.values():
        for name, values in registered.options.items():
            known[name] = tuple(dict.fromkeys((*known.get(name, ()), *values)))
    texts = {name: arguments.get(name, "")[:_LONGEST].replace("\0", "") for name in known}
    given = {name: text for name, text in texts.items() if text}
    wrong = [(name, f"{value!r} is none of {', '.join(known[name])}") for name, value in given.items()
             if known[name] and value not in known[name]]  # fmt: skip
    if len(given.get("with", "").split(",")) > MOST_BESIDE:
        wrong.append(("with", f"at most {MOST_BESIDE} organizations can stand beside one"))
    return given, wrong


def _beside(session: Session, names: str) -> tuple[Organization, ...]:
    found = []
    for name in dict.fromkeys(filter(None, names.split(","))):
        one = members.organization_by_public_id(session, name)
        if one is None:
            raise NothingThere(f"There is no organization {name!r}.")
        found.append(one)
    return tuple(found)
