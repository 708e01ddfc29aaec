"""The rollup summed up by month and by year: derived from it, in the transaction that counts it."""

from __future__ import annotations

from datetime import date
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.contributions.metrics.work import Kind
from app.contributions.models.history import Attribution
from app.db import Base, Key, Row, choice


class Stretch(Enum):
    """What a sum covers: the calendar month or year that begins on its first day."""

    MONTH = "month"
    YEAR = "year"


class WorkSum(Row, Base):
    """A person's work of a month or a year for one employer (`app.contributions.summing`).

    `repository_id` is None for the whole foundation, where each commit counts once. There are months and years of the
    whole and of each repository, and years of each module; what else is asked is read from the rollup. `first_on` and
    `last_on` are the first and the last day with any of it. Nothing points from here: what it names, the rollup names.
    """

    __tablename__ = "work_sum"
    __table_args__ = (
        # All that sums ask of a row: they read this index and no row.
        sa.Index("ix_work_sum_asked", "stretch", "repository_id", "module_key", "starts_on", "kind",
                 "organization_id", "attribution", "person_id", "commits", "added", "deleted", "without_lines",
                 "first_on", "last_on"),
        sa.Index(None, "person_id", "stretch", "starts_on"),
        sa.Index(None, "organization_id", "stretch", "repository_id", "starts_on"),
    )  # fmt: skip
    stretch: Mapped[Stretch] = mapped_column(choice(Stretch, name="stretch"))
    starts_on: Mapped[date]
    repository_id: Mapped[int | None] = mapped_column(Key)
    module_key: Mapped[str | None] = mapped_column(sa.String(100))
    kind: Mapped[Kind] = mapped_column(choice(Kind, name="kind"))
    attribution: Mapped[Attribution] = mapped_column(choice(Attribution, name="attribution"))
    organization_id: Mapped[int | None] = mapped_column(Key)
    person_id: Mapped[int | None] = mapped_column(Key)
    commits: Mapped[int] = mapped_column(sa.BigInteger)
    added: Mapped[int] = mapped_column(sa.BigInteger)
    deleted: Mapped[int] = mapped_column(sa.BigInteger)
    without_lines: Mapped[int] = mapped_column(sa.BigInteger)
    first_on: Mapped[date]
    last_on: Mapped[date]
