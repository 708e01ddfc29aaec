"""Organizations and their memberships: found, made, changed, and as of a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor, record
from app.db import clock_of
from app.governance.queries import current
from app.governance_files import GovernanceError, TierTerm
from app.members import rules
from app.members.models import Membership, Organization, OrganizationDomain
from app.members.rules import OrganizationKind, Span
from app.people import queries as people
from app.people.domains import registrable

Found = list[tuple[str, str]]
"""Problems of a form: (field, what is wrong and what to do)."""


class MemberError(ValueError):
    """A change that cannot be made; `problems` has every reason with its field."""

    def __init__(self, problems: Found) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{field}: {text}" for field, text in problems))


@dataclass(frozen=True)
class Member:
    """An organization with its membership of a day (None: it is no member then)."""

    organization: Organization
    membership: Membership | None
    tier: TierTerm | None


def organization_by_public_id(session: Session, public_id: str) -> Organization | None:
    """The organization of this public id."""
    return session.scalar(sa.select(Organization).where(Organization.public_id == public_id))


def organizations(session: Session) -> list[Organization]:
    """All organizations by name."""
    return list(session.scalars(sa.select(Organization).order_by(sa.func.lower(Organization.name))))


def members_on(session: Session, day: date) -> list[Member]:
    """Every organization with its membership of the day, by name."""
    by_organization = {
        row.organization_id: row
        for row in session.scalars(sa.select(Membership))
        if Span(row.starts_on, row.ends_on).holds_on(day)
    }
    return [
        Member(organization, membership, None if membership is None else term_of(session, membership.tier_key, day))
        for organization in organizations(session)
        for membership in [by_organization.get(organization.id)]
    ]


def term_of(session: Session, tier_key: str, day: date) -> TierTerm | None:
    """What a tier is called and gives on a day; None for a tier that the files no longer know."""
    try:
        return current(session).tier(tier_key).on(day)
    except (KeyError, GovernanceError):
        return None


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


def tiers_on(session: Session, day: date) -> dict[str, tuple[int, ...]]:
    """Tier -> member organizations of a day; related companies count once."""
    rows = session.scalars(sa.select(Membership).order_by(Membership.id))
    listed = [(row.organization_id, row.tier_key, Span(row.starts_on, row.ends_on)) for row in rows]
    return rules.members_by_tier(day, listed, parents(session))


def growth(session: Session, until: date, *, months: int) -> tuple[list[str], list[tuple[str, list[float]]]]:
    """Members of each tier on the first of each month up to a day: labels, and (today's name of the tier, numbers).

    Begins with the first membership; empty when there is none.
    """
    rows = list(session.scalars(sa.select(Membership)))
    if not rows:
        return [], []
    first = min(row.starts_on for row in rows)
    days = [day for day in rules.firsts_of_months(until, months) if day >= first.replace(day=1)] + [until]
    tiers = [tier for tier in current(session).tiers if any(row.tier_key == tier.key for row in rows)]
    series = []
    for tier in tiers:
        mine = [Span(row.starts_on, row.ends_on) for row in rows if row.tier_key == tier.key]
        term = tier.on(until)
        numbers = [float(sum(span.holds_on(day) for span in mine)) for day in days]
        series.append((term.name if term else tier.terms[-1].name, numbers))
    return [f"{day:%b %Y}" for day in days], series


@people.provide_domains
def employer_domains(session: Session) -> Mapping[str, Sequence[people.Domain]]:
    """Domain -> whose and when, for the derivation of employment."""
    found: dict[str, list[people.Domain]] = {}
    for row in session.scalars(sa.select(OrganizationDomain).order_by(OrganizationDomain.id)):
        found.setdefault(row.domain, []).append(people.Domain(row.organization_id, row.starts_on, row.ends_on))
    return found


@people.provide_organizations
def named_organizations(session: Session) -> Mapping[int, people.OrganizationName]:
    """Row number -> name, for the people's pages."""
    return {row.id: people.OrganizationName(row.public_id, row.name) for row in organizations(session)}


# Changes. Each checks everything first, and raises MemberError with all problems at once.


def create_organization(
    session: Session,
    name: str,
    *,
    kind: OrganizationKind,
    actor: Actor,
    reason: str,
    parent: Organization | None = None,
    website: str = "",
    description: str = "",
) -> Organization:
    """A new organization."""
    name = " ".join(name.split())
    _refuse(_organization_problems(session, None, name, parent))
    taken = session.scalars(sa.select(Organization.slug))
    made = Organization(
        name=name,
        slug=rules.slug_of(name, taken),
        kind=kind,
        parent_id=parent.id if parent else None,
        website=website.strip(),
        description=description.strip(),
        created_at=clock_of(session).now(),
    )
    session.add(made)
    session.flush()
    record(
        session,
        actor=actor,
        action="members.organization.create",
        thing=made.public_id,
        reason=reason,
        data={"name": name, "kind": kind.value},
    )
    return made


def change_organization(
    session: Session,
    organization: Organization,
    *,
    name: str,
    kind: OrganizationKind,
    parent: Organization | None,
    website: str,
    description: str,
    actor: Actor,
    reason: str,
) -> None:
    """Other words for an organization; its address (slug) stays."""
    name = " ".join(name.split())
    _refuse(_organization_problems(session, organization, name, parent))
    before = {"name": organization.name, "kind": organization.kind.value}
    organization.name, organization.kind = name, kind
    organization.parent_id = parent.id if parent else None
    organization.website, organization.description = website.strip(), description.strip()
    session.flush()
    record(
        session,
        actor=actor,
        action="members.organization.change",
        thing=organization.public_id,
        reason=reason,
        data={"before": before, "name": name, "kind": kind.value, "parent": parent.public_id if parent else None},
    )


def start_membership(
    session: Session,
    organization: Organization,
    tier_key: str,
    *,
    starts_on: date,
    ends_on: date | None = None,
    dues_cents: int | None = None,
    actor: Actor,
    reason: str,
) -> Membership:
    """A membership from a day (until a day, both included); dues are the tier's of that day unless given."""
    found: Found = []
    term = term_of(session, tier_key, starts_on)
    if tier_key not in {tier.key for tier in current(session).tiers}:
        found.append(("tier", f"there is no tier {tier_key!r}"))
    elif term is None:
        found.append(("starts_on", f"the tier {tier_key} was not offered on {starts_on}"))
    if ends_on is not None and ends_on < starts_on:
        found.append(("ends_on", f"is before the first day, {starts_on}"))
    else:
        others = [Span(row.starts_on, row.ends_on) for row in memberships_of(session, organization)]
        overlap = rules.first_overlap(Span(starts_on, ends_on), others)
        if overlap is not None:
            until = f"until {overlap.ends_on}" if overlap.ends_on else "without an end"
            found.append(("starts_on", f"another membership runs from {overlap.starts_on} {until}; end that one first"))
    if dues_cents is not None and dues_cents < 0:
        found.append(("dues", "is less than nothing"))
    _refuse(found)
    dues = dues_cents if dues_cents is not None else (term.annual_dues_usd if term else 0) * 100
    made = Membership(
        organization_id=organization.id,
        tier_key=tier_key,
        starts_on=starts_on,
        ends_on=ends_on,
        dues_cents=dues,
        reason=reason.strip()[:1000],
    )
    session.add(made)
    session.flush()
    record(
        session,
        actor=actor,
        action="members.membership.start",
        thing=made.public_id,
        reason=reason,
        data={"organization": organization.public_id, "tier": tier_key, "dues_cents": dues}
        | {"starts_on": starts_on.isoformat(), "ends_on": ends_on.isoformat() if ends_on else None},
    )
    return made


def end_membership(session: Session, membership: Membership, ends_on: date, *, actor: Actor, reason: str) -> None:
    """The last day of a membership."""
    if ends_on < membership.starts_on:
        raise MemberError([("ends_on", f"is before the first day, {membership.starts_on}")])
    others = sa.select(Membership).where(
        Membership.organization_id == membership.organization_id, Membership.id != membership.id
    )
    spans = [Span(row.starts_on, row.ends_on) for row in session.scalars(others)]
    overlap = rules.first_overlap(Span(membership.starts_on, ends_on), spans)
    if overlap is not None:
        raise MemberError([("ends_on", f"reaches into the membership that starts on {overlap.starts_on}")])
    membership.ends_on = ends_on
    session.flush()
    record(
        session,
        actor=actor,
        action="members.membership.end",
        thing=membership.public_id,
        reason=reason,
        data={"ends_on": ends_on.isoformat()},
    )


def add_domain(
    session: Session,
    organization: Organization,
    domain: str,
    *,
    starts_on: date,
    ends_on: date | None = None,
    actor: Actor,
    reason: str,
    resolve: bool = True,
) -> OrganizationDomain:
    """An e-mail domain of the organization; people with addresses there count as its people where nothing says else.

    With many domains to add, pass resolve=False and call `people.resolve` once at the end.
    """
    domain = domain.strip().casefold().removeprefix("@").rstrip(".")
    found: Found = []
    if registrable(domain) is None:
        found.append(("domain", f"{domain!r} is freemail, local, or no domain; it can be nobody's employer"))
    if ends_on is not None and ends_on < starts_on:
        found.append(("ends_on", f"is before the first day, {starts_on}"))
    else:
        rows = session.scalars(sa.select(OrganizationDomain).where(OrganizationDomain.domain == domain))
        for row in rows:
            if Span(row.starts_on, row.ends_on).overlaps(Span(starts_on, ends_on)):
                owner = session.get_one(Organization, row.organization_id).name
                found.append(("domain", f"belongs to {owner} from {row.starts_on}; end that first"))
    _refuse(found)
    made = OrganizationDomain(organization_id=organization.id, domain=domain, starts_on=starts_on, ends_on=ends_on)
    session.add(made)
    session.flush()
    record(
        session,
        actor=actor,
        action="members.domain.add",
        thing=made.public_id,
        reason=reason,
        data={"organization": organization.public_id, "domain": domain, "starts_on": starts_on.isoformat()},
    )
    if resolve:
        people.resolve(session)
    return made


def end_domain(session: Session, domain: OrganizationDomain, ends_on: date, *, actor: Actor, reason: str) -> None:
    """The last day on which a domain is the organization's."""
    if ends_on < domain.starts_on:
        raise MemberError([("ends_on", f"is before the first day, {domain.starts_on}")])
    domain.ends_on = ends_on
    session.flush()
    record(
        session,
        actor=actor,
        action="members.domain.end",
        thing=domain.public_id,
        reason=reason,
        data={"ends_on": ends_on.isoformat()},
    )
    people.resolve(session)


def _organization_problems(
    session: Session, organization: Organization | None, name: str, parent: Organization | None
) -> Found:
    found: Found = []
    if not name:
        found.append(("name", "is empty; write the organization's name"))
    elif len(name) > 200:
        found.append(("name", f"has {len(name)} characters; 200 at most"))
    same = sa.select(Organization).where(sa.func.lower(Organization.name) == name.lower())
    other = session.scalar(same.where(Organization.id != organization.id) if organization else same)
    if other is not None:
        found.append(("name", f"is taken by {other.name}; open that one, or add what tells the two apart"))
    if organization and parent and rules.would_make_a_ring(organization.id, parent.id, parents(session)):
        found.append(("parent", f"{parent.name} is owned by {organization.name} itself"))
    return found


def _refuse(problems: Found) -> None:
    if problems:
        raise MemberError(problems)
