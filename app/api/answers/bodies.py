"""Bodies, their seats with who holds them on a day, and every appointment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import sqlalchemy as sa
from flask import abort
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.answers import names
from app.api.conditions import same
from app.api.fields import Answer, Asked, Day, Items, Key, OrganizationId, OrganizationRef, Paged, PersonId, PersonName
from app.api.operations import example, operation
from app.api.paging import listed
from app.bodies import queries as body_queries
from app.bodies.models import Appointment, Body, Seat
from app.bodies.rules import AppointmentOrigin, BodyKind, Holding, Nature
from app.db import clock_of, holds_on
from app.pages import veiled
from app.people import queries as people
from app.people.models import Person


class BodyLine(Answer):
    """A body."""

    key: str
    name: str
    kind: BodyKind
    nature: Nature
    summary: str
    clause: Annotated[str, Field(description="Of the charter.")]
    module: str | None
    retired_on: date | None


class Holder(Answer):
    """Somebody on a seat (null asked to be hidden), for an organization where one appoints."""

    appointment: str
    person: PersonName | None
    organization: OrganizationRef | None
    starts_on: date
    ends_on: date | None


class PlaceHeld(Answer):
    """One seat as it stands on the day; without a holder it is vacant."""

    seat: str
    name: str
    kind: str
    number: int
    appointed_by: str
    votes: int
    organization: OrganizationRef | None
    holder: Holder | None
    alternate: Holder | None


class Roster(BodyLine):
    """A body's seats on a day, and what is amiss with them."""

    at: date
    places: list[PlaceHeld]
    without_place: list[Holder]
    votes_held: int
    votes_entire: int
    quorum_needed: int | None
    quorum_rule: str | None
    motion_rule: str | None
    employer_cap: int | None
    related_cap: int | None
    concerns: list[str]


class AppointmentMade(Answer):
    """A person (null asked to be hidden) on a seat from a day until a day, both included."""

    id: str
    body: str
    seat: str
    seat_name: str
    person: PersonName | None
    organization: OrganizationRef | None
    is_alternate: bool
    starts_on: date
    ends_on: date | None
    origin: AppointmentOrigin


class BodiesAsked(Paged):
    """Which bodies."""

    kind: BodyKind | None = None
    nature: Nature | None = None


class RosterAsked(Asked):
    """Which body, on which day."""

    body: Annotated[Key, Field(description="Like `governing-board`, or `module:core` for a module's maintainers.")]
    at: Annotated[Day | None, Field(description="Left out, today.")] = None


class AppointmentsAsked(Paged):
    """Which appointments."""

    body: Key | None = None
    person: PersonId | None = None
    organization: OrganizationId | None = None
    at: Annotated[Day | None, Field(description="Only those in force on this day.")] = None


@operation("/bodies", subject="Bodies")
def bodies(session: Session, asked: BodiesAsked) -> Items[BodyLine]:
    """Every body that is not retired, the maintainers of each module among them."""
    query = sa.select(Body).where(
        Body.retired_on.is_(None), *same(Body.kind, asked.kind), *same(Body.nature, asked.nature)
    )
    return listed(session, query, [Body.id], asked, lambda rows: [BodyLine(**_line(row.Body)) for row in rows])


@operation("/bodies/{body}", subject="Bodies")
def body(session: Session, asked: RosterAsked) -> Roster:
    """A body's roster on a day: its seats, who holds them, its quorum, and what is amiss."""
    found = body_queries.body_by_key(session, asked.body) or abort(404, f"There is no body {asked.body}.")
    day = asked.at or clock_of(session).now().date()
    view = body_queries.roster_view(session, found, day)
    organizations: dict[int | None, OrganizationRef] = {
        number: OrganizationRef(id=one.public_id, name=one.name) for number, one in view.organizations.items()
    }

    persons = names.people_of(session, view.persons)

    def holder(one: Holding | None) -> Holder | None:
        if one is None:
            return None
        return Holder(appointment=one.id, person=persons.get(one.person),
                      organization=organizations.get(one.organization), starts_on=one.starts_on,
                      ends_on=one.ends_on)  # fmt: skip

    roster = view.roster
    places = [
        PlaceHeld(seat=place.seat.key, name=place.seat.name, kind=place.seat.kind, number=place.number,
                  appointed_by=place.seat.appointed_by, votes=place.seat.votes,
                  organization=organizations.get(place.organization), holder=holder(place.holder),
                  alternate=holder(place.alternate))
        for place in roster.places
    ]  # fmt: skip
    return Roster(
        **_line(found), at=day, places=places,
        without_place=[one for each in roster.without_place if (one := holder(each))],
        votes_held=roster.votes_held, votes_entire=roster.votes_entire,
        quorum_needed=view.quorum.quorum_needed if view.quorum else None, quorum_rule=found.quorum_rule,
        motion_rule=found.motion_rule, employer_cap=found.employer_cap, related_cap=found.related_cap,
        concerns=[veiled(concern.text) for concern in view.concerns],
    )  # fmt: skip


@operation("/appointments", subject="Bodies")
def appointments(session: Session, asked: AppointmentsAsked) -> Items[AppointmentMade]:
    """Every appointment to a seat, past ones too, in the order in which they were made."""
    query = (
        sa.select(Appointment, Seat, Body.key.label("body"), Person)
        .join(Seat, Seat.id == Appointment.seat_id)
        .join(Body, Body.id == Seat.body_id)
        .join(Person, Person.id == Appointment.person_id)
        .where(*same(Body.key, asked.body))
    )
    if asked.person is not None:
        query = query.where(Appointment.person_id.in_(people.all_of(names.person(session, asked.person).id)))
    if asked.organization is not None:
        query = query.where(Appointment.organization_id == names.organization(session, asked.organization).id)
    if asked.at is not None:
        query = query.where(holds_on(Appointment, asked.at))

    def make(rows: Sequence[Any]) -> list[AppointmentMade]:
        holders = names.people_of(session, [row.Person.id for row in rows])
        employers = names.organizations_of(session, [row.Appointment.organization_id for row in rows])
        return [
            AppointmentMade(
                id=row.Appointment.public_id, body=row.body, seat=row.Seat.key, seat_name=row.Seat.name,
                person=holders[row.Person.id], organization=employers[row.Appointment.organization_id],
                is_alternate=row.Appointment.is_alternate, starts_on=row.Appointment.starts_on,
                ends_on=row.Appointment.ends_on, origin=row.Appointment.origin,
            )
            for row in rows
        ]  # fmt: skip

    return listed(session, query, [Appointment.id], asked, make)


@example("body")
def _a_body(session: Session) -> str | None:
    return session.scalar(sa.select(Body.key).where(Body.retired_on.is_(None)).order_by(Body.id).limit(1))


def _line(one: Body) -> dict[str, Any]:
    return {"key": one.key, "name": one.name, "kind": one.kind, "nature": one.nature, "summary": one.summary,
            "clause": one.clause, "module": one.module_key, "retired_on": one.retired_on}  # fmt: skip
