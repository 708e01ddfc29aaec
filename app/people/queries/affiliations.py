"""Statements of whom a person works for: made, withdrawn, never changed."""

from __future__ import annotations

from datetime import date

from sqlalchemy.orm import Session

from app.audit import Actor, record
from app.db import clock_of
from app.people.models import Affiliation, Person
from app.people.queries.employment import derive_employment
from app.people.rules import StatementSource

CONFIDENCE = {
    StatementSource.SELF: 100,
    StatementSource.STAFF: 90,
    StatementSource.DOCUMENT: 85,
    StatementSource.IMPORT: 70,
}


def state(
    session: Session,
    person: Person,
    organization_id: int | None,
    *,
    starts_on: date,
    ends_on: date | None = None,
    source: StatementSource,
    actor: Actor,
    reason: str = "",
    confidence: int | None = None,
    derive: bool = True,
) -> Affiliation:
    """State that a person works for an organization (None: for nobody), both days included; it counts at once.

    With many to state, pass derive=False and call `resolve` once at the end.
    """
    made = Affiliation(
        person_id=person.id,
        organization_id=organization_id,
        starts_on=starts_on,
        ends_on=ends_on,
        source=source,
        confidence=CONFIDENCE.get(source, 60) if confidence is None else confidence,
        stated_at=clock_of(session).now(),
        stated_by=actor.id,
        reason=reason.strip()[:1000],
    )
    session.add(made)
    session.flush()
    span = {"starts_on": starts_on.isoformat(), "ends_on": ends_on.isoformat() if ends_on else None}
    record(
        session,
        actor=actor,
        action="people.affiliation.state",
        thing=made.public_id,
        reason=reason.strip(),
        data={"person": person.public_id, "organization": organization_id, "source": source.value, **span},
    )
    if derive:
        derive_employment(session)
    return made


def withdraw(session: Session, statement: Affiliation, *, actor: Actor, reason: str) -> None:
    """Take a statement back; it stays in the history."""
    statement.withdrawn_at = clock_of(session).now()
    statement.withdrawn_by = actor.id
    statement.withdrawn_reason = reason.strip()[:1000]
    record(session, actor=actor, action="people.affiliation.withdraw", thing=statement.public_id, reason=reason.strip())
    session.flush()
    derive_employment(session)
