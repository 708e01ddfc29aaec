"""What an organization says of others, its domains and its people: proposed, and counted once somebody settled it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor, record
from app.checks import Broken, checked, ends_after_it_starts
from app.db import clock_of
from app.members.models import Organization, Proposal
from app.members.queries.keeping import MemberError, add_domain, belongs_to_nobody_else, is_an_employers, plain_domain
from app.members.rules import Outcome, Span
from app.people import queries as people
from app.people.models import Person
from app.people.rules import StatementSource


@dataclass(frozen=True)
class Proposed:
    """A proposal with whose it is and, where it is about a person, who."""

    proposal: Proposal
    organization: Organization
    person: Person | None


def _domain_is_not_proposed(session: Session, organization: Organization, domain: str) -> Broken:
    known = sa.select(Proposal.id).where(
        Proposal.organization_id == organization.id, Proposal.domain == plain_domain(domain), _IS_OPEN
    )
    if session.scalar(known):
        yield "domain", "is proposed already; staff have not looked at it yet"


def _person_is_not_proposed(
    session: Session, organization: Organization, person: Person, starts_on: date, ends_on: date | None
) -> Broken:
    if ends_on is not None and ends_on < starts_on:
        return
    known = sa.select(Proposal).where(
        Proposal.organization_id == organization.id, Proposal.person_id == person.id, _IS_OPEN
    )
    for row in session.scalars(known):
        if Span(row.starts_on, row.ends_on).overlaps(Span(starts_on, ends_on)):
            yield "person", f"is proposed from {row.starts_on} already; nobody has answered yet"


def _is_undecided(proposal: Proposal) -> Broken:
    if proposal.outcome is not None:
        yield "outcome", f"came too late: it is {proposal.outcome.value}"


def _refusing_has_a_reason(outcome: Outcome, reason: str) -> Broken:
    if outcome is Outcome.REFUSED and not reason.strip():
        yield "reason", "is empty; say why it is refused, so that they can mend it"


_IS_OPEN = Proposal.outcome.is_(None)


@checked(is_an_employers, ends_after_it_starts, belongs_to_nobody_else, _domain_is_not_proposed, refusal=MemberError)
def propose_domain(
    session: Session,
    organization: Organization,
    domain: str,
    *,
    starts_on: date,
    ends_on: date | None = None,
    actor: Actor,
    reason: str,
) -> Proposal:
    """An e-mail domain that an organization says is its own; it counts once staff have looked."""
    return _propose(session, organization, plain_domain(domain), None, starts_on, ends_on, actor, reason)


@checked(ends_after_it_starts, _person_is_not_proposed, refusal=MemberError)
def propose_person(
    session: Session,
    organization: Organization,
    person: Person,
    *,
    starts_on: date,
    ends_on: date | None = None,
    actor: Actor,
    reason: str,
) -> Proposal:
    """Somebody who works there, says the organization; it counts once that person or staff say so too."""
    return _propose(session, organization, "", person, starts_on, ends_on, actor, reason)


@checked(_is_undecided, _refusing_has_a_reason, refusal=MemberError)
def decide_proposal(
    session: Session, proposal: Proposal, outcome: Outcome, *, by: int | None, actor: Actor, reason: str = ""
) -> Proposal:
    """Accept, refuse or withdraw a proposal; `by` is the row number of who decides.

    Accepted, it becomes the very domain or statement: a person's own word if that person accepts.
    """
    proposal.outcome, proposal.decided_at, proposal.decided_by = outcome, clock_of(session).now(), actor.id
    proposal.decided_reason = reason.strip()[:1000]
    session.flush()
    organization = session.get_one(Organization, proposal.organization_id)
    if outcome is not Outcome.ACCEPTED:
        record(
            session,
            actor=actor,
            action="members.proposal.decide",
            thing=proposal.public_id,
            reason=reason.strip(),
            data={"organization": organization.public_id, "outcome": outcome.value},
        )
        return proposal
    # The domain or statement has the decision's one entry of the audit log; its reason names the proposal.
    accepted = f" Accepted: {reason.strip()}" if reason.strip() else ""
    because = f"proposed by {organization.name} ({proposal.public_id}): {proposal.reason}{accepted}"[:1000]
    first, last = proposal.starts_on, proposal.ends_on
    if proposal.person_id is None:
        add_domain(session, organization, proposal.domain, starts_on=first, ends_on=last, actor=actor, reason=because)
        return proposal
    person = people.canonical(session, session.get_one(Person, proposal.person_id))
    source = StatementSource.SELF if person.id == by else StatementSource.STAFF
    people.state(session, person, organization.id, starts_on=first, ends_on=last, source=source, actor=actor,
                 reason=because)  # fmt: skip
    return proposal


def proposals_of(session: Session, organization: Organization) -> list[Proposed]:
    """What waits of an organization's proposals, the oldest first."""
    return _listed(session, Proposal.organization_id == organization.id)


def proposals_about(session: Session, person: Person) -> list[Proposed]:
    """What organizations say of a person and nobody has answered."""
    return _listed(session, Proposal.person_id.in_(people.all_of(person.id)))


def waiting_proposals(session: Session) -> list[Proposed]:
    """All proposals that wait, the oldest first."""
    return _listed(session)


def _listed(session: Session, *which: sa.ColumnElement[bool]) -> list[Proposed]:
    rows = session.execute(
        sa.select(Proposal, Organization, Person)
        .join(Organization, Organization.id == Proposal.organization_id)
        .outerjoin(Person, Person.id == Proposal.person_id)
        .where(_IS_OPEN, *which)
        .order_by(Proposal.id)
    )
    return [Proposed(row.Proposal, row.Organization, row.Person) for row in rows]


def _propose(
    session: Session,
    organization: Organization,
    domain: str,
    person: Person | None,
    starts_on: date,
    ends_on: date | None,
    actor: Actor,
    reason: str,
) -> Proposal:
    made = Proposal(
        organization_id=organization.id,
        domain=domain,
        person_id=person.id if person else None,
        starts_on=starts_on,
        ends_on=ends_on,
        reason=reason.strip()[:1000],
        proposed_by=actor.id,
        proposed_at=clock_of(session).now(),
    )
    session.add(made)
    session.flush()
    about = {"person": person.public_id} if person else {"domain": domain}
    span = {"starts_on": starts_on.isoformat(), "ends_on": ends_on.isoformat() if ends_on else None}
    record(
        session,
        actor=actor,
        action="members.proposal.make",
        thing=made.public_id,
        reason=reason.strip(),
        data={"organization": organization.public_id, **about, **span},
    )
    return made
