"""Names for row numbers, many at once: of persons, organizations, repositories, and of whoever an identity is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from flask import abort
from sqlalchemy.orm import Session

from app.api.fields import OrganizationRef, PersonName, RepositoryRef
from app.contributions.models import Repository
from app.contributions.registry import by_public_id
from app.members import queries as members
from app.members.models import Organization
from app.people import queries as people
from app.people.models import Employment, IdentityPerson, Person


def people_of(session: Session, numbers: Iterable[int | None]) -> dict[int | None, PersonName | None]:
    """Persons by row number; whoever asked to be hidden, and nobody, is None."""
    found = people.names_of(session, {number for number in numbers if number is not None})
    return {None: None, **{number: PersonName.of(one) for number, one in found.items()}}


def people_of_identities(session: Session, numbers: Iterable[int | None]) -> dict[int | None, Person]:
    """Who the identities are: whole rows, so that a hidden person can be told from an unknown one."""
    wanted = sorted({number for number in numbers if number is not None})
    rows = session.execute(
        sa.select(IdentityPerson.identity_id, Person)
        .join(Person, Person.id == IdentityPerson.person_id)
        .where(IdentityPerson.identity_id.in_(wanted))
    )
    return {row.identity_id: row.Person for row in rows}


def organizations_of(session: Session, numbers: Iterable[int | None]) -> dict[int | None, OrganizationRef | None]:
    """Organizations by row number."""
    wanted = sorted({number for number in numbers if number is not None})
    rows = session.scalars(sa.select(Organization).where(Organization.id.in_(wanted)))
    return {None: None, **{row.id: OrganizationRef(id=row.public_id, name=row.name) for row in rows}}


def repositories_of(session: Session, numbers: Iterable[int]) -> dict[int, RepositoryRef]:
    """Repositories by row number."""
    rows = session.scalars(sa.select(Repository).where(Repository.id.in_(sorted(set(numbers)))))
    return {row.id: RepositoryRef(id=row.public_id, name=row.name) for row in rows}


def repository_number(session: Session, public_id: str | None) -> int | None:
    """The row number of the repository that a parameter names; 404 for none such."""
    if public_id is None:
        return None
    found = by_public_id(session, public_id)
    return found.id if found else abort(404, f"There is no repository {public_id}.")


def organization(session: Session, public_id: str) -> Organization:
    """The organization of a path or parameter; 404 for none such."""
    return members.organization_by_public_id(session, public_id) or abort(404, f"There is no organization {public_id}.")


def person(session: Session, public_id: str) -> Person:
    """The person of a path or parameter, or whoever they turned out to be; 404 for none such, and for who is hidden."""
    found = people.person_by_public_id(session, public_id)
    found = people.canonical(session, found) if found else None
    if found is None or found.hidden_at is not None:
        abort(404, f"There is no person {public_id}, or they asked to be hidden.")
    return found


def identities(of: Person) -> sa.Select[int]:
    """The identities of a person, as a part of a query."""
    return sa.select(IdentityPerson.identity_id).where(IdentityPerson.person_id == of.id)


def worked_for(of: Organization, identity: Any, day: Any) -> sa.ColumnElement[bool]:
    """Whether whoever an identity is worked for an organization on a day, as a part of a query."""
    # All who ever worked there first: databases find these few by an index, and ask of their commits' days alone.
    ever = sa.select(IdentityPerson.identity_id).join(Employment, Employment.person_id == IdentityPerson.person_id)
    then = sa.exists().where(
        IdentityPerson.identity_id == identity, Employment.person_id == IdentityPerson.person_id,
        Employment.organization_id == of.id, Employment.starts_on <= day,
        sa.or_(Employment.ends_on.is_(None), Employment.ends_on >= day))  # fmt: skip
    return sa.and_(identity.in_(ever.where(Employment.organization_id == of.id)), then)
