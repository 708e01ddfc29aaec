"""What the people's pages show: lists, one person's record, proposals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.checks import UnfoundError
from app.db import clock_of, holds_on
from app.people.models import (
    Affiliation,
    Employment,
    Identity,
    IdentityActivity,
    IdentityLink,
    IdentityPerson,
    Person,
    SideEmployment,
)
from app.people.queries.identities import address_of
from app.people.queries.log import LoggedDecision, decisions_about
from app.people.queries.organizations import OrganizationName, organization_names
from app.people.queries.persons import all_of, canonical
from app.people.rules import PROOF, Role, identifies_one_person


@dataclass(frozen=True)
class Listed:
    """A line of the list of people."""

    person: Person
    role: Role
    employment: Employment | None
    organization: OrganizationName | None


@dataclass(frozen=True)
class SeenIdentity:
    """An identity with its role and the days on which it was seen."""

    identity: Identity
    role: Role
    first_on: date | None
    last_on: date | None


@dataclass(frozen=True)
class Record:
    """All that a person's page shows."""

    person: Person
    identities: tuple[SeenIdentity, ...]
    employment: tuple[Employment, ...]
    statements: tuple[Affiliation, ...]
    decisions: tuple[LoggedDecision, ...]
    organizations: Mapping[int, OrganizationName]
    current: Employment | None
    beside: tuple[SideEmployment, ...] = ()

    @property
    def role(self) -> Role:
        """What the person is in the figures: a bot, if one of its names is."""
        roles = {seen.role for seen in self.identities}
        return next((role for role in reversed(Role) if role in roles), Role.PERSON)


def _listed(search: str, kind: str) -> sa.Select[Person]:
    query = sa.select(Person).where(Person.merged_into_id.is_(None), Person.hidden_at.is_(None))
    if search:
        text = sa.func.lower(Person.name).contains(search.lower(), autoescape=True)
        by_login = sa.select(IdentityPerson.person_id).join(Identity, Identity.id == IdentityPerson.identity_id)
        # What somebody proved in order to sign in is theirs to show; only what sources write is found.
        written = ~Identity.source.startswith(PROOF)
        query = query.where(
            text | Person.id.in_(by_login.where(sa.func.lower(Identity.login) == search.lower(), written))
        )
    machines = sa.select(IdentityPerson.person_id).where(IdentityPerson.role != Role.PERSON)
    return query.where(Person.id.in_(machines) if kind == "machines" else Person.id.not_in(machines))


def count_people(session: Session, *, search: str, kind: str) -> int:
    """How many people (or bots and tools: kind "machines") a search finds."""
    return session.scalar(sa.select(sa.func.count()).select_from(_listed(search, kind).subquery())) or 0


def list_people(session: Session, day: date, *, search: str, kind: str, offset: int, limit: int) -> list[Listed]:
    """People by name with their employer of the day; hidden people are in no list."""
    order = (sa.func.lower(Person.name), Person.id)
    persons = list(session.scalars(_listed(search, kind).order_by(*order).offset(offset).limit(limit)))
    ids = [person.id for person in persons]
    names = organization_names(session)
    today = {
        row.person_id: row
        for row in session.scalars(
            sa.select(Employment).where(Employment.person_id.in_(ids), holds_on(Employment, day))
        )
    }
    roles: dict[int, Role] = {}
    for row in session.execute(
        sa.select(IdentityPerson.person_id, IdentityPerson.role).where(
            IdentityPerson.person_id.in_(ids), IdentityPerson.role != Role.PERSON
        )
    ):
        roles[row.person_id] = row.role
    return [
        Listed(person, roles.get(person.id, Role.PERSON), now, names.get(now.organization_id or 0) if now else None)
        for person in persons
        for now in [today.get(person.id)]
    ]


def record_of(session: Session, person: Person) -> Record:
    """One person's identities, employment, statements and decisions."""
    rows = session.execute(
        sa.select(Identity, IdentityPerson.role, IdentityActivity.first_on, IdentityActivity.last_on)
        .join(IdentityPerson, IdentityPerson.identity_id == Identity.id)
        .outerjoin(IdentityActivity, IdentityActivity.identity_id == Identity.id)
        .where(IdentityPerson.person_id == person.id)
        .order_by(Identity.id)
    )
    identities = tuple(SeenIdentity(row.Identity, row.role, row.first_on, row.last_on) for row in rows)
    statements = session.scalars(
        sa.select(Affiliation)
        .where(Affiliation.person_id.in_(all_of(person.id)))
        .order_by(Affiliation.stated_at.desc())
    )
    rows_of_person = sa.select(Employment).where(Employment.person_id == person.id)
    employment = tuple(session.scalars(rows_of_person.order_by(Employment.starts_on.desc())))
    today = clock_of(session).now().date()
    return Record(
        person,
        identities,
        employment,
        tuple(statements),
        tuple(decisions_about(session, [seen.identity.id for seen in identities])),
        organization_names(session),
        next((row for row in employment if row.starts_on <= today and (row.ends_on or today) >= today), None),
        tuple(session.scalars(sa.select(SideEmployment).where(SideEmployment.person_id == person.id)
                              .order_by(SideEmployment.starts_on.desc()))),
    )  # fmt: skip


def people_of(session: Session, organization_id: int, *, limit: int) -> list[tuple[Person, Employment]]:
    """Everybody who worked for an organization, with the latest interval there, those of today first.

    Hidden people are among them, last and to be shown without a name: counts stay.
    """
    last = sa.func.coalesce(Employment.ends_on, date.max)
    order = (last.desc(), Employment.starts_on.desc())
    turn = sa.func.row_number().over(partition_by=Employment.person_id, order_by=order).label("turn")
    there = sa.select(Employment.id, turn).where(Employment.organization_id == organization_id).subquery()
    rows = session.execute(
        sa.select(Person, Employment)
        .select_from(there)
        .join(Employment, Employment.id == there.c.id)
        .join(Person, Person.id == Employment.person_id)
        .where(there.c.turn == 1)
        .order_by(last.desc(), Person.hidden_at.is_not(None), sa.func.lower(Person.name), Person.id)
        .limit(limit)
    )
    return [(row.Person, row.Employment) for row in rows]


def people_beside(
    session: Session, organization_id: int, day: date, *, limit: int
) -> list[tuple[Person, SideEmployment]]:
    """Who works for an organization on a day for a part of their time, beside another employer."""
    rows = session.execute(
        sa.select(Person, SideEmployment)
        .join(SideEmployment, SideEmployment.person_id == Person.id)
        .where(SideEmployment.organization_id == organization_id, holds_on(SideEmployment, day))
        .order_by(Person.hidden_at.is_not(None), sa.func.lower(Person.name), SideEmployment.id).limit(limit)
    )  # fmt: skip
    return [(row.Person, row.SideEmployment) for row in rows]


def kept_apart(session: Session, *, limit: int) -> list[tuple[Person, Person, str]]:
    """Pairs that a machine's evidence joins and a rule keeps apart: (one, other, the evidence)."""
    left, right = sa.orm.aliased(IdentityPerson), sa.orm.aliased(IdentityPerson)
    one, other = sa.orm.aliased(Identity), sa.orm.aliased(Identity)
    by_link = (
        sa.select(left.person_id.label("one"), right.person_id.label("other"), IdentityLink.source.label("evidence"))
        .join(left, left.identity_id == IdentityLink.identity_id)
        .join(right, right.identity_id == IdentityLink.other_id)
        .where(left.person_id != right.person_id)
    )
    by_address = (
        sa.select(left.person_id.label("one"), right.person_id.label("other"), one.address.label("evidence"))
        .select_from(one)
        .join(other, sa.and_(other.address == one.address, other.id > one.id))
        .join(left, left.identity_id == one.id)
        .join(right, right.identity_id == other.id)
        .where(one.address != "", left.person_id != right.person_id)
    )
    found: dict[tuple[int, int], str] = {}
    for query in (by_link, by_address):
        for row in session.execute(query.distinct().limit(limit)):
            if query is by_link or identifies_one_person(row.evidence):
                found.setdefault((min(row.one, row.other), max(row.one, row.other)), row.evidence)
    numbers = {number for pair in found for number in pair}
    persons = {row.id: row for row in session.scalars(sa.select(Person).where(Person.id.in_(numbers)))}
    return [(persons[one_id], persons[other_id], why) for (one_id, other_id), why in sorted(found.items())][:limit]


def addresses_of(session: Session, person_ids: Collection[int]) -> dict[int, list[str]]:
    """The e-mail addresses of persons, each once."""
    rows = session.execute(
        sa.select(IdentityPerson.person_id, Identity.email)
        .join(Identity, Identity.id == IdentityPerson.identity_id)
        .where(IdentityPerson.person_id.in_(person_ids), Identity.email != "")
        .order_by(Identity.id)
    )
    found: dict[int, list[str]] = {}
    for person, email in rows:
        if email not in found.setdefault(person, []):
            found[person].append(email)
    return found


def find_person(session: Session, text: str) -> list[Person]:
    """Whom somebody may mean by a public id, an e-mail or a name; at most ten."""
    text = text.strip().rsplit("/", 1)[-1]
    exact = session.scalar(sa.select(Person).where(Person.public_id == text))
    if exact is not None:
        return [exact]
    by_address = (
        sa.select(IdentityPerson.person_id)
        .join(Identity, Identity.id == IdentityPerson.identity_id)
        .where(Identity.address == address_of(text))
    )
    named = sa.func.lower(Person.name) == " ".join(text.split()).lower()
    query = sa.select(Person).where(Person.merged_into_id.is_(None))
    query = query.where(Person.id.in_(by_address) if "@" in text else named)
    return list(session.scalars(query.order_by(Person.id).limit(10)))


def one_person(session: Session, text: str) -> Person:
    """The one whom somebody means: by public id, e-mail or exact name. Raises: UnfoundError for none or several."""
    return _the_one(canonical(session, person) for person in find_person(session, text))


def one_shown_person(session: Session, text: str) -> Person:
    """The one whom somebody who is no staff means: by public id or shown name, since addresses are masked for them.

    Raises: UnfoundError for none or several.
    """
    key = text.strip().rsplit("/", 1)[-1]
    exact = session.scalar(sa.select(Person).where(Person.public_id == key))
    named = sa.select(Person).where(
        sa.func.lower(Person.name) == " ".join(text.split()).lower(),
        ~Person.name.contains("@"),
        Person.merged_into_id.is_(None),
        Person.hidden_at.is_(None),
    )
    return _the_one([canonical(session, exact)] if exact else session.scalars(named.order_by(Person.id).limit(10)))


def _the_one(persons: Iterable[Person]) -> Person:
    found = {one.id: one for one in persons}
    if not found:
        raise UnfoundError("nobody is found so; look at /people and use the public id in the address of their page")
    if len(found) > 1:
        listed = ", ".join(one.public_id for one in found.values())
        raise UnfoundError(f"{len(found)} people are called so: {listed}; use one of these public ids")
    return next(iter(found.values()))


def namesakes(session: Session, person: Person) -> Sequence[Person]:
    """Others who are called so too, at most ten; of somebody who is hidden nobody is told."""
    if person.hidden_at is not None:
        return ()
    query = sa.select(Person).where(
        sa.func.lower(Person.name) == person.name.lower(),
        Person.id != person.id,
        Person.merged_into_id.is_(None),
        Person.hidden_at.is_(None),
    )
    return session.scalars(query.order_by(Person.id).limit(10)).all()
