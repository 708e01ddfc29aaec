"""Modules, the paths that are theirs, and their maintainers as of a day."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.bodies import queries as bodies
from app.bodies.models import Body
from app.bodies.rules import Concern
from app.governance.queries import current
from app.modules import rules
from app.modules.models import Module
from app.modules.rules import ModulePaths
from app.rulebook import Signers, signers

LastSeen = Callable[[Session, Collection[int]], Mapping[int, date]]
_last_seen: dict[str, LastSeen] = {}


@dataclass(frozen=True)
class RollCall:
    """What the roll call of one body finds on a day; a module's counts its active maintainers."""

    body: Body
    module_key: str | None
    concerns: tuple[Concern, ...]


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
    appointed = bodies.holders(session, body_key(module_key), at)
    return _maintainers(session, {module_key: appointed}, at)[module_key]


def maintainers_by_module(session: Session, at: date) -> dict[str, Maintainers]:
    """The maintainers of every module on a day, with as many queries as for one."""
    appointed = bodies.holders_of_modules(session, at)
    return _maintainers(session, {module.key: appointed.get(module.key, {}) for module in modules(session)}, at)


def _maintainers(session: Session, appointed: Mapping[str, Mapping[int, date]], at: date) -> dict[str, Maintainers]:
    governance = current(session)
    persons = {person for since in appointed.values() for person in since}
    seen: dict[int, date] | None = None
    for function in _last_seen.values():
        seen = {} if seen is None else seen
        for person, day in function(session, persons).items():
            seen[person] = max(day, seen.get(person, day))
    stand_in = governance.single_maintainer_entry.stand_in
    stand_ins = [str(person) for person in bodies.holders(session, stand_in.body, at, seat_key=stand_in.seat)]
    found = {}
    for key, since in appointed.items():
        active = rules.active(at, since, seen, within_days=governance.foundation.active_within_days)
        may = signers(governance.single_maintainer, active=[str(one) for one in active], stand_ins=stand_ins)
        found[key] = Maintainers(since, active, may)
    return found


def short_modules(session: Session, at: date) -> dict[str, Maintainers]:
    """Modules with so few active maintainers that the rule `single-maintainer` applies."""
    fewer_than = current(session).single_maintainer.fewer_than
    return {key: one for key, one in maintainers_by_module(session, at).items() if len(one.active) < fewer_than}


def roll_call(session: Session, at: date) -> list[RollCall]:
    """Every body of which somebody should know something: vacant seats, caps, modules with too few active people."""
    found, short = [], short_modules(session, at)
    for view in bodies.roster_views(session, bodies.bodies(session), at):
        body, concerns = view.body, list(view.concerns)
        if body.module_key is not None:
            concerns = [concern for concern in concerns if concern.key != "too-few"]
            held = short.get(body.module_key)
            if held is not None:
                concerns.append(Concern("too-few", rules.too_few(len(held.appointed), len(held.active))))
        if concerns:
            found.append(RollCall(body, body.module_key, tuple(concerns)))
    return found
