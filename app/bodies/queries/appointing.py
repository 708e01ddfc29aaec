"""Appointments, made and ended: each keeps its rules, and has one entry of the audit log."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import auth
from app.audit import Actor, record
from app.bodies import rules
from app.bodies.models import Appointment, Body, Seat
from app.bodies.queries.reading import (
    ADMINISTRATION,
    ADMINISTRATOR,
    administrators,
    holders,
    in_force,
    roster_of,
    seat_by_key,
    tier_of,
)
from app.bodies.rules import AppointmentOrigin
from app.checks import Broken, RefusedError, checked, ends_after_it_starts
from app.db import clock_of
from app.governance.queries import current
from app.members import queries as members
from app.members.models import Organization
from app.people import queries as people
from app.people.models import Person


class AppointmentError(RefusedError):
    """An appointment that cannot be made or ended."""


def _says_why(reason: str) -> Broken:
    if not reason.strip():
        yield "reason", "is empty; appointments and removals carry public reasons (charter 7.5)"


def _alternates_are_foreseen(seat: Seat, is_alternate: bool) -> Broken:
    if is_alternate and not seat.alternates:
        yield "is_alternate", f"the seat {seat.name} has no alternates"


def _member_appoints(session: Session, seat: Seat, organization: Organization | None, starts_on: date) -> Broken:
    tier = tier_of(seat)
    if tier is None:
        if organization is not None:
            yield "organization", "no organization appoints this seat; leave it empty"
    elif organization is None:
        yield "organization", f"is needed: members of the tier {tier} appoint this seat"
    elif organization.id not in members.tiers_on(session, starts_on).get(tier, ()):
        yield "organization", f"{organization.name} is no member of the tier {tier} on {starts_on}"


def _holds_it_not_yet(session: Session, seat: Seat, person: Person, starts_on: date) -> Broken:
    body = session.get_one(Body, seat.body_id)
    if people.canonical_id(session, person.id) in holders(session, body.key, starts_on, seat_key=seat.key):
        yield "person", f"{people.shown_name(person)} holds this seat already on {starts_on}"


def _place_is_free(
    session: Session, seat: Seat, organization: Organization | None, is_alternate: bool, starts_on: date
) -> Broken:
    if is_alternate or (seat.places is None and tier_of(seat) is None):
        return
    if any(_member_appoints(session, seat, organization, starts_on)):
        return
    body = session.get_one(Body, seat.body_id)
    places = [place for place in roster_of(session, body, starts_on).places if place.seat.id == seat.id]
    if any(place.seat.per_organization for place in places):
        places = [place for place in places if organization and place.organization == organization.id]
    if not any(place.is_vacant for place in places):
        yield "seat", f"every place of {seat.name} is held on {starts_on}; end an appointment first"


def _employer_cap_is_kept(
    session: Session, seat: Seat, person: Person, is_alternate: bool, starts_on: date, ends_on: date | None
) -> Broken:
    body = session.get_one(Body, seat.body_id)
    if body.employer_cap is None or is_alternate:
        return
    # The first day, and today where the appointment covers it: a date in the past is no way around the cap.
    today = clock_of(session).now().date()
    days = [starts_on, today] if starts_on < today and (ends_on is None or today <= ends_on) else [starts_on]
    told = [text for day in days for text in _over_the_cap(session, body, person, body.employer_cap, day)]
    for text in dict.fromkeys(told):
        yield "person", text


def _over_the_cap(session: Session, body: Body, person: Person, cap: int, day: date) -> list[str]:
    places = roster_of(session, body, day).places
    sitting = {people.canonical_id(session, place.holder.person) for place in places if place.holder}
    candidate = people.canonical_id(session, person.id)
    window = current(session).foundation.statement_window_days
    counted = people.counted_employers(session, sitting | {candidate}, day, window_days=window)
    names = {number: one.name for number, one in people.organization_names(session).items()}
    return rules.over_the_cap(candidate, sitting, counted, names=names, cap=cap)


def _somebody_runs_the_portal(session: Session, appointment: Appointment, ends_on: date) -> Broken:
    seat = session.get_one(Seat, appointment.seat_id)
    body = session.get_one(Body, seat.body_id)
    if (body.key, seat.key) == (ADMINISTRATION, ADMINISTRATOR):
        after = max(ends_on, clock_of(session).now().date()) + timedelta(days=1)
        rest = (
            sa.select(sa.func.count())
            .select_from(Appointment)
            .where(Appointment.seat_id == seat.id, Appointment.id != appointment.id, in_force(after))
        )
        if not session.scalar(rest):
            yield "ends_on", "would leave nobody to run the portal; appoint another administrator first"


@checked(
    _says_why, ends_after_it_starts, _alternates_are_foreseen, _member_appoints, _holds_it_not_yet, _place_is_free,
    _employer_cap_is_kept, refusal=AppointmentError,
)  # fmt: skip
def appoint(
    session: Session,
    seat: Seat,
    person: Person,
    *,
    starts_on: date,
    ends_on: date | None = None,
    organization: Organization | None = None,
    is_alternate: bool = False,
    origin: AppointmentOrigin = AppointmentOrigin.PORTAL,
    actor: Actor,
    reason: str,
) -> Appointment:
    """Put a person on a seat from a day until a day, both included, with a public reason.

    Raises: AppointmentError with every problem: no reason, no free place, the wrong appointing organization, a cap.
    """
    now = clock_of(session).now()
    made = Appointment(
        seat_id=seat.id,
        person_id=person.id,
        organization_id=organization.id if organization else None,
        is_alternate=is_alternate,
        starts_on=starts_on,
        ends_on=ends_on,
        origin=origin,
        reason=reason.strip()[:1000],
        made_at=now,
    )
    # Whoever holds a seat is a person of their own: no machine may merge them with another such.
    person.claimed_at = person.claimed_at or now
    session.add(made)
    session.flush()
    body = session.get_one(Body, seat.body_id)
    record(
        session,
        actor=actor,
        action="bodies.appointment.make",
        thing=made.public_id,
        reason=reason.strip(),
        data={"body": body.key, "seat": seat.key, "person": person.public_id, "alternate": is_alternate}
        | {"organization": organization.public_id if organization else None, "starts_on": starts_on.isoformat()},
    )
    return made


@checked(_says_why, _somebody_runs_the_portal, refusal=AppointmentError)
def end_appointment(session: Session, appointment: Appointment, ends_on: date, *, actor: Actor, reason: str) -> None:
    """The last day of an appointment, with a public reason. One that never began is ended on its first day.

    Raises: AppointmentError without a reason, or when it would leave the portal without any administrator.
    """
    appointment.ends_on = max(ends_on, appointment.starts_on)
    appointment.ended_reason = reason.strip()[:1000]
    session.flush()
    record(
        session,
        actor=actor,
        action="bodies.appointment.end",
        thing=appointment.public_id,
        reason=reason.strip(),
        data={"ends_on": appointment.ends_on.isoformat()},
    )


@auth.provide_first_administrator
def first_administrator(session: Session, name: str, email: str, reason: str) -> str:
    """The public id of an administrator: the one of this name and address, seated if nobody is.

    Raises: LookupError when governance/ was not synced, since the seat comes from there.
    """
    today = clock_of(session).now().date()
    seat = seat_by_key(session, ADMINISTRATION, ADMINISTRATOR)
    if seat is None:
        raise LookupError("there is no administrator's seat yet; run `flask governance sync` first")
    person = people.create_person(session, name, email)
    if people.canonical_id(session, person.id) not in administrators(session, today):
        appoint(
            session,
            seat,
            person,
            starts_on=today,
            origin=AppointmentOrigin.COMMAND_LINE,
            actor=Actor.system("command-line"),
            reason=reason,
        )
        people.resolve(session)
    return person.public_id
