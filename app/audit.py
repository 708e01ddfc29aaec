"""The log of what people decided and what machines observed: it only grows, and each entry seals the one before.

A person's decision is one entry in the decision's own transaction; a machine's batch of observations is one entry.
Entries name people by public id. Personal text (a name, an address) is never stored here, only a hash salted per
person: deleting the salt forgets the person, and the chain still verifies.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import marks
from app.db import Base, Key, Row, Turn, UtcDateTime, choice, clock_of, take_turn

GENESIS = "0" * 64


class ActorKind(Enum):
    """Who can act."""

    PERSON = "person"
    SYSTEM = "system"
    JOB = "job"


@dataclass(frozen=True)
class Actor:
    """Who did it: a person's public id, `system:<name>`, or `job:<public id>`.

    >>> Actor.system("governance-sync")
    Actor(kind='system', id='system:governance-sync')
    """

    kind: Literal["person", "system", "job"]
    id: str

    @classmethod
    def person(cls, public_id: str) -> Actor:
        """A person by public id."""
        return cls("person", public_id)

    @classmethod
    def system(cls, name: str) -> Actor:
        """The portal itself, acting as `name`."""
        return cls("system", f"system:{name}")

    @classmethod
    def job(cls, public_id: str) -> Actor:
        """A job by public id."""
        return cls("job", f"job:{public_id}")


class AuditEntry(Base):
    """One sealed line of the log. Both databases refuse to change or delete it."""

    __tablename__ = "audit_entry"
    number: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime())
    actor_kind: Mapped[ActorKind] = mapped_column(choice(ActorKind, name="actor_kind"))
    actor_id: Mapped[str] = mapped_column(index=True)
    action: Mapped[str] = mapped_column(index=True)
    thing: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str]
    data: Mapped[str]
    personal: Mapped[str]
    previous: Mapped[str] = mapped_column(sa.String(64))
    hash: Mapped[str] = mapped_column(sa.String(64), unique=True)

    @property
    def values(self) -> dict[str, Any]:
        """The entry's data as written."""
        decoded: dict[str, Any] = json.loads(self.data)
        return decoded


class AuditSalt(Row, Base):
    """The salt of one person's hashed text; deleting it forgets the person."""

    __tablename__ = "audit_salt"
    person: Mapped[str] = mapped_column(unique=True)
    salt: Mapped[str]


@dataclass(frozen=True)
class Verification:
    """What a walk along the chain found."""

    ok: bool
    entries: int
    head: str
    first_bad: int | None = None
    because: str = ""


def record(
    session: Session,
    *,
    actor: Actor,
    action: str,
    thing: str,
    reason: str,
    data: Mapping[str, Any] | None = None,
    personal: Mapping[str, str] | None = None,
) -> AuditEntry:
    """Append one entry in the caller's own transaction, so that decision and entry stand or fall together.

    `action` reads like "members.organization.create"; `thing` is a public id or key. `personal` maps a person's
    public id, or "<public id>/<field>", to personal text, of which only a salted hash is kept.
    """
    take_turn(session, Turn.AUDIT)
    last = session.execute(
        sa.select(AuditEntry.number, AuditEntry.hash).order_by(AuditEntry.number.desc()).limit(1)
    ).first()
    entry = AuditEntry(
        number=(last.number if last else 0) + 1,
        at=clock_of(session).now(),
        actor_kind=ActorKind(actor.kind),
        actor_id=actor.id,
        action=action,
        thing=thing,
        reason=reason,
        data=canonical(dict(data or {})),
        personal=canonical({key: _salted(session, key, text) for key, text in (personal or {}).items()}),
        previous=last.hash if last else GENESIS,
    )
    entry.hash = seal(entry)
    session.add(entry)
    session.flush()
    return entry


def observe(session: Session, *, job: str, source: str, range: str, rows: int, sha256: str) -> AuditEntry:
    """Append the one entry of a machine's batch: which job read which range of which source, rows and their hash."""
    return record(
        session,
        actor=Actor.job(job),
        action="observe",
        thing=source,
        reason="",
        data={"range": range, "rows": rows, "sha256": sha256},
    )


def head(session: Session) -> tuple[int, str]:
    """Number and hash of the last entry; (0, 64 zeros) when the log is empty."""
    last = session.execute(_last()).first()
    return (last.number, last.hash) if last else (0, GENESIS)


@marks.mark("log")
def _last() -> sa.Select[int, str]:
    return sa.select(AuditEntry.number, AuditEntry.hash).order_by(AuditEntry.number.desc()).limit(1)


def verify(session: Session) -> Verification:
    """Walk the whole chain and say where it breaks first, if it does."""
    previous, expected = GENESIS, 1
    query = sa.select(AuditEntry).order_by(AuditEntry.number).execution_options(yield_per=1000)
    with closing(session.scalars(query)) as entries:
        for entry in entries:
            problem = ""
            if entry.number != expected:
                problem = f"entry {expected} is missing"
            elif entry.previous != previous:
                problem = f"entry {entry.number} does not follow entry {entry.number - 1}"
            elif not hmac.compare_digest(entry.hash, seal(entry)):
                problem = f"entry {entry.number} was changed after it was written"
            if problem:
                return Verification(ok=False, entries=expected - 1, head=previous, first_bad=expected, because=problem)
            previous, expected = entry.hash, expected + 1
    return Verification(ok=True, entries=expected - 1, head=previous)


def forget(session: Session, person: str) -> bool:
    """Delete a person's salt: hashes of their text can no longer be matched; the chain stays whole.

    Returns whether there was a salt. The caller records the decision as an entry of its own.
    """
    result = session.execute(sa.delete(AuditSalt).where(AuditSalt.person == person))
    return bool(getattr(result, "rowcount", 0))


def matches(session: Session, entry: AuditEntry, key: str, text: str) -> bool:
    """Whether an entry's salted hash under `key` is of `text`; always False once the person is forgotten."""
    salt = session.scalar(sa.select(AuditSalt.salt).where(AuditSalt.person == key.split("/", 1)[0]))
    kept = json.loads(entry.personal).get(key)
    return bool(salt and kept and hmac.compare_digest(kept, _hash_text(salt, text)))


def seal(entry: AuditEntry) -> str:
    """The hash of all that an entry says and of the entry before it."""
    body = [
        entry.number,
        entry.at.isoformat(),
        entry.actor_kind.value,
        entry.actor_id,
        entry.action,
        entry.thing,
        entry.reason,
        entry.data,
        entry.personal,
        entry.previous,
    ]
    return hashlib.sha256(canonical(body).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON with one spelling only: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)


def _plain(value: Any) -> Any:
    """Days, moments and choices as text; anything else is a mistake of the caller."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"the audit log takes plain values; {value!r} is a {type(value).__name__}")


def _salted(session: Session, key: str, text: str) -> str:
    person = key.split("/", 1)[0]
    salt = session.scalar(sa.select(AuditSalt.salt).where(AuditSalt.person == person))
    if salt is None:
        salt = secrets.token_hex(16)
        session.add(AuditSalt(person=person, salt=salt))
        session.flush()
    return _hash_text(salt, text)


def _hash_text(salt: str, text: str) -> str:
    return hmac.new(bytes.fromhex(salt), text.encode(), hashlib.sha256).hexdigest()
