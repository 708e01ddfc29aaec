"""What figures rest on: how many identities, decisions and statements, and up to which entry of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, marks
from app.db import clock_of
from app.people.models import Affiliation, Identity, IdentityDecision, IdentityPerson, ResolutionMade


@dataclass(frozen=True)
class Grounds:
    """One resolution: who is who and for whom, made from these. The entry's hash seals every decision before it."""

    number: int
    made_at: datetime
    identities: int
    persons: int
    decisions: int
    last_decision: str
    statements: int
    entry: int
    entry_hash: str

    @property
    def text(self) -> str:
        """For captions.

        >>> from datetime import UTC
        >>> Grounds(7, datetime(2026, 1, 1, tzinfo=UTC), 4512, 2003, 31, "d_x", 250, 918, "ab" * 32).text
        'resolution 7: 4,512 identities, 31 decisions, 250 statements, log up to entry 918 (abababababab)'
        """
        counted = f"{self.identities:,} identities, {self.decisions:,} decisions, {self.statements:,} statements"
        return f"resolution {self.number}: {counted}, log up to entry {self.entry:,} ({self.entry_hash[:12]})"

    def as_json(self) -> dict[str, Any]:
        """For downloads."""
        return {
            "resolution": self.number, "made_at": self.made_at.isoformat(), "identities": self.identities,
            "persons": self.persons, "decisions": self.decisions, "last_decision": self.last_decision,
            "statements": self.statements, "audit_entry": self.entry, "audit_hash": self.entry_hash,
        }  # fmt: skip


def grounds(session: Session) -> Grounds | None:
    """What the figures of this moment rest on; None before anybody was resolved."""
    row = session.scalar(sa.select(ResolutionMade).order_by(ResolutionMade.id.desc()).limit(1))
    if row is None:
        return None
    return Grounds(row.id, row.made_at, row.identities, row.persons, row.decisions, row.last_decision, row.statements,
                   row.entry, row.entry_hash)  # fmt: skip


@marks.mark("resolutions")
def last_resolution() -> sa.Select[int]:
    """The number of the last resolution: who is who, who they are called and whom they work for are the same since."""
    return sa.select(sa.func.max(ResolutionMade.id))


def note_resolution(session: Session, *, changed: bool) -> None:
    """Write down what the resolution just made rests on, if it changed anything or rests on more than the last."""
    session.flush()
    last = session.execute(sa.select(IdentityDecision.public_id).order_by(IdentityDecision.id.desc()).limit(1)).scalar()
    found = {
        "identities": _count(session, Identity.id),
        "persons": _count(session, sa.distinct(IdentityPerson.person_id)),
        "decisions": _count(session, IdentityDecision.id),
        "last_decision": last or "",
        "statements": session.scalar(
            sa.select(sa.func.count(Affiliation.id)).where(Affiliation.withdrawn_at.is_(None))
        ) or 0,
    }  # fmt: skip
    before = session.scalar(sa.select(ResolutionMade).order_by(ResolutionMade.id.desc()).limit(1))
    if not changed and before and all(getattr(before, name) == value for name, value in found.items()):
        return
    entry, entry_hash = audit.head(session)
    session.add(ResolutionMade(made_at=clock_of(session).now(), entry=entry, entry_hash=entry_hash, **found))
    session.flush()


def _count(session: Session, what: Any) -> int:
    return session.scalar(sa.select(sa.func.count(what))) or 0
