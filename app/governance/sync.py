"""The one way from governance/ into the database: plan, show, apply. Slices above add what they keep rows of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from app.audit import Actor, record
from app.db import clock_of
from app.governance.models import GovernanceVersion
from app.governance.queries import content_of, current_version, sha256_of
from app.governance_files import Governance


@dataclass(frozen=True)
class Change:
    """One thing that a sync would do: a sentence, and the deed."""

    thing: str
    text: str
    apply: Callable[[Session], None]


Planner = Callable[[Session, Governance, date], list[Change]]
_planners: dict[str, tuple[int, Planner]] = {}


def planner(*, order: int) -> Callable[[Planner], Planner]:
    """Register what a slice makes of governance/: `@planner(order=20)` over (session, governance, today) -> changes.

    A planner only reads; its changes are applied in order, after those of lower order.
    """

    def register(function: Planner) -> Planner:
        _planners[f"{function.__module__}.{function.__qualname__}"] = (order, function)
        return function

    return register


def plan(session: Session, governance: Governance, today: date) -> list[Change]:
    """All changes that would bring the database to these files; none when it is there already."""
    changes = []
    content = content_of(governance)
    sha256, version = sha256_of(content), current_version(session)
    if version is None or version.sha256 != sha256:

        def keep(writing: Session) -> None:
            writing.add(GovernanceVersion(sha256=sha256, synced_at=clock_of(writing).now(), content=content))
            writing.flush()

        since = "the first" if version is None else f"after {version.sha256[:12]}"
        changes.append(Change("governance", f"version {sha256[:12]}, {since}", keep))
    for _, function in sorted(_planners.values(), key=lambda pair: pair[0]):
        changes += function(session, governance, today)
    return changes


def apply(session: Session, governance: Governance, *, actor: Actor, reason: str) -> list[Change]:
    """Plan and apply in the session's transaction, with one audit entry; does nothing when nothing differs."""
    changes = plan(session, governance, clock_of(session).now().date())
    for change in changes:
        change.apply(session)
    if changes:
        record(
            session,
            actor=actor,
            action="governance.sync",
            thing=sha256_of(content_of(governance)),
            reason=reason,
            data={"changes": [f"{change.thing}: {change.text}" for change in changes]},
        )
    return changes
