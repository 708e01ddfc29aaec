"""Organizations, their memberships, and the people who work or worked for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import Enum
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.answers import names
from app.api.conditions import same
from app.api.fields import Answer, Asked, Day, Items, Key, OrganizationId, OrganizationRef, Paged, PersonName
from app.api.operations import example, operation
from app.api.paging import listed
from app.db import clock_of, holds_on
from app.members import queries as members
from app.members.models import Membership, Organization
from app.members.rules import OrganizationKind
from app.people.models import Employment, Person


class Standing(Enum):
    """Whether an organization is a member on the day that is asked for."""

    MEMBER = "member"
    NO_MEMBER = "no-member"


class MembershipHeld(Answer):
    """A membership from a day until a day, both included."""

    id: str
    organization: OrganizationRef
    tier: str
    tier_name: Annotated[str | None, Field(description="What the tier was called when it began.")]
    starts_on: date
    ends_on: date | None


class OrganizationLine(Answer):
    """An organization with its tier of the day."""

    id: str
    name: str
    kind: OrganizationKind
    website: str
    owner: OrganizationRef | None
    tier: str | None


class Domain(Answer):
    """An e-mail domain that was the organization's from a day until a day."""

    domain: str
    starts_on: date
    ends_on: date | None


class OrganizationRecord(OrganizationLine):
    """All that an organization's page says of it."""

    description: str
    domains: list[Domain]
    memberships: list[MembershipHeld]
    owns: Annotated[list[OrganizationRef], Field(description="All that it owns, through others too.")]


class Employed(Answer):
    """Somebody who works or worked there; null asked to be hidden."""

    person: PersonName | None
    starts_on: date
    ends_on: date | None


class OrganizationsAsked(Paged):
    """Which organizations."""

    kind: OrganizationKind | None = None
    standing: Standing | None = None
    tier: Annotated[Key | None, Field(description="Members of this tier alone, by its key.")] = None
    at: Annotated[Day | None, Field(description="The day whose memberships count; left out, today.")] = None


class OrganizationAsked(Asked):
    """Which organization."""

    organization: OrganizationId


class MembershipsAsked(Paged):
    """Which memberships."""

    tier: Key | None = None
    at: Annotated[Day | None, Field(description="Only those in force on this day.")] = None


class EmployedAsked(Paged):
    """Which organization's people."""

    organization: OrganizationId
    at: Annotated[Day | None, Field(description="Only those who worked there on this day.")] = None


@operation("/organizations", subject="Organizations")
def organizations(session: Session, asked: OrganizationsAsked) -> Items[OrganizationLine]:
    """Every organization, members and others.

    In the order in which they were entered.
    """
    day = asked.at or clock_of(session).now().date()
    in_force = sa.select(Membership).where(holds_on(Membership, day))
    held = {row.organization_id: row.tier_key for row in session.scalars(in_force)}
    query = sa.select(Organization).where(*same(Organization.kind, asked.kind))
    holders = in_force.with_only_columns(Membership.organization_id)
    if asked.tier is not None:
        query = query.where(Organization.id.in_(holders.where(Membership.tier_key == asked.tier)))
    if asked.standing is not None:
        is_in = Organization.id.in_(holders)
        query = query.where(is_in if asked.standing is Standing.MEMBER else ~is_in)

    def make(rows: Sequence[Any]) -> list[OrganizationLine]:
        owners = names.organizations_of(session, [row.Organization.parent_id for row in rows])
        return [OrganizationLine(**_line(row.Organization, owners, held.get(row.Organization.id))) for row in rows]

    return listed(session, query, [Organization.id], asked, make)


@operation("/organizations/{organization}", subject="Organizations")
def organization(session: Session, asked: OrganizationAsked) -> OrganizationRecord:
    """One organization's record."""
    found = names.organization(session, asked.organization)
    day = clock_of(session).now().date()
    memberships = members.memberships_of(session, found)
    tier = next((one.tier_key for one in memberships
                 if one.starts_on <= day and (one.ends_on is None or one.ends_on >= day)), None)  # fmt: skip
    owned = members.group_members(session, found.id) - {found.id}
    others = names.organizations_of(session, [found.parent_id, *owned])
    return OrganizationRecord(
        **_line(found, others, tier), description=found.description,
        domains=[Domain.model_validate(one) for one in members.domains_of(session, found)],
        memberships=[_membership(session, one, found) for one in memberships],
        owns=[one for number in sorted(owned) if (one := others.get(number))],
    )  # fmt: skip


@operation("/organizations/{organization}/people", subject="Organizations")
def organization_people(session: Session, asked: EmployedAsked) -> Items[Employed]:
    """Who works or worked for an organization, as far as is known."""
    found = names.organization(session, asked.organization)
    query = (
        sa.select(Employment, Person)
        .join(Person, Person.id == Employment.person_id)
        .where(Employment.organization_id == found.id)
    )
    if asked.at is not None:
        query = query.where(holds_on(Employment, asked.at))

    def make(rows: Sequence[Any]) -> list[Employed]:
        return [Employed(person=PersonName.of(row.Person), starts_on=row.Employment.starts_on,
                         ends_on=row.Employment.ends_on) for row in rows]  # fmt: skip

    return listed(session, query, [Employment.person_id, Employment.starts_on], asked, make)


@operation("/memberships", subject="Organizations")
def memberships(session: Session, asked: MembershipsAsked) -> Items[MembershipHeld]:
    """Memberships of all organizations; dues are for staff and the member alone, and not here."""
    query = (
        sa.select(Membership, Organization)
        .join(Organization, Organization.id == Membership.organization_id)
        .where(*same(Membership.tier_key, asked.tier))
    )
    if asked.at is not None:
        query = query.where(holds_on(Membership, asked.at))

    def make(rows: Sequence[Any]) -> list[MembershipHeld]:
        return [_membership(session, row.Membership, row.Organization) for row in rows]

    return listed(session, query, [Membership.id], asked, make)


@example("organization")
def _an_organization(session: Session) -> str | None:
    return session.scalar(sa.select(Organization.public_id).order_by(Organization.id).limit(1))


def _line(one: Organization, others: dict[int | None, OrganizationRef | None], tier: str | None) -> dict[str, Any]:
    return {"id": one.public_id, "name": one.name, "kind": one.kind, "website": one.website,
            "owner": others.get(one.parent_id), "tier": tier}  # fmt: skip


def _membership(session: Session, one: Membership, holder: Organization) -> MembershipHeld:
    term = members.term_of(session, one.tier_key, one.starts_on)
    return MembershipHeld(
        id=one.public_id, organization=OrganizationRef(id=holder.public_id, name=holder.name), tier=one.tier_key,
        tier_name=term.name if term else None, starts_on=one.starts_on, ends_on=one.ends_on,
    )  # fmt: skip
