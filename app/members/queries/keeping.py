"""Changes of organizations, their memberships and domains: each keeps its rules, and has one entry of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor, record
from app.checks import Broken, RefusedError, checked, ends_after_it_starts
from app.db import clock_of
from app.governance.queries import current
from app.members import rules
from app.members.models import Membership, Organization, OrganizationDomain
from app.members.queries.reading import memberships_of, parents, term_of
from app.members.rules import OrganizationKind, Span
from app.people import queries as people
from app.people.domains import plain_host, registrable
from app.people.models import Affiliation, Person
from app.people.rules import StatementSource


class MemberError(RefusedError):
    """A change of an organization's records that cannot be made."""


# --- rules -----------------------------------------------------------------------------------------------------------


def _is_named(name: str) -> Broken:
    if not name.strip():
        yield "name", "is empty; write the organization's name"
    elif len(name) > 200:
        yield "name", f"has {len(name)} characters; 200 at most"


def _name_is_free(session: Session, name: str) -> Broken:
    return _taken(session, name, None)


def _name_stays_free(session: Session, organization: Organization, name: str) -> Broken:
    return _taken(session, name, organization)


def _taken(session: Session, name: str, mine: Organization | None) -> Broken:
    same = sa.select(Organization).where(sa.func.lower(Organization.name) == _plain(name).lower())
    other = session.scalar(same.where(Organization.id != mine.id) if mine else same)
    if other is not None:
        yield "name", f"is taken by {other.name}; open that one, or add what tells the two apart"


def _owner_is_not_owned(session: Session, organization: Organization, parent: Organization | None) -> Broken:
    if parent and rules.would_make_a_ring(organization.id, parent.id, parents(session)):
        yield "parent", f"{parent.name} is owned by {organization.name} itself"


def _tier_is_offered(session: Session, tier: str, starts_on: date) -> Broken:
    if tier in {one.key for one in current(session).tiers} and term_of(session, tier, starts_on) is None:
        yield "starts_on", f"the tier {tier} was not offered on {starts_on}"


def _tier_is_known(session: Session, tier: str) -> Broken:
    if tier not in {one.key for one in current(session).tiers}:
        yield "tier", f"there is no tier {tier!r}"


def _no_two_at_once(session: Session, organization: Organization, starts_on: date, ends_on: date | None) -> Broken:
    if ends_on is not None and ends_on < starts_on:
        return
    others = [Span(row.starts_on, row.ends_on) for row in memberships_of(session, organization)]
    overlap = rules.first_overlap(Span(starts_on, ends_on), others)
    if overlap is not None:
        until = f"until {overlap.ends_on}" if overlap.ends_on else "without an end"
        yield "starts_on", f"another membership runs from {overlap.starts_on} {until}; end that one first"


def _dues_are_not_negative(dues_cents: int | None) -> Broken:
    if dues_cents is not None and dues_cents < 0:
        yield "dues_cents", "is less than nothing"


def _membership_ends_well(session: Session, membership: Membership, ends_on: date) -> Broken:
    if ends_on < membership.starts_on:
        yield "ends_on", f"is before the first day, {membership.starts_on}"
        return
    others = sa.select(Membership).where(
        Membership.organization_id == membership.organization_id, Membership.id != membership.id
    )
    spans = [Span(row.starts_on, row.ends_on) for row in session.scalars(others)]
    overlap = rules.first_overlap(Span(membership.starts_on, ends_on), spans)
    if overlap is not None:
        yield "ends_on", f"reaches into the membership that starts on {overlap.starts_on}"


def is_an_employers(domain: str) -> Broken:
    """A rule: an e-mail domain can be an employer's."""
    if registrable(plain_domain(domain)) is None:
        yield "domain", f"{plain_domain(domain)!r} is freemail, local, or no domain; it can be nobody's employer"


def belongs_to_nobody_else(session: Session, domain: str, starts_on: date, ends_on: date | None) -> Broken:
    """A rule: a domain is one organization's at a time."""
    wanted = Span(starts_on, ends_on)
    rows = sa.select(OrganizationDomain).where(OrganizationDomain.domain == plain_domain(domain))
    for row in session.scalars(rows) if ends_on is None or ends_on >= starts_on else ():
        if Span(row.starts_on, row.ends_on).overlaps(wanted):
            owner = session.get_one(Organization, row.organization_id).name
            yield "domain", f"belongs to {owner} from {row.starts_on}; end that first"


def _domain_ends_well(session: Session, domain: OrganizationDomain, ends_on: date) -> Broken:
    if ends_on < domain.starts_on:
        yield from ends_after_it_starts(domain.starts_on, ends_on)
        return
    others = sa.select(OrganizationDomain).where(
        OrganizationDomain.domain == domain.domain, OrganizationDomain.id != domain.id
    )
    for row in session.scalars(others.order_by(OrganizationDomain.starts_on)):
        if Span(row.starts_on, row.ends_on).overlaps(Span(domain.starts_on, ends_on)):
            owner = session.get_one(Organization, row.organization_id).name
            yield "ends_on", f"reaches into {row.starts_on}, when the domain is {owner}’s; end it before that"


def _domain_has_no_end_yet(domain: OrganizationDomain) -> Broken:
    if domain.ends_on is not None:
        yield "ends_on", f"is {domain.ends_on} already; ask the foundation’s staff to set another last day"


def _ends_today_or_later(session: Session, ends_on: date) -> Broken:
    today = clock_of(session).now().date()
    if ends_on < today:
        yield "ends_on", f"is before today, {today}; ask the foundation’s staff where it ended earlier"


# --- changes ---------------------------------------------------------------------------------------------------------


@checked(_is_named, _name_is_free, refusal=MemberError)
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
    contact: str = "",
) -> Organization:
    """A new organization."""
    name = _plain(name)
    made = Organization(
        name=name,
        slug=rules.slug_of(name, session.scalars(sa.select(Organization.slug))),
        kind=kind,
        parent_id=parent.id if parent else None,
        website=website.strip(),
        description=description.strip(),
        contact=contact.strip(),
        created_at=clock_of(session).now(),
    )
    session.add(made)
    session.flush()
    _note(session, made, "create", actor, reason, {"name": name, "kind": kind.value})
    return made


@checked(_is_named, _name_stays_free, _owner_is_not_owned, refusal=MemberError)
def change_organization(
    session: Session,
    organization: Organization,
    *,
    name: str,
    kind: OrganizationKind,
    parent: Organization | None,
    website: str,
    description: str,
    contact: str = "",
    actor: Actor,
    reason: str,
) -> Organization:
    """All of an organization's facts anew; its address (slug) stays."""
    before = {"name": organization.name, "kind": organization.kind.value}
    organization.kind, organization.parent_id = kind, parent.id if parent else None
    changed = _describe(organization, name, website, description, contact)
    session.flush()
    data = {"before": before, "name": organization.name, "kind": kind.value, "changed": changed}
    _note(session, organization, "change", actor, reason, data | {"parent": parent.public_id if parent else None})
    return organization


@checked(_is_named, _name_stays_free, refusal=MemberError)
def keep_record(
    session: Session,
    organization: Organization,
    *,
    name: str,
    website: str,
    description: str,
    contact: str,
    actor: Actor,
    reason: str,
) -> Organization:
    """What an organization may say of itself, anew: not its kind and owner, since caps and seats hang on them."""
    before = {"name": organization.name}
    changed = _describe(organization, name, website, description, contact)
    session.flush()
    data = {"before": before, "name": organization.name, "changed": changed}
    _note(session, organization, "keep", actor, reason, data)
    return organization


@checked(
    _tier_is_known, _tier_is_offered, ends_after_it_starts, _no_two_at_once, _dues_are_not_negative,
    refusal=MemberError,
)  # fmt: skip
def start_membership(
    session: Session,
    organization: Organization,
    tier: str,
    *,
    starts_on: date,
    ends_on: date | None = None,
    dues_cents: int | None = None,
    actor: Actor,
    reason: str,
) -> Membership:
    """A membership from a day (until a day, both included); dues are the tier's of that day unless given."""
    term = term_of(session, tier, starts_on)
    dues = dues_cents if dues_cents is not None else (term.annual_dues_usd if term else 0) * 100
    made = Membership(
        organization_id=organization.id,
        tier_key=tier,
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
        data={"organization": organization.public_id, "tier": tier, "dues_cents": dues}
        | {"starts_on": starts_on.isoformat(), "ends_on": ends_on.isoformat() if ends_on else None},
    )
    return made


@checked(_membership_ends_well, refusal=MemberError)
def end_membership(session: Session, membership: Membership, ends_on: date, *, actor: Actor, reason: str) -> None:
    """The last day of a membership."""
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


@checked(is_an_employers, ends_after_it_starts, belongs_to_nobody_else, refusal=MemberError)
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
    domain = plain_domain(domain)
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
        people.domain_changed(session, domain)
    return made


@checked(_domain_ends_well, refusal=MemberError)
def end_domain(session: Session, domain: OrganizationDomain, ends_on: date, *, actor: Actor, reason: str) -> None:
    """The last day on which a domain is the organization's."""
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
    people.domain_changed(session, domain.domain)


# What a representative may do: end it once, and not in the past, since caps count by the domain (charter 3.3).
end_own_domain = end_domain.also(_domain_has_no_end_yet, _ends_today_or_later)


def _is_not_said(
    session: Session, organization: Organization, person: Person, starts_on: date, ends_on: date | None
) -> Broken:
    return people.said_already(session, person, organization.id, starts_on, ends_on, StatementSource.STAFF)


@checked(ends_after_it_starts, _is_not_said, refusal=MemberError)
def state_person(
    session: Session,
    organization: Organization,
    person: Person,
    *,
    starts_on: date,
    ends_on: date | None = None,
    actor: Actor,
    reason: str,
) -> Affiliation:
    """The word of staff that a person works there."""
    return people.state(
        session,
        person,
        organization.id,
        starts_on=starts_on,
        ends_on=ends_on,
        source=StatementSource.STAFF,
        actor=actor,
        reason=reason,
    )


def plain_domain(domain: str) -> str:
    """A domain as it is compared.

    >>> plain_domain(" @Acme.com. ")
    'acme.com'
    """
    return plain_host(domain.strip().removeprefix("@"))


def _plain(name: str) -> str:
    return " ".join(name.split())


def _describe(organization: Organization, name: str, website: str, description: str, contact: str) -> list[str]:
    """Write the words; gives back which of them are other than before, and no text: a contact may be a person's."""
    words = {"name": _plain(name), "website": website, "description": description, "contact": contact}
    changed = [field for field, text in words.items() if getattr(organization, field) != text.strip()]
    for field in changed:
        setattr(organization, field, words[field].strip())
    return changed


def _note(
    session: Session, organization: Organization, what: str, actor: Actor, reason: str, data: Mapping[str, object]
) -> None:
    action = f"members.organization.{what}"
    record(session, actor=actor, action=action, thing=organization.public_id, reason=reason, data=data)
