"""Bodies and who sits on them as of a day, and where permissions get their seats from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import auth
from app.bodies import rules
from app.bodies.models import Appointment, Body, Seat
from app.bodies.rules import Concern, Holding, Roster, SeatDefinition
from app.db import holds_on
from app.governance.queries import current
from app.members import queries as members
from app.members.models import Organization
from app.members.rules import group_of
from app.people import queries as people
from app.people.models import Person
from app.people.queries import OrganizationName
from app.rulebook import Count, Counting, Verdict, evaluate

ADMINISTRATION, ADMINISTRATOR = "administration", "administrator"
_BY_TIER = "tier:"


@dataclass(frozen=True)
class RosterView:
    """A body on a day, ready for a page: places, who and for whom, the quorum with its derivation, and concerns."""

    body: Body
    roster: Roster
    persons: dict[int, Person]
    organizations: Mapping[int, OrganizationName]
    employers: dict[int, Counting]
    quorum: Verdict | None
    concerns: tuple[Concern, ...]
    appointments: dict[str, Appointment]

    @cached_property
    def names(self) -> dict[int, str]:
        """Organization -> name."""
        return {number: one.name for number, one in self.organizations.items()}


def bodies(session: Session) -> list[Body]:
    """All bodies that are not retired, modules' last."""
    rows = session.scalars(sa.select(Body).where(Body.retired_on.is_(None)).order_by(Body.id))
    return sorted(rows, key=lambda body: (body.module_key is not None, body.id))


def body_by_key(session: Session, key: str) -> Body | None:
    """The body of this key."""
    return session.scalar(sa.select(Body).where(Body.key == key))


def seats_of_body(session: Session, body: Body) -> list[Seat]:
    """A body's seats that are not retired, in the order of the file."""
    return _seats(session, [body.id]).get(body.id, [])


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
    return roster_of(session, body, at)


def roster_view(session: Session, body: Body, at: date) -> RosterView:
    """All that a roster's page shows."""
    return roster_views(session, [body], at)[0]


def roster_views(session: Session, listed: Sequence[Body], at: date) -> list[RosterView]:
    """All that the pages of these rosters show, in this order, with as many queries as for one."""
    found = rosters(session, listed, at)
    held = {body.id: list(_held(found[body.id])) for body in listed}
    everybody = people.names_of(session, {one.person for each in held.values() for one in each})
    organizations = people.organization_names(session)
    names = {number: one.name for number, one in organizations.items()}
    groups = _groups(session, names) if any(body.related_cap is not None for body in listed) else {}
    governance = current(session)
    window = governance.foundation.statement_window_days
    employers = people.counted_employers(session, everybody, at, window_days=window)
    appointments = _appointments(session, [one.id for each in held.values() for one in each])
    views = []
    for body in listed:
        persons = {one.person for one in held[body.id]}
        counted = {person: employers[person] for person in persons if person in employers}
        noted = rules.concerns(
            found[body.id],
            employers=counted,
            names=names,
            employer_cap=body.employer_cap,
            groups=groups,
            related_cap=body.related_cap,
            minimum=governance.single_maintainer.fewer_than if body.module_key else 1,
        )
        views.append(
            RosterView(
                body,
                found[body.id],
                {person: everybody[person] for person in persons},
                organizations,
                counted,
                _quorum(session, body, found[body.id]),
                tuple(noted),
                {one.id: appointments[one.id] for one in held[body.id]},
            )
        )
    return views


def _held(found: Roster) -> Iterator[Holding]:
    for place in found.places:
        yield from (one for one in (place.holder, place.alternate) if one)
    yield from found.without_place


def _groups(session: Session, names: Mapping[int, str]) -> dict[int, str]:
    """Organization -> the name of its group."""
    parents = members.parents(session)
    return {number: names[group_of(number, parents)] for number in names}


def _quorum(session: Session, body: Body, found: Roster) -> Verdict | None:
    if not (body.quorum_rule and found.votes_entire):
        return None
    count = Count(present=found.votes_held, all=found.votes_held, entire=found.votes_entire)
    return evaluate(current(session).rule(body.quorum_rule), count)


def _appointments(session: Session, public_ids: Sequence[str]) -> dict[str, Appointment]:
    found: dict[str, Appointment] = {}
    for chunk in people.chunks(sorted(public_ids)):
        rows = session.scalars(sa.select(Appointment).where(Appointment.public_id.in_(chunk)))
        found.update({row.public_id: row for row in rows})
    return found


def holders(session: Session, body_key: str, at: date, *, seat_key: str | None = None) -> dict[int, date]:
    """Person -> since when, of those who hold a seat of the body (or the one seat) on a day; alternates do not."""
    return _holders(session, at, Body.key == body_key, *([Seat.key == seat_key] if seat_key else [])).get(body_key, {})


def holders_of_modules(session: Session, at: date) -> dict[str, dict[int, date]]:
    """Module -> person -> since when, for all modules in one query."""
    found = _holders(session, at, Body.module_key.is_not(None))
    return {key.removeprefix("module:"): persons for key, persons in found.items()}


def ever_maintained(session: Session, module_key: str | None = None) -> set[int]:
    """Who ever sat among the maintainers of this module, or of any."""
    person = sa.func.coalesce(Person.merged_into_id, Person.id)
    query = (
        sa.select(person)
        .select_from(Appointment)
        .join(Person, Person.id == Appointment.person_id)
        .join(Seat, Seat.id == Appointment.seat_id)
        .join(Body, Body.id == Seat.body_id)
        .where(Body.module_key == module_key if module_key else Body.module_key.is_not(None))
    )
    return set(session.scalars(query.distinct()))


def _holders(session: Session, at: date, *which: sa.ColumnElement[bool]) -> dict[str, dict[int, date]]:
    person = sa.func.coalesce(Person.merged_into_id, Person.id).label("person")
    rows = session.execute(
        sa.select(Body.key, person, sa.func.min(Appointment.starts_on).label("since"))
        .select_from(Appointment)
        .join(Person, Person.id == Appointment.person_id)
        .join(Seat, Seat.id == Appointment.seat_id)
        .join(Body, Body.id == Seat.body_id)
        .where(Seat.retired_on.is_(None), Appointment.is_alternate.is_(False), in_force(at), *which)
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
        .where(Appointment.person_id.in_(_same_person(person_id)))
        .order_by(Appointment.starts_on.desc(), Appointment.id.desc())
    )
    return [(row.Appointment, row.Seat, row.Body) for row in rows]


def appointments_for(session: Session, organization_id: int, at: date) -> list[tuple[Appointment, Seat, Body]]:
    """Appointments in force that an organization made."""
    rows = session.execute(
        sa.select(Appointment, Seat, Body)
        .join(Seat, Seat.id == Appointment.seat_id)
        .join(Body, Body.id == Seat.body_id)
        .where(Appointment.organization_id == organization_id, in_force(at))
        .order_by(Body.id, Seat.position, Appointment.is_alternate)
    )
    return [(row.Appointment, row.Seat, row.Body) for row in rows]


@auth.provide_seats
def held_seats(session: Session, person_id: int, at: datetime) -> tuple[auth.HeldSeat, ...]:
    """The seats that a person holds at a moment, for the house's permissions.

    A member's seat goes with its membership: while the organization is no member of the tier, its seat is nobody's.
    """
    rows = session.execute(_seats_held(), {"person": person_id, "day": at.date()}).all()
    by_tier = any(tier_of(row) for row in rows)
    tiers = members.tiers_on(session, at.date()) if by_tier else {}
    return tuple(
        auth.HeldSeat(
            body=row.body,
            seat=row.seat,
            kind="alternate" if row.is_alternate else row.kind,
            module=row.module_key,
            organization=row.organization,
        )
        for row in rows
        if (tier := tier_of(row)) is None or row.organization_id in tiers.get(tier, ())
    )


@cache
def _seats_held() -> sa.Select[*tuple[Any, ...]]:
    """What `held_seats` asks, made once: every page of somebody signed in asks it."""
    return (
        sa.select(Body.key.label("body"), Body.module_key, Seat.key.label("seat"), Seat.kind, Seat.appointed_by)
        .add_columns(Appointment.is_alternate, Appointment.organization_id)
        .add_columns(Organization.public_id.label("organization"))
        .select_from(Appointment)
        .join(Seat, Seat.id == Appointment.seat_id)
        .join(Body, Body.id == Seat.body_id)
        .outerjoin(Organization, Organization.id == Appointment.organization_id)
        .where(
            Appointment.person_id.in_(_same_person(sa.bindparam("person", type_=sa.Integer))),
            Seat.retired_on.is_(None),
            Body.retired_on.is_(None),
            in_force(sa.bindparam("day", type_=sa.Date)),
        )
        .order_by(Appointment.id)
    )


def tier_of(seat: Seat | sa.Row[*tuple[Any, ...]]) -> str | None:
    """The tier whose members appoint the seat, if that is how it is filled."""
    return seat.appointed_by.removeprefix(_BY_TIER) if seat.appointed_by.startswith(_BY_TIER) else None


def roster_of(session: Session, body: Body, at: date) -> Roster:
    """The places of a body on a day."""
    return rosters(session, [body], at)[body.id]


def rosters(session: Session, listed: Sequence[Body], at: date) -> dict[int, Roster]:
    """Body (row number) -> its places on a day, with as many queries as for one."""
    seats = _seats(session, [body.id for body in listed])
    everywhere = [seat for each in seats.values() for seat in each]
    tiers = members.tiers_on(session, at) if any(tier_of(seat) for seat in everywhere) else {}
    holdings = _holdings(session, [seat.id for seat in everywhere], at)
    found = {}
    for body in listed:
        mine = seats.get(body.id, [])
        entitled = {seat.id: tiers.get(tier_of(seat) or "", ()) for seat in mine}
        definitions = [_definition(session, seat, at, entitled[seat.id]) for seat in mine]
        held = [one for seat in mine for one in holdings.get(seat.id, ())]
        found[body.id] = rules.roster(at, definitions, held, entitled)
    return found


def _seats(session: Session, body_ids: Sequence[int]) -> dict[int, list[Seat]]:
    """Body -> its seats that are not retired, in the order of the file."""
    found: dict[int, list[Seat]] = {}
    wanted = sa.select(Seat).where(Seat.body_id.in_(body_ids), Seat.retired_on.is_(None))
    for seat in session.scalars(wanted.order_by(Seat.position, Seat.id)):
        found.setdefault(seat.body_id, []).append(seat)
    return found


def _holdings(session: Session, seat_ids: Sequence[int], at: date) -> dict[int, list[Holding]]:
    """Seat -> the appointments to it that are in force on a day."""
    found: dict[int, list[Holding]] = {}
    row = Appointment
    wanted = sa.select(
        row.public_id, row.seat_id, row.person_id, row.organization_id, row.is_alternate, row.starts_on, row.ends_on
    ).where(row.seat_id.in_(seat_ids), in_force(at))
    for one in session.execute(wanted):
        found.setdefault(one.seat_id, []).append(Holding(*one))
    return found


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


def _same_person(person_id: int | sa.BindParameter[int]) -> sa.Select[int]:
    """Row numbers of a person: their own, and those that people (no machine) decided to be the same."""
    return sa.select(Person.id).where(
        sa.or_(
            Person.id == person_id,
            sa.and_(Person.merged_into_id == person_id, Person.claimed_at.is_not(None)),
        )
    )


def in_force(day: date | sa.BindParameter[date]) -> sa.ColumnElement[bool]:
    """The condition that an appointment holds on a day."""
    return holds_on(Appointment, day)
