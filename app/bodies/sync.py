"""Bodies and seats from governance/: made, changed, retired; never deleted, since appointments point at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.bodies.models import Body, Seat
from app.bodies.rules import BodyKind, Nature
from app.governance.sync import Change, planner
from app.governance_files import Governance


@dataclass(frozen=True)
class WantedSeat:
    """A seat as a file defines it."""

    key: str
    values: dict[str, Any]


@dataclass(frozen=True)
class WantedBody:
    """A body as a file defines it."""

    key: str
    values: dict[str, Any]
    seats: tuple[WantedSeat, ...]


@planner(order=20)
def plan_bodies(session: Session, governance: Governance, today: date) -> list[Change]:
    """Changes that bring the bodies of bodies.yaml into the database; modules' bodies are the modules' own."""
    wanted = [
        WantedBody(
            body.key,
            {
                "name": body.name,
                "kind": BodyKind(body.kind),
                "nature": Nature(body.nature),
                "summary": body.summary,
                "clause": body.clause,
                "module_key": None,
                "employer_cap": body.employer_cap,
                "related_cap": body.related_cap,
                "quorum_rule": body.rules.quorum,
                "motion_rule": body.rules.motion,
            },
            tuple(
                WantedSeat(
                    seat.key,
                    {
                        "name": seat.name,
                        "kind": seat.kind,
                        "appointed_by": seat.appointed_by,
                        "votes": seat.votes,
                        "alternates": seat.alternates,
                        "places": seat.count,
                        "term_years": seat.term_years,
                        "position": position,
                    },
                )
                for position, seat in enumerate(body.seats)
            ),
        )
        for body in governance.bodies
    ]
    existing = list(session.scalars(sa.select(Body).where(Body.module_key.is_(None))))
    return body_changes(session, existing, wanted, today)


def body_changes(session: Session, existing: list[Body], wanted: list[WantedBody], today: date) -> list[Change]:
    """Changes that make the wanted bodies of the existing ones; one that is not wanted is retired."""
    by_key = {body.key: body for body in existing}
    changes = [change for want in wanted for change in _one_body(session, by_key.get(want.key), want, today)]
    kept = {want.key for want in wanted}
    for body in existing:
        if body.key not in kept and body.retired_on is None:
            changes.append(Change(f"body {body.key}", "retire", _retire(Body, body.id, today)))
    return changes


def _one_body(session: Session, body: Body | None, want: WantedBody, today: date) -> list[Change]:
    if body is None:

        def make(writing: Session) -> None:
            made = Body(key=want.key, **want.values)
            writing.add(made)
            writing.flush()
            writing.add_all(Seat(body_id=made.id, key=seat.key, **seat.values) for seat in want.seats)
            writing.flush()

        seats = ", ".join(seat.key for seat in want.seats)
        return [Change(f"body {want.key}", f"make, with the seats {seats}", make)]
    changes = []
    values = {**want.values, "retired_on": None}
    if differs := difference(body, values):
        changes.append(Change(f"body {want.key}", f"change {differs}", _set(Body, body.id, values)))
    existing = {seat.key: seat for seat in session.scalars(sa.select(Seat).where(Seat.body_id == body.id))}
    for wanted in want.seats:
        thing, seat = f"seat {want.key}/{wanted.key}", existing.get(wanted.key)
        seat_values = {**wanted.values, "retired_on": None}
        if seat is None:
            changes.append(Change(thing, "make", _add_seat(body.id, wanted)))
        elif seat_differs := difference(seat, seat_values):
            changes.append(Change(thing, f"change {seat_differs}", _set(Seat, seat.id, seat_values)))
    kept = {seat.key for seat in want.seats}
    for seat in existing.values():
        if seat.key not in kept and seat.retired_on is None:
            retire = _retire(Seat, seat.id, today)
            changes.append(Change(f"seat {want.key}/{seat.key}", "retire", retire))
    return changes


def difference(row: object, values: dict[str, Any]) -> str:
    """The names of the values that a row has otherwise, for a plan's sentence."""
    return ", ".join(name for name, value in values.items() if getattr(row, name) != value)


def _set(model: type[Any], number: int, values: dict[str, Any]) -> Callable[[Session], None]:
    def apply(writing: Session) -> None:
        row = writing.get_one(model, number)
        for name, value in values.items():
            setattr(row, name, value)
        writing.flush()

    return apply


def _add_seat(body_id: int, wanted: WantedSeat) -> Callable[[Session], None]:
    def apply(writing: Session) -> None:
        writing.add(Seat(body_id=body_id, key=wanted.key, **wanted.values))
        writing.flush()

    return apply


def _retire(model: type[Any], number: int, day: date) -> Callable[[Session], None]:
    return _set(model, number, {"retired_on": day})
