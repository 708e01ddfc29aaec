"""Which numbers of a repository are to be read again: webhooks ask, the sync reads and takes them off the list."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import clock_of
from app.github.models import NumberDue

RELEASES = 0


def ask_to_read(session: Session, repository_id: int, number: int, *, because: str) -> None:
    """Put a pull request's or issue's number (or RELEASES) on the list; one that is there is asked for anew."""
    dialect = session.get_bind().dialect.name
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    values = {"because": because[:100], "asked_at": clock_of(session).now()}
    row = insert(NumberDue).values(repository_id=repository_id, number=number, **values)
    session.execute(row.on_conflict_do_update(index_elements=["repository_id", "number"], set_=values))


def numbers_due(session: Session, repository_id: int, *, asked_until: datetime, most: int = 100) -> list[NumberDue]:
    """What is on the list of a repository since `asked_until` at the latest, longest first.

    With what `numbers_read` is told, so that every turn takes something off, however clocks differ.
    """
    wanted = sa.select(NumberDue).where(NumberDue.repository_id == repository_id, NumberDue.asked_at <= asked_until)
    return list(session.scalars(wanted.order_by(NumberDue.asked_at, NumberDue.number).limit(most)))


def repositories_due(session: Session) -> list[int]:
    """The row numbers of the repositories that have anything on the list."""
    return list(session.scalars(sa.select(NumberDue.repository_id).distinct().order_by(NumberDue.repository_id)))


def numbers_read(session: Session, repository_id: int, numbers: Collection[int], *, asked_until: datetime) -> None:
    """Take numbers off the list, in the transaction that wrote what was read of them.

    `asked_until`: when the reading began. What was asked for after that is to be read once more.
    """
    session.execute(
        sa.delete(NumberDue).where(
            NumberDue.repository_id == repository_id, NumberDue.number.in_(numbers), NumberDue.asked_at <= asked_until
        )
    )
