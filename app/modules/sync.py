"""Modules from modules.yaml: the module, its body with the maintainers' seat, and the maintainers listed there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor
from app.bodies.models import Appointment, Body, Seat
from app.bodies.queries import appoint, end_appointment, seat_by_key
from app.bodies.rules import AppointmentOrigin, BodyKind, Nature
from app.bodies.sync import WantedBody, WantedSeat, body_changes, difference
from app.governance.sync import Change, planner
from app.governance_files import Governance
from app.governance_files import Module as ModuleEntry
from app.governance_files.documents import Maintainer
from app.modules.models import Module
from app.modules.queries import body_key
from app.people import queries as people
from app.people.models import Identity, IdentityPerson
from app.people.queries.identities import fingerprint

SEAT = "maintainer"
_ACTOR = Actor.system("governance-sync")


@planner(order=30)
def plan_modules(session: Session, governance: Governance, today: date) -> list[Change]:
    """Changes that bring modules, their bodies and their maintainers into the database."""
    existing = {module.key: module for module in session.scalars(sa.select(Module))}
    changes = []
    for position, entry in enumerate(governance.modules):
        values = {
            "name": entry.name,
            "summary": entry.summary,
            "paths": list(entry.paths),
            "position": position,
            "retired_on": None,
        }
        module = existing.get(entry.key)
        if module is None:
            changes.append(
                Change(f"module {entry.key}", f"make, with {', '.join(entry.paths)}", _make(entry.key, values))
            )
        elif differs := difference(module, values):
            changes.append(Change(f"module {entry.key}", f"change {differs}", _set(module.id, values)))
    kept = {entry.key for entry in governance.modules}
    for module in existing.values():
        if module.key not in kept and module.retired_on is None:
            changes.append(Change(f"module {module.key}", "retire", _set(module.id, {"retired_on": today})))
    bodies = list(session.scalars(sa.select(Body).where(Body.module_key.is_not(None))))
    changes += body_changes(session, bodies, [_body(entry) for entry in governance.modules], today)
    for entry in governance.modules:
        changes += _maintainer_changes(session, entry, today)
    return changes


def _body(entry: ModuleEntry) -> WantedBody:
    values = {
        "name": f"Maintainers of {entry.name}",
        "kind": BodyKind.MODULE,
        "nature": Nature.TECHNICAL,
        "summary": entry.summary,
        "clause": "7.1",
        "module_key": entry.key,
        "employer_cap": None,
        "related_cap": None,
        "quorum_rule": None,
        "motion_rule": None,
    }
    seat = {
        "name": "Maintainer",
        "kind": "maintainer",
        "appointed_by": "election:maintainers",
        "votes": 1,
        "alternates": False,
        "places": None,
        "term_years": None,
        "position": 0,
    }
    return WantedBody(body_key(entry.key), values, (WantedSeat(SEAT, seat),))


def _maintainer_changes(session: Session, entry: ModuleEntry, today: date) -> list[Change]:
    """Appointments that the file lists and the database lacks, and those of the file that it lists no more."""
    rows = session.execute(
        sa.select(Appointment)
        .join(Seat, Seat.id == Appointment.seat_id)
        .join(Body, Body.id == Seat.body_id)
        .where(Body.key == body_key(entry.key), Appointment.origin == AppointmentOrigin.FILE)
    )
    from_file = {(row.Appointment.person_id, row.Appointment.starts_on): row.Appointment for row in rows}
    changes, listed = [], set()
    for maintainer in entry.maintainers:
        person = _person_of(session, maintainer)
        appointment = from_file.get((person or -1, maintainer.since))
        thing = f"maintainer {maintainer.name} of {entry.key}"
        if appointment is None:
            changes.append(Change(thing, f"appoint from {maintainer.since}", _appoint(entry.key, maintainer)))
            continue
        listed.add(appointment.id)
        if appointment.ends_on != maintainer.until and maintainer.until is not None:
            text = f"end on {maintainer.until}"
            changes.append(Change(thing, text, _end(appointment.id, maintainer.until, "ended in modules.yaml")))
    for appointment in from_file.values():
        if appointment.id not in listed and (appointment.ends_on is None or appointment.ends_on >= today):
            text, last = "end: no longer listed", today - timedelta(days=1)
            end = _end(appointment.id, last, "no longer listed in modules.yaml")
            changes.append(Change(f"maintainer {appointment.public_id} of {entry.key}", text, end))
    return changes


def _person_of(session: Session, maintainer: Maintainer) -> int | None:
    mark = fingerprint(("portal", " ".join(maintainer.name.split()), maintainer.email.strip(), ""))
    return session.scalar(
        sa.select(IdentityPerson.home_person_id)
        .join(Identity, Identity.id == IdentityPerson.identity_id)
        .where(Identity.fingerprint == mark)
    )


def _make(key: str, values: dict[str, Any]) -> Callable[[Session], None]:
    def apply(writing: Session) -> None:
        writing.add(Module(key=key, **values))
        writing.flush()

    return apply


def _set(number: int, values: dict[str, Any]) -> Callable[[Session], None]:
    def apply(writing: Session) -> None:
        row = writing.get_one(Module, number)
        for name, value in values.items():
            setattr(row, name, value)
        writing.flush()

    return apply


def _appoint(key: str, maintainer: Maintainer) -> Callable[[Session], None]:
    def apply(writing: Session) -> None:
        seat = seat_by_key(writing, body_key(key), SEAT)
        if seat is None:
            raise LookupError(f"the body {body_key(key)} has no maintainers' seat")
        person = people.create_person(writing, maintainer.name, maintainer.email)
        appoint(
            writing,
            seat,
            person,
            starts_on=maintainer.since,
            ends_on=maintainer.until,
            origin=AppointmentOrigin.FILE,
            actor=_ACTOR,
            reason="listed in modules.yaml",
        )
        people.resolve(writing)

    return apply


def _end(number: int, last: date, reason: str) -> Callable[[Session], None]:
    def apply(writing: Session) -> None:
        end_appointment(writing, writing.get_one(Appointment, number), last, actor=_ACTOR, reason=reason)

    return apply
