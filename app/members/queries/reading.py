"""Organizations and their memberships, found and as of a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.checks import UnfoundError
from app.db import holds_on
from app.governance.queries import current
from app.governance_files import GovernanceError, TierTerm
from app.members import rules
from app.members.models import Membership, Organization, OrganizationDomain
from app.members.rules import Span
from app.people import queries as people


@dataclass(frozen=True)
class Member:
    """An organization with its membership of a day (None: it is no member then)."""

    organization: Organization
    membership: Membership | None
    tier: TierTerm | None


def organization_by_public_id(session: Session, public_id: str) -> Organization | None:
    """The organization of this public id."""
    return session.scalar(sa.select(Organization).where(Organization.public_id == public_id))


def organization_named(session: Session, text: str) -> Organization | None:
    """The organization that a form's choice names; None for no choice. Raises: UnfoundError."""
    found = organization_by_public_id(session, text) if text else None
    if text and found is None:
        raise UnfoundError("is none of the choices")
    return found


def organizations(session: Session) -> list[Organization]:
    """All organizations by name."""
    return list(session.scalars(sa.select(Organization).order_by(sa.func.lower(Organization.name))))


def members_on(session: Session, day: date) -> list[Member]:
    """Every organization with its membership of the day, by name."""
    by_organization = {
        row.organization_id: row for row in session.scalars(sa.select(Membership).where(holds_on(Membership, day)))
    }
    terms = {key: term_of(session, key, day) for key in {row.tier_key for row in by_organization.values()}}
    return [
        Member(organization, membership, None if membership is None else terms[membership.tier_key])
        for organization in organizations(session)
        for membership in [by_organization.get(organization.id)]
    ]


def member_on(session: Session, organization: Organization, day: date) -> Member:
    """One organization with its membership of the day."""
    membership = session.scalar(
        sa.select(Membership).where(Membership.organization_id == organization.id, holds_on(Membership, day))
    )
    return Member(organization, membership, None if membership is None else term_of(session, membership.tier_key, day))


def count_by_tier(session: Session, day: date) -> dict[str, int]:
    """Tier -> how many organizations are members of it on a day."""
    query = sa.select(Membership.tier_key, sa.func.count()).where(holds_on(Membership, day))
    return {tier: number for tier, number in session.execute(query.group_by(Membership.tier_key))}


def related_to(session: Session, organization: Organization) -> list[Organization]:
    """The other organizations of its group, by name."""
    groups_of = groups(session)
    mine = {number for number, group in groups_of.items() if group == groups_of[organization.id]} - {organization.id}
    if not mine:
        return []
    found = sa.select(Organization).where(Organization.id.in_(mine))
    return list(session.scalars(found.order_by(sa.func.lower(Organization.name))))


def term_of(session: Session, tier_key: str, day: date) -> TierTerm | None:
    """What a tier is called and gives on a day; None for a tier that the files no longer know."""
    try:
        return current(session).tier(tier_key).on(day)
    except (KeyError, GovernanceError):
        return None


def tier_name(session: Session, tier_key: str, day: date) -> str:
    """What a tier is called on a day; its key, where the files no longer know it."""
    term = term_of(session, tier_key, day)
    return term.name if term else tier_key


def memberships_of(session: Session, organization: Organization) -> list[Membership]:
    """All memberships of an organization, the newest first."""
    return list(
        session.scalars(
            sa.select(Membership)
            .where(Membership.organization_id == organization.id)
            .order_by(Membership.starts_on.desc())
        )
    )


def domains_of(session: Session, organization: Organization) -> list[OrganizationDomain]:
    """All domains of an organization."""
    return list(
        session.scalars(
            sa.select(OrganizationDomain)
            .where(OrganizationDomain.organization_id == organization.id)
            .order_by(OrganizationDomain.domain, OrganizationDomain.starts_on)
        )
    )


def parents(session: Session) -> dict[int, int | None]:
    """Organization -> the organization that owns it."""
    return {row.id: row.parent_id for row in session.execute(sa.select(Organization.id, Organization.parent_id))}


def groups(session: Session) -> dict[int, int]:
    """Organization -> the one that owns it in the end (itself, if nobody does): to count related companies as one."""
    owners = parents(session)
    return {number: rules.group_of(number, owners) for number in owners}


def group_members(session: Session, organization_id: int) -> frozenset[int]:
    """The organization and all that it owns, through others too."""
    owners = parents(session)
    return frozenset(number for number in owners if rules.is_owned_by(number, organization_id, owners))


@dataclass(frozen=True)
class TierBook:
    """Every membership and every owner, read once: who was a member of which tier, on any day."""

    memberships: Mapping[int, Sequence[tuple[Span, str]]]
    parents: Mapping[int, int | None]

    def tier(self, organization: int | None, day: date) -> str | None:
        """The tier of an organization on a day, its own or that of who owns it; None: it was no member."""
        seen: set[int] = set()
        while organization is not None and organization not in seen:
            for span, tier in self.memberships.get(organization, ()):
                if span.holds_on(day):
                    return tier
            seen.add(organization)
            organization = self.parents.get(organization)
        return None


def tier_book(session: Session) -> TierBook:
    """All memberships, to be asked about many organizations and days."""
    found: dict[int, list[tuple[Span, str]]] = {}
    columns = (Membership.organization_id, Membership.starts_on, Membership.ends_on, Membership.tier_key)
    for organization, starts_on, ends_on, tier in session.execute(sa.select(*columns).order_by(Membership.id)):
        found.setdefault(organization, []).append((Span(starts_on, ends_on), tier))
    return TierBook(found, parents(session))


def tiers_on(session: Session, day: date) -> dict[str, tuple[int, ...]]:
    """Tier -> member organizations of a day; related companies count once."""
    columns = (Membership.organization_id, Membership.tier_key, Membership.starts_on, Membership.ends_on)
    rows = session.execute(sa.select(*columns).where(holds_on(Membership, day)).order_by(Membership.id))
    listed = [(organization, tier, Span(starts_on, ends_on)) for organization, tier, starts_on, ends_on in rows]
    return rules.members_by_tier(day, listed, parents(session))


def growth(session: Session, until: date, *, months: int) -> tuple[list[str], list[tuple[str, list[float]]]]:
    """Members of each tier on the first of each month up to a day: labels, and (today's name of the tier, numbers).

    Begins with the first membership; empty when there is none.
    """
    rows = session.execute(sa.select(Membership.tier_key, Membership.starts_on, Membership.ends_on)).all()
    if not rows:
        return [], []
    first = min(row.starts_on for row in rows)
    days = [day for day in rules.firsts_of_months(until, months) if day >= first.replace(day=1)] + [until]
    spans: dict[str, list[Span]] = {}
    for key, starts_on, ends_on in rows:
        spans.setdefault(key, []).append(Span(starts_on, ends_on))
    series = []
    for tier in current(session).tiers:
        mine = spans.get(tier.key)
        if mine is None:
            continue
        term = tier.on(until)
        numbers = [float(sum(span.holds_on(day) for span in mine)) for day in days]
        series.append((term.name if term else tier.terms[-1].name, numbers))
    return [f"{day:%b %Y}" for day in days], series


@people.provide_domains
def employer_domains(session: Session) -> Mapping[str, Sequence[people.Domain]]:
    """Domain -> whose and when, for the derivation of employment."""
    found: dict[str, list[people.Domain]] = {}
    row = OrganizationDomain
    columns = (row.domain, row.organization_id, row.starts_on, row.ends_on)
    for domain, organization, starts_on, ends_on in session.execute(sa.select(*columns).order_by(row.id)):
        found.setdefault(domain, []).append(people.Domain(organization, starts_on, ends_on))
    return found


@people.provide_organizations
def named_organizations(session: Session) -> Mapping[int, people.OrganizationName]:
    """Row number -> name, for the people's pages."""
    columns = (Organization.id, Organization.public_id, Organization.name)
    rows = session.execute(sa.select(*columns).order_by(sa.func.lower(Organization.name)))
    return {number: people.OrganizationName(public_id, name) for number, public_id, name in rows}
