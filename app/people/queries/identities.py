"""Identities as written: interned once, seen from day to day, and linked by what machines know."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import Base
from app.people.models import Identity, IdentityActivity, IdentityLink

Wording = tuple[str, str, str, str]
"""Source, name, e-mail and login, exactly as the source writes them; what it does not know is ""."""

_T = TypeVar("_T")
_LIMITS = (60, 1000, 1000, 200)


def intern_identities(session: Session, entries: Iterable[Wording]) -> dict[Wording, int]:
    """The row number of each identity, made where it is new; any number at once, the same answer each time.

    Characters that no database keeps (NUL, broken surrogates) become U+FFFD, and texts without end are cut.
    """
    wanted = {entry: _kept(entry) for entry in entries}
    prints = {kept: fingerprint(kept) for kept in wanted.values()}
    known = _ids(session, prints.values())
    new = [kept for kept, mark in prints.items() if mark not in known]
    if new:
        insert_new(
            session,
            Identity,
            [
                {
                    "source": source,
                    "name": name,
                    "email": email,
                    "login": login,
                    "address": address_of(email),
                    "fingerprint": prints[source, name, email, login],
                }
                for source, name, email, login in new
            ],
        )
        known |= _ids(session, [prints[kept] for kept in new])
    return {entry: known[prints[kept]] for entry, kept in wanted.items()}


def note_activity(session: Session, seen: Mapping[int, tuple[date, date]]) -> None:
    """Widen the span of days on which identities were seen: identity -> (first, last)."""
    for chunk in chunks(sorted(seen)):
        rows = session.scalars(sa.select(IdentityActivity).where(IdentityActivity.identity_id.in_(chunk)))
        known = {row.identity_id: row for row in rows}
        for identity in chunk:
            first, last = seen[identity]
            row = known.get(identity)
            if row is None:
                session.add(IdentityActivity(identity_id=identity, first_on=first, last_on=last))
            elif first < row.first_on or last > row.last_on:
                row.first_on, row.last_on = min(first, row.first_on), max(last, row.last_on)
    session.flush()


def link_identities(session: Session, source: str, pairs: Iterable[tuple[int, int]]) -> bool:
    """Replace what one source knows about identities being the same person; returns whether anything changed."""
    wanted = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    rows = session.execute(
        sa.select(IdentityLink.id, IdentityLink.identity_id, IdentityLink.other_id).where(IdentityLink.source == source)
    ).all()
    known = {(row.identity_id, row.other_id): row.id for row in rows}
    gone = [number for pair, number in known.items() if pair not in wanted]
    new = sorted(wanted - known.keys())
    for chunk in chunks(gone):
        session.execute(sa.delete(IdentityLink).where(IdentityLink.id.in_(chunk)))
    if new:
        insert_new(
            session, IdentityLink, [{"source": source, "identity_id": one, "other_id": other} for one, other in new]
        )
    return bool(gone or new)


def fingerprint(entry: Wording) -> str:
    """One hash over all four texts.

    >>> fingerprint(("git", "Ada", "a@b.c", "")) == fingerprint(("git", "Ad", "aa@b.c", ""))
    False
    """
    return hashlib.sha256(json.dumps(entry, ensure_ascii=True).encode()).hexdigest()


def address_of(email: str) -> str:
    """The e-mail as it is compared.

    >>> address_of(" Ada@Example.COM ")
    'ada@example.com'
    """
    return email.strip().casefold()[:320]


def insert_new(session: Session, model: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; one that another writer made meanwhile is left as it is."""
    dialect = session.get_bind().dialect.name
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    session.flush()
    for chunk in chunks(rows):
        session.execute(insert(model).on_conflict_do_nothing(), list(chunk))


def chunks(items: Sequence[_T], size: int = 500) -> Iterator[Sequence[_T]]:
    """A sequence in pieces that fit one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _ids(session: Session, prints: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in chunks(sorted(set(prints))):
        rows = session.execute(sa.select(Identity.fingerprint, Identity.id).where(Identity.fingerprint.in_(chunk)))
        found.update({row.fingerprint: row.id for row in rows})
    return found


def _kept(entry: Wording) -> Wording:
    source, name, email, login = (
        text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")[:limit]
        for text, limit in zip(entry, _LIMITS, strict=True)
    )
    return source, name, email, login
