"""Statements of whom a person works for: made, withdrawn, never changed."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor, record
from app.checks import Broken, RefusedError, checked, ends_after_it_starts, has_reason
from app.db import clock_of
from app.people.models import Affiliation, Person
from app.people.queries.basis import note_resolution
from app.people.queries.employment import derive_employment
from app.people.queries.persons import canonical_id
from app.people.rules import StatementSource

CONFIDENCE = {
    StatementSource.SELF: 100,
    StatementSource.STAFF: 90,
    StatementSource.DOCUMENT: 85,
    StatementSource.IMPORT: 70,
}


class StatementError(RefusedError):
    """A statement that cannot be made or taken back."""


def said_already(
    session: Session,
    person: Person,
    organization_id: int | None,
    starts_on: date,
    ends_on: date | None,
    source: StatementSource,
) -> Broken:
    """A rule: of one source, a person works for an organization on a day by one statement at most.

    Otherwise a shorter statement would not take back what a longer one says of the other days.
    """
    if source not in (StatementSource.SELF, StatementSource.STAFF) or (ends_on is not None and ends_on < starts_on):
        return
    same = sa.select(Affiliation).where(
        Affiliation.person_id == person.id,
        Affiliation.organization_id.is_(None)
        if organization_id is None
        else Affiliation.organization_id == organization_id,
        Affiliation.source == source,
        Affiliation.withdrawn_at.is_(None),
        sa.or_(Affiliation.ends_on.is_(None), Affiliation.ends_on >= starts_on),
    )
    for row in session.scalars(same if ends_on is None else same.where(Affiliation.starts_on <= ends_on)):
        until = f"until {row.ends_on}" if row.ends_on else "without an end"
        yield "starts_on", f"is said already, from {row.starts_on} {until}; withdraw that first to say other days"


def _is_not_withdrawn(statement: Affiliation) -> Broken:
    if statement.withdrawn_at is not None:
        yield "reason", "came too late: the statement is withdrawn already"


@checked(ends_after_it_starts, said_already, refusal=StatementError)
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
    is_part: bool = False,
    derive: bool = True,
) -> Affiliation:
    """State that a person works for an organization (None: for nobody), both days included; it counts at once.

    `is_part`: beside another employer, whose the day's work stays (decision 0508).

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
        is_part=is_part,
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
        data={"person": person.public_id, "organization": organization_id, "source": source.value, **span}
        | ({"part": True} if is_part else {}),
    )
    if derive:
        _derive(session, person.id)
    return made


@checked(_is_not_withdrawn, has_reason, refusal=StatementError)
def withdraw(session: Session, statement: Affiliation, *, actor: Actor, reason: str) -> None:
    """Take a statement back; it stays in the history."""
    statement.withdrawn_at = clock_of(session).now()
    statement.withdrawn_by = actor.id
    statement.withdrawn_reason = reason.strip()[:1000]
    record(session, actor=actor, action="people.affiliation.withdraw", thing=statement.public_id, reason=reason.strip())
    session.flush()
    _derive(session, statement.person_id)


def _derive(session: Session, person: int) -> None:
    changed = derive_employment(session, {canonical_id(session, person)})
    note_resolution(session, changed=bool(changed))
