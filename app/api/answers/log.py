"""The audit log: every decision and every batch of observations, sealed in a chain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from flask import abort
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.conditions import same
from app.api.fields import Answer, Asked, Items, Number, Paged, Word
from app.api.operations import example, operation
from app.api.paging import listed
from app.audit import ActorKind, AuditEntry
from app.pages import veiled


class Entry(Answer):
    """One sealed line; `by` is an opaque id, and personal text is there as salted hashes alone."""

    number: int
    at: datetime
    by_kind: ActorKind
    by: str
    action: str
    thing: str
    reason: str
    data: Annotated[dict[str, Any], Field(description="Without the names of people who asked to be hidden.")]
    previous: str
    hash: str


class EntriesAsked(Paged):
    """Which entries."""

    action: Annotated[Word | None, Field(description="What the action begins with, like `people.`")] = None
    thing: Annotated[Word | None, Field(description="A public id.")] = None
    by: Annotated[Word | None, Field(description="An opaque id.")] = None


class EntryAsked(Asked):
    """Which entry."""

    number: Number


@operation("/audit", subject="Audit log")
def audit_log(session: Session, asked: EntriesAsked) -> Items[Entry]:
    """Every decision and every batch of observations, the newest first."""
    query = sa.select(AuditEntry).where(*same(AuditEntry.thing, asked.thing), *same(AuditEntry.actor_id, asked.by))
    if asked.action is not None:
        query = query.where(AuditEntry.action.startswith(asked.action, autoescape=True))

    def make(rows: Sequence[Any]) -> list[Entry]:
        return [_entry(row.AuditEntry) for row in rows]

    return listed(session, query, [AuditEntry.number], asked, make, newest_first=True)


@operation("/audit/{number}", subject="Audit log")
def audit_entry(session: Session, asked: EntryAsked) -> Entry:
    """One entry of the log."""
    found = session.get(AuditEntry, asked.number)
    return _entry(found) if found is not None else abort(404, f"There is no entry {asked.number}.")


@example("number")
def _a_number(session: Session) -> str | None:
    number = session.scalar(sa.select(sa.func.min(AuditEntry.number)))
    return None if number is None else str(number)


def _entry(one: AuditEntry) -> Entry:
    return Entry(
        number=one.number, at=one.at, by_kind=one.actor_kind, by=one.actor_id, action=one.action, thing=one.thing,
        reason=veiled(one.reason), data={key: _shown(value) for key, value in one.values.items()},
        previous=one.previous, hash=one.hash,
    )  # fmt: skip


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return veiled(value)
    if isinstance(value, dict):
        return {key: _shown(each) for key, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list) else value
