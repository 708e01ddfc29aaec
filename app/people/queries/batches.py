"""Statements and identities by the thousand, as an import brings them: no entry of the log each, but one for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor
from app.db import clock_of, new_public_id
from app.people.models import Affiliation, Identity, IdentityPerson, Person
from app.people.queries.identities import chunks
from app.people.rules import StatementSource, identifies_one_person


@dataclass(frozen=True)
class Said:
    """A statement of a file."""

    person: int
    organization: int | None
    starts_on: date
    ends_on: date | None
    reason: str


@dataclass(frozen=True)
class Directory:
    """Whom the portal knows: by address (those that identify one person), by GitHub login, and by identity."""

    by_address: dict[str, list[int]]
    by_login: dict[str, list[int]]
    person: dict[int, int]
    name: dict[int, str]
    claimed: frozenset[int]


def directory(session: Session) -> Directory:
    """Everybody, read once."""
    by_address: dict[str, list[int]] = {}
    by_login: dict[str, list[int]] = {}
    person: dict[int, int] = {}
    name: dict[int, str] = {}
    rows = session.execute(
        sa.select(Identity.id, Identity.name, Identity.address, Identity.login, Identity.source,
                  IdentityPerson.person_id)
        .join(IdentityPerson, IdentityPerson.identity_id == Identity.id).order_by(Identity.id)
    )  # fmt: skip
    for number, words, address, login, source, who in rows:
        person[number], name[number] = who, words
        if identifies_one_person(address):
            by_address.setdefault(address, []).append(number)
        if login and source == "github":
            by_login.setdefault(login.casefold(), []).append(number)
    claimed = frozenset(session.scalars(sa.select(Person.id).where(Person.claimed_at.is_not(None))))
    return Directory(by_address, by_login, person, name, claimed)


def imported(session: Session) -> set[tuple[int, int | None, date, date | None]]:
    """What standing statements of imports say already."""
    rows = session.execute(
        sa.select(Affiliation.person_id, Affiliation.organization_id, Affiliation.starts_on, Affiliation.ends_on)
        .where(Affiliation.source == StatementSource.IMPORT, Affiliation.withdrawn_at.is_(None))
    )  # fmt: skip
    return {(row.person_id, row.organization_id, row.starts_on, row.ends_on) for row in rows}


def state_batch(session: Session, said: Sequence[Said], *, batch: str, confidence: int, actor: Actor) -> int:
    """Write statements of an import; whoever calls records the import and resolves."""
    now = clock_of(session).now()
    rows = [
        {
            "public_id": new_public_id("a"), "person_id": one.person, "organization_id": one.organization,
            "starts_on": one.starts_on, "ends_on": one.ends_on, "source": StatementSource.IMPORT,
            "confidence": confidence, "stated_at": now, "stated_by": actor.id, "reason": one.reason[:1000],
            "batch": batch,
        }
        for one in said
    ]  # fmt: skip
    for chunk in chunks(rows, 2000):
        session.execute(sa.insert(Affiliation), list(chunk))
    return len(rows)


def withdraw_batch(session: Session, batch: str, *, actor: Actor, reason: str) -> int:
    """Withdraw every standing statement of an import; gives how many."""
    own = sa.and_(Affiliation.batch == batch, Affiliation.withdrawn_at.is_(None))
    number = session.scalar(sa.select(sa.func.count(Affiliation.id)).where(own)) or 0
    session.execute(
        sa.update(Affiliation)
        .where(own)
        .values(withdrawn_at=clock_of(session).now(), withdrawn_by=actor.id, withdrawn_reason=reason[:1000])
    )
    return number
