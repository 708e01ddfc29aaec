"""Modules: their paths, who keeps them up, and the roll call of all bodies."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import sqlalchemy as sa
from flask import abort
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.answers import names
from app.api.fields import Answer, Asked, Day, Items, Key, Paged, PersonName, Word
from app.api.operations import example, operation
from app.api.paging import listed
from app.contributions.queries import last_days
from app.contributions.queries.modules import last_days_in
from app.db import clock_of
from app.modules import queries as module_queries
from app.modules.models import Module
from app.modules.rules import modules_of
from app.pages import veiled


class ModuleLine(Answer):
    """A module and the globs of its paths."""

    key: str
    name: str
    summary: str
    paths: list[str]
    retired_on: date | None


class MaintainerOf(Answer):
    """Somebody appointed to maintain it (null asked to be hidden); active by the foundation's own measure or not."""

    person: PersonName | None
    since: date
    is_active: bool
    last_here_on: Annotated[date | None, Field(description="The last day of work in its paths.")]
    last_anywhere_on: Annotated[date | None, Field(description="The last day of any work, reviews included.")]


class ModuleRecord(ModuleLine):
    """A module with its maintainers of a day."""

    at: date
    maintainers: list[MaintainerOf]
    rule: Annotated[str, Field(description="Who may approve and sign for it, and why.")]


class Amiss(Answer):
    """A body, or a module's maintainers, of which somebody should know something."""

    body: str
    name: str
    module: str | None
    concerns: list[str]


class RollCalled(Answer):
    """What is amiss on a day; nothing where every seat is held and no cap is passed."""

    at: date
    amiss: list[Amiss]


class ModulesAsked(Paged):
    """Which modules."""

    path: Annotated[
        Word | None, Field(description="Only those whose path this is, like `csrc/ops/add.h`: the closest glob's.")
    ] = None


class ModuleAsked(Asked):
    """Which module, on which day."""

    module: Key
    at: Annotated[Day | None, Field(description="Left out, today.")] = None


class RollCallAsked(Asked):
    """On which day."""

    at: Annotated[Day | None, Field(description="Left out, today.")] = None


@operation("/modules", subject="Modules")
def modules(session: Session, asked: ModulesAsked) -> Items[ModuleLine]:
    """Every module that is not retired, with the paths that are its."""
    query = sa.select(Module).where(Module.retired_on.is_(None))
    if asked.path is not None:
        owners = modules_of(asked.path.lstrip("/"), module_queries.paths(session))
        query = query.where(Module.key.in_(owners))
    return listed(session, query, [Module.id], asked,
                  lambda rows: [ModuleLine.model_validate(row.Module) for row in rows])  # fmt: skip


@operation("/modules/{module}", subject="Modules")
def module(session: Session, asked: ModuleAsked) -> ModuleRecord:
    """One module with its maintainers of a day."""
    found = module_queries.module_by_key(session, asked.module) or abort(404, f"There is no module {asked.module}.")
    day = asked.at or clock_of(session).now().date()
    kept = module_queries.maintainers_of(session, found.key, day)
    persons = names.people_of(session, kept.appointed)
    here, anywhere = last_days_in(session, found.key, kept.appointed), last_days(session, kept.appointed)
    return ModuleRecord(
        key=found.key, name=found.name, summary=found.summary, paths=found.paths, retired_on=found.retired_on, at=day,
        maintainers=[MaintainerOf(person=persons[number], since=since, is_active=number in kept.active,
                                  last_here_on=here.get(number), last_anywhere_on=anywhere.get(number))
                     for number, since in kept.appointed.items()],
        rule=kept.signers.because,
    )  # fmt: skip


@operation("/roll-call", subject="Modules")
def roll_call(session: Session, asked: RollCallAsked) -> RollCalled:
    """What is amiss in any body on a day: vacant seats, caps, modules with too few active maintainers."""
    day = asked.at or clock_of(session).now().date()
    return RollCalled(
        at=day,
        amiss=[
            Amiss(body=one.body.key, name=one.body.name, module=one.module_key,
                  concerns=[veiled(concern.text) for concern in one.concerns])
            for one in module_queries.roll_call(session, day)
        ],
    )  # fmt: skip


@example("module")
def _a_module(session: Session) -> str | None:
    return session.scalar(sa.select(Module.key).where(Module.retired_on.is_(None)).order_by(Module.id).limit(1))
