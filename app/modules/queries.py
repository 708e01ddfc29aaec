"""Modules, the paths that are theirs, and their maintainers as of a day."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.bodies import queries as bodies
from app.governance.queries import current
from app.modules import rules
from app.modules.models import Module
from app.modules.rules import ModulePaths
from app.rulebook import Signers, signers

LastSeen = Callable[[Session, Collection[int]], Mapping[int, date]]
_last_seen: dict[str, LastSeen] = {}


@dataclass(frozen=True)
class Maintainers:
    """A module's maintainers on a day: appointed (person -> since), active, and who may sign by the written rule."""

    appointed: Mapping[int, date]
    active: frozenset[int]
    signers: Signers


def provide_activity(function: LastSeen) -> LastSeen:
    """Register (as a decorator) what counts as activity: (session, persons) -> the last day of each of them.

    Contributions and reviews both do; the later day counts. Without any, every maintainer counts as active.
    """
    _last_seen[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def modules(session: Session) -> list[Module]:
    """All modules that are not retired, in the order of the file."""
    return list(session.scalars(sa.select(Module).where(Module.retired_on.is_(None)).order_by(Module.position)))


def module_by_key(session: Session, key: str) -> Module | None:
    """The module of this key."""
    return session.scalar(sa.select(Module).where(Module.key == key))


def paths(session: Session) -> list[ModulePaths]:
    """What the rule `modules_of` needs of all modules."""
    return [ModulePaths(module.key, tuple(module.paths)) for module in modules(session)]


def body_key(module_key: str) -> str:
    """The body whose seats are the module's maintainers."""
    return f"module:{module_key}"


def maintainers(session: Session, module_key: str, at: date) -> frozenset[int]:
    """Persons (row numbers) who maintain the module on a day and are active."""
    return maintainers_of(session, module_key, at).active


def maintainers_of(session: Session, module_key: str, at: date) -> Maintainers:
    """The maintainers of a module on a day, and who may approve and sign for it."""
    governance = current(session)
    appointed = bodies.holders(session, body_key(module_key), at)
    seen: dict[int, date] | None = None
    for function in _last_seen.values():
        seen = {} if seen is None else seen
        for person, day in function(session, appointed.keys()).items():
            seen[person] = max(day, seen.get(person, day))
    active = rules.active(at, appointed, seen, within_days=governance.foundation.active_within_days)
    stand_in = governance.single_maintainer_entry.stand_in
    may = signers(
        governance.single_maintainer,
        active=[str(person) for person in active],
        stand_ins=[str(person) for person in bodies.holders(session, stand_in.body, at, seat_key=stand_in.seat)],
    )
    return Maintainers(appointed, active, may)
