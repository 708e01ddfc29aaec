"""Bodies and who sits on them as of a day; appointments made and ended; where permissions get their seats from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import auth
from app.audit import Actor, record
from app.bodies import rules
from app.bodies.models import Appointment, Body, Seat
from app.bodies.rules import AppointmentOrigin, Concern, Holding, Roster, SeatDefinition
from app.db import clock_of
from app.governance.queries import current
from app.members import queries as members
from app.members.models import Organization
from app.members.rules import group_of
from app.people import queries as people
from app.people.models import Employment, Person
from app.rulebook import Count, Verdict, evaluate

ADMINISTRATION, ADMINISTRATOR = "administration", "administrator"


class AppointmentError(ValueError):
    """An appointment that cannot be made; `problems` has every reason with its field."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{field}: {text}" for field, text in problems))


@dataclass(frozen=True)
class RosterView:
    """A body on a day, ready for a page: places, who and for whom, the quorum with its derivation, and concerns."""

    body: Body
    roster: Roster
    persons: dict[int, Person]
    organizations: dict[int, Organization]
    employers: dict[int, str]
    quorum: Verdict | None
    concerns: tuple[Concern, ...]
    appointments: dict[str, Appointment]


def bodies(session: Session) -> list[Body]:
    """All bodies that are not retired, modules' last."""
    rows = session.scalars(sa.select(Body).where(Body.retired_on.is_(None)).order_by(Body.id))
    return sorted(rows, key=lambda body: (body.module_key is not None, body.id))


def body_by_key(session: Session, key: str) -> Body | None:
    """The body of this key."""
    return session.scalar(sa.select(Body).where(Body.key == key))


def seats_of_body(session: Session, body: Body) -> list[Seat]:
    """A body's seats that are not retired, in the order of the file."""
    return list(
        session.scalars(
            sa.select(Seat).where(Seat.body_id == body.id, Seat.retired_on.is_(None)).order_by(Seat.position, Seat.id)
        )
    )


def seat_by_key(session: Session, body_key: str, seat_key: str) -> Seat | None:
    """A seat by its body's key and its own."""
    return session.scalar(
        sa.select(Seat).join(Body, Body.id == Seat.body_id).where(Body.key == body_key, Seat.key == seat_key)
    )


def roster(session: Session, body_key: str, at: date) -> Roster:
    """The places of a body on a day. Raises: LookupError when there is no such body."""
    body = body_by_key(session, body_key)
    if body is None:
        raise LookupError(f"there is no body {body_key!r}")
    return _roster(session, body, at)


def roster_view(session: Session, body: Body, at: date) -> RosterView:
    """All that a roster's page shows."""
    found = _roster(session, body, at)
    held = [one for place in found.places for one in (place.holder, place.alternate) if one] + list(found.without_place)
    persons = people.names_of(session, {one.person for one in held})
    parents = members.parents(session)
    names = {row.id: row for row in session.scalars(sa.select(Organization))}
    employers = employers_on(session, persons.keys(), at)
    groups = {number: names[group_of(number, parents)].name for number in names}
    noted = rules.concerns(
        found,
        employers={person: names[organization].name for person, organization in employers.items()},
        employer_cap=body.employer_cap,
        groups=groups,
        related_cap=body.related_cap,
        minimum=current(session).single_maintainer.fewer_than if body.module_key else 1,
    )
    quorum = None
    if body.quorum_rule and found.votes_entire:
        rule = current(session).rule(body.quorum_rule)
        quorum = evaluate(rule, Count(present=found.votes_held, all=found.votes_held, entire=found.votes_entire))
    ids = [one.id for one in held]
    rows = session.scalars(sa.select(Appointment).where(Appointment.public_id.in_(ids)))
    return RosterView(
        body,
        found,
        persons,
        names,
        {person: names[organization].name for person, organization in employers.items()},
        quorum,
        tuple(noted),
        {row.public_id: row for row in rows},
    )


def employers_on(session: Session, person_ids: Collection[int], day: date) -> dict[int, int]:
    """Person -> the organization they worked for on a day, for those of whom one is known."""
    canonical = {person: people.canonical_id(session, person) for person in person_ids}
    rows = session.execute(
        sa.select(Employment.person_id, Employment.organization_id).where(
            Employment.person_id.in_(set(canonical.values())),
            Employment.organization_id.is_not(None),
            Employment.starts_on <= day,
            sa.or_(Employment.ends_on.is_(None), Employment.ends_on >= day),
        )
    ).all()
    by_person = {row.person_id: row.organization_id for row in rows}
    return {person: by_person[number] for person, number in canonical.items() if number in by_person}


def holders(session: Session, body_key: str, at: date, *, seat_key: str | None = None) -> dict[int, date]:
    """Person -> since when, of those who hold a seat of the body (or the one seat) on a day; alternates do not."""
    return _holders(session, at, Body.key == body_key, *([Seat.key == seat_key] if seat_key else [])).get(body_key, {})


def holders_of_modules(session: Session, at: date) -> dict[str, dict[int, date]]:
    """Module -> person -> since when, for all modules in one query."""
    found = _holders(session, at, Body.module_key.is_not(None))
    return {key.removeprefix("module:"): persons for key, persons in found.items()}


def _holders(session: Session, at: date, *which: sa.ColumnElement[bool]) -> dict[str, dict[int, date]]:
    person = sa.func.coalesce(Person.merged_into_id, Person.id).label("person")
    rows = session.execute(
        sa.select(Body.key, person, sa.func.min(Appointment.starts_on).label("since"))
        .select_from(Appointment)
        .join(Person, Person.id == Appointment.person_id)
        .join(Seat, Seat.id == Appointment.seat_id)
        .join(Body, Body.id == Seat.body_id)
        .where(Seat.retired_on.is_(None), Appointment.is_alternate.is_(False), _in_force(at), *which)
        .group_by(Body.key, person)
        .order_by(sa.func.min(Appointment.starts_on), person)
    )
    found: dict[str, dict[int, date]] = {}
    for row in rows:
        found.setdefault(row.key, {})[row.person] = row.since
    return found


def administrators(session: Session, at: date) -> frozenset[int]:
    """Those who hold the administrator's seat on a day."""
    return frozenset(holders(session, ADMINISTRATION, at, seat_key=ADMINISTRATOR))


def appointments_of(session: Session, person_id: int) -> list[tuple[Appointment, Seat, Body]]:
    """All appointments of a person, the newest first."""
    rows = session.execute(
        sa.select(Appointment, Seat, Body)
        .join(Seat, Seat.id == Appointment.seat_id)
        .join(Body, Body.id == Seat.body_id)
        .where(Appointment.person_id.in_(_same_person(session, person_id)))
        .order_by(Appointment.starts_on.desc(), Appointment.id.desc())
    )
    return [(row.Appointment, row.Seat, row.Body) for row in rows]


def appointments_for(session: Session, organization_id: int, at: date) -> list[tuple[Appointment, Seat, Body]]:
    """Appointments in force that an organization made."""
    rows = session.execute(
        sa.select(Appointment, Seat, Body)
        .join(Seat, Seat.id == Appointment.seat_id)
        .join(Body, Body.id == Seat.body_id)
        .where(Appointment.organization_id == organization_id, _in_force(at))
        .order_by(Body.id, Seat.position, Appointment.is_alternate)
    )
    return [(row.Appointment, row.Seat, row.Body) for row in rows]


@auth.provide_seats
def held_seats(session: Session, person_id: int, at: datetime) -> tuple[auth.HeldSeat, ...]:
    """The seats that a person holds at a moment, for the house's permissions."""
    rows = session.execute(
        sa.select(Body.key, Body.module_key, Seat.key.label("seat"), Seat.kind, Appointment.is_alternate)
        .add_columns(Organization.public_id.label("organization"))
        .select_from(Appointment)
        .join(Seat, Seat.id == Appointment.seat_id)
        .join(Body, Body.id == Seat.body_id)
        .outerjoin(Organization, Organization.id == Appointment.organization_id)
        .where(
            Appointment.person_id.in_(_same_person(session, person_id)),
            Seat.retired_on.is_(None),
            Body.retired_on.is_(None),
            _in_force(at.date()),
        )
        .order_by(Appointment.id)
    )
    return tuple(
        auth.HeldSeat(
            body=row.key,
            seat=row.seat,
            kind="alternate" if row.is_alternate else row.kind,
            module=row.module_key,
            organization=row.organization,
        )
        for row in rows
    )


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

    Raises: AppointmentError with every problem: no reason, no free place, the wrong appointing organization.
    """
    problems = _appointment_problems(session, seat, person, starts_on, ends_on, organization, is_alternate, reason)
    if problems:
        raise AppointmentError(problems)
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


def end_appointment(session: Session, appointment: Appointment, ends_on: date, *, actor: Actor, reason: str) -> None:
    """The last day of an appointment, with a public reason. One that never began is ended on its first day.

    Raises: AppointmentError without a reason, or when it would leave the portal without any administrator.
    """
    problems = []
    if not reason.strip():
        problems.append(("reason", "is empty; appointments and removals carry public reasons (charter 7.5)"))
    seat = session.get_one(Seat, appointment.seat_id)
    body = session.get_one(Body, seat.body_id)
    if (body.key, seat.key) == (ADMINISTRATION, ADMINISTRATOR):
        after = max(ends_on, clock_of(session).now().date()) + timedelta(days=1)
        rest = (
            sa.select(sa.func.count())
            .select_from(Appointment)
            .where(Appointment.seat_id == seat.id, Appointment.id != appointment.id, _in_force(after))
        )
        if not session.scalar(rest):
            problems.append(("ends_on", "would leave nobody to run the portal; appoint another administrator first"))
    if problems:
        raise AppointmentError(problems)
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


def _appointment_problems(
    session: Session,
    seat: Seat,
    person: Person,
    starts_on: date,
    ends_on: date | None,
    organization: Organization | None,
    is_alternate: bool,
    reason: str,
) -> list[tuple[str, str]]:
    problems = []
    if not reason.strip():
        problems.append(("reason", "is empty; appointments and removals carry public reasons (charter 7.5)"))
    if ends_on is not None and ends_on < starts_on:
        problems.append(("ends_on", f"is before the first day, {starts_on}"))
        return problems
    if is_alternate and not seat.alternates:
        problems.append(("is_alternate", f"the seat {seat.name} has no alternates"))
    tier = tier_of(seat)
    if tier is not None:
        entitled = members.tiers_on(session, starts_on).get(tier, ())
        if organization is None:
            problems.append(("organization", f"is needed: members of the tier {tier} appoint this seat"))
        elif organization.id not in entitled:
            problems.append(("organization", f"{organization.name} is no member of the tier {tier} on {starts_on}"))
    elif organization is not None:
        problems.append(("organization", "no organization appoints this seat; leave it empty"))
    body = session.get_one(Body, seat.body_id)
    if people.canonical_id(session, person.id) in holders(session, body.key, starts_on, seat_key=seat.key):
        problems.append(("person", f"{person.name} holds this seat already on {starts_on}"))
    elif not is_alternate and not problems and not _has_room(session, body, seat, starts_on, organization):
        problems.append(("seat", f"every place of {seat.name} is held on {starts_on}; end an appointment first"))
    return problems


def _has_room(session: Session, body: Body, seat: Seat, day: date, organization: Organization | None) -> bool:
    if seat.places is None and tier_of(seat) is None:
        return True
    places = [place for place in _roster(session, body, day).places if place.seat.id == seat.id]
    if any(place.seat.per_organization for place in places):
        places = [place for place in places if organization and place.organization == organization.id]
    return any(place.is_vacant for place in places)


def tier_of(seat: Seat) -> str | None:
    """The tier whose members appoint the seat, if that is how it is filled."""
    return seat.appointed_by.removeprefix("tier:") if seat.appointed_by.startswith("tier:") else None


def _roster(session: Session, body: Body, at: date) -> Roster:
    seats = seats_of_body(session, body)
    tiers = members.tiers_on(session, at) if any(tier_of(seat) for seat in seats) else {}
    definitions = [_definition(session, seat, at, tiers.get(tier_of(seat) or "", ())) for seat in seats]
    entitled = {seat.id: tiers.get(tier_of(seat) or "", ()) for seat in seats}
    rows = session.scalars(sa.select(Appointment).where(Appointment.seat_id.in_([seat.id for seat in seats])))
    holdings = [
        Holding(
            row.public_id, row.seat_id, row.person_id, row.organization_id, row.is_alternate, row.starts_on, row.ends_on
        )
        for row in rows
    ]
    return rules.roster(at, definitions, holdings, entitled)


def _definition(session: Session, seat: Seat, at: date, member_organizations: Sequence[int]) -> SeatDefinition:
    places, per_organization, tier = seat.places, False, tier_of(seat)
    if tier is not None:
        term = members.term_of(session, tier, at)
        entitlement = term.seats if term else None
        per_organization = entitlement is not None and entitlement.each_member is not None
        places = entitlement.class_seats(len(member_organizations)) if entitlement else 0
    return SeatDefinition(
        seat.id, seat.key, seat.name, seat.kind, seat.appointed_by, seat.votes, places, per_organization
    )


def _same_person(session: Session, person_id: int) -> sa.Select[int]:
    """Row numbers of a person: their own, and those that people (no machine) decided to be the same."""
    return sa.select(Person.id).where(
        sa.or_(
            Person.id == person_id,
            sa.and_(Person.merged_into_id == person_id, Person.claimed_at.is_not(None)),
        )
    )


def _in_force(day: date) -> sa.ColumnElement[bool]:
    return sa.and_(Appointment.starts_on <= day, sa.or_(Appointment.ends_on.is_(None), Appointment.ends_on >= day))
