"""People: their names, whom they worked for, what sources call them, and the seats they hold. Nobody who is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import Enum
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.answers import names
from app.api.fields import Answer, Asked, Day, Items, OrganizationId, OrganizationRef, Paged, PersonId
from app.api.operations import example, operation
from app.api.paging import listed
from app.db import clock_of, holds_on
from app.people import queries as people_queries
from app.people.models import Employment, IdentityPerson, Person
from app.people.rules import PROOF, Role, StatementSource, masked, public_login


class PersonKind(Enum):
    """People, or bots and tools, which are kept apart."""

    PEOPLE = "people"
    MACHINES = "machines"


class PersonLine(Answer):
    """A person with the employer of the day: null where nobody knows, or where they are independent by their word."""

    id: str
    name: str
    employer: OrganizationRef | None
    is_independent: bool


class EmploymentHeld(Answer):
    """Whom a person worked for (null: for nobody, by their own word), from when until when, and how it is known."""

    organization: OrganizationRef | None
    starts_on: date
    ends_on: date | None
    source: StatementSource
    confidence: int


class WrittenIdentity(Answer):
    """A name as a source writes it, with its address as the page shows it or, where there is none, its login."""

    source: str
    name: str
    address: str
    login: str
    role: Role
    first_on: date | None
    last_on: date | None


class PersonRecord(PersonLine):
    """All that a person's page says of them."""

    role: Role
    employment: list[EmploymentHeld]
    beside: Annotated[list[EmploymentHeld], Field(description="For whom they work a part of their time.")]
    identities: list[WrittenIdentity]


class PeopleAsked(Paged):
    """Which people."""

    kind: PersonKind = PersonKind.PEOPLE
    employer: Annotated[OrganizationId | None, Field(description="Who worked for it on the day `at`.")] = None
    at: Annotated[Day | None, Field(description="The day whose employers count; left out, today.")] = None


class PersonAsked(Asked):
    """Which person."""

    person: PersonId


@operation("/people", subject="People")
def people(session: Session, asked: PeopleAsked) -> Items[PersonLine]:
    """Everybody who is not hidden; bots and tools apart.

    In the order in which the portal came to know them.
    """
    day = asked.at or clock_of(session).now().date()
    machines = sa.select(IdentityPerson.person_id).where(IdentityPerson.role != Role.PERSON)
    is_machine = Person.id.in_(machines)
    query = sa.select(Person).where(
        Person.merged_into_id.is_(None), Person.hidden_at.is_(None),
        is_machine if asked.kind is PersonKind.MACHINES else ~is_machine,
    )  # fmt: skip
    if asked.employer is not None:
        of = names.organization(session, asked.employer).id
        there = sa.select(Employment.person_id).where(Employment.organization_id == of, holds_on(Employment, day))
        query = query.where(Person.id.in_(there))

    def make(rows: Sequence[Any]) -> list[PersonLine]:
        numbers = [row.Person.id for row in rows]
        now = {
            one.person_id: one
            for one in session.scalars(
                sa.select(Employment).where(Employment.person_id.in_(numbers), holds_on(Employment, day))
            )
        }
        employers = names.organizations_of(session, [one.organization_id for one in now.values()])
        return [PersonLine(**_line(row.Person, now.get(row.Person.id), employers)) for row in rows]

    return listed(session, query, [Person.id], asked, make)


@operation("/people/{person}", subject="People")
def person(session: Session, asked: PersonAsked) -> PersonRecord:
    """One person's record.

    Asked for somebody who turned out to be another, it answers with that other.
    """
    record = people_queries.record_of(session, names.person(session, asked.person))
    known: dict[int | None, OrganizationRef | None] = {
        number: OrganizationRef(id=one.public_id, name=one.name) for number, one in record.organizations.items()
    }
    return PersonRecord(
        **_line(record.person, record.current, known), role=record.role,
        employment=[_employment(row, known) for row in record.employment],
        beside=[_employment(row, known) for row in record.beside],
        # What somebody proved in order to sign in is theirs, and on no page that others see.
        identities=[
            WrittenIdentity(
                source=seen.identity.source, name=seen.identity.name, role=seen.role,
                login=public_login(seen.identity.login, seen.identity.email),
                address=masked(seen.identity.email) if seen.identity.email else "",
                first_on=seen.first_on, last_on=seen.last_on,
            )
            for seen in record.identities if not seen.identity.source.startswith(PROOF)
        ],
    )  # fmt: skip


@example("person")
def _a_person(session: Session) -> str | None:
    shown = sa.select(Person.public_id).where(Person.hidden_at.is_(None), Person.merged_into_id.is_(None))
    return session.scalar(shown.order_by(Person.id).limit(1))


def _line(one: Person, now: Any, employers: dict[Any, OrganizationRef | None]) -> dict[str, Any]:
    return {"id": one.public_id, "name": one.name, "employer": employers.get(now.organization_id) if now else None,
            "is_independent": now is not None and now.organization_id is None}  # fmt: skip


def _employment(row: Any, known: dict[Any, OrganizationRef | None]) -> EmploymentHeld:
    return EmploymentHeld(organization=known.get(row.organization_id), starts_on=row.starts_on, ends_on=row.ends_on,
                          source=row.source, confidence=row.confidence)  # fmt: skip
