"""Timelines: what happened to a change or an issue, as both say it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.answers import names
from app.api.fields import Answer, Items, Paged, PersonName
from app.api.paging import listed
from app.contributions.metrics import EventKind
from app.contributions.models import ChangeEvent, IssueEvent
from app.pages import veiled


class TimelineEntry(Answer):
    """One thing that happened; `by` is null for nobody known, and for who asked to be hidden."""

    kind: EventKind
    at: datetime
    by: PersonName | None
    value: Annotated[str, Field(description="A label, a hash or a login, as the kind says.")]
    source: str


def timeline(
    session: Session, kind: type[ChangeEvent | IssueEvent], which: sa.ColumnElement[bool], asked: Paged
) -> Items[TimelineEntry]:
    """What happened, the oldest first: the rows of this kind for which `which` is true."""

    def make(rows: Sequence[Any]) -> list[TimelineEntry]:
        events = [row[0] for row in rows]
        written = names.people_of_identities(session, [one.identity_id for one in events])
        signed_in = names.people_of(session, [one.person_id for one in events])
        return [
            TimelineEntry(
                kind=one.kind, at=one.at, value=veiled(one.value), source=one.source,
                by=signed_in[one.person_id] if one.person_id else PersonName.of(written.get(one.identity_id)),
            )
            for one in events
        ]  # fmt: skip

    return listed(session, sa.select(kind).where(which), [kind.at, kind.id], asked, make)
