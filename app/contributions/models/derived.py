"""What follows from timelines: one row of measures for each change and issue, and who reviewed. Can be made anew.

The measures hold what figures count and group by, as of the day on which the thing was opened, so that a figure reads
one narrow table. `*_step` is the duration on a scale of 32 steps to a doubling (`metrics.durations`), by which the
figures of very many things are counted.
"""

from __future__ import annotations

import time
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.contributions.models.history import Attribution
from app.db import Base, Key, Row, UtcDateTime, choice

_OPEN = ("closed_on", "is_bot", "is_answered", "starts_at", "opened_on", "waited_s", "opened_at", "repository_id",
         "person_id", "attribution", "organization_id", "tier_key", "is_first")  # fmt: skip
_IS_OPEN = sa.text("closed_on IS NULL")


class Measure:
    """What changes and issues have in common.

    `starts_at`: since when it waits for a response (opened, or first marked ready; None: a draft that was never ready).
    `waited_s`: seconds until somebody other than author and bots responded (`is_answered`) or it was closed without;
    None while it waits. `lasted_s`: seconds from opening to closing; None while it is open. `tier_key`: the tier of the
    author's employer, or of who owns it, on the day of opening; None where that was no member.
    """

    opened_on: Mapped[date]
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime())
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    closed_on: Mapped[date | None]
    is_bot: Mapped[bool]
    is_first: Mapped[bool]
    tier_key: Mapped[str | None] = mapped_column(sa.String(60))
    is_answered: Mapped[bool]
    waited_s: Mapped[int | None] = mapped_column(sa.BigInteger)
    waited_step: Mapped[int | None]
    lasted_s: Mapped[int | None] = mapped_column(sa.BigInteger)
    lasted_step: Mapped[int | None]
    comments: Mapped[int]

    @declared_attr
    def repository_id(cls) -> Mapped[int]:
        """Where it is."""
        return mapped_column(Key, sa.ForeignKey("repository.id", ondelete="CASCADE"))

    @declared_attr
    def person_id(cls) -> Mapped[int | None]:
        """Its author; None for somebody whom no source names."""
        return mapped_column(Key, sa.ForeignKey("person.id"))

    @declared_attr
    def attribution(cls) -> Mapped[Attribution]:
        """Whom the author worked for on the day of opening: an organization, nobody, or nobody knows."""
        return mapped_column(choice(Attribution, name="attribution"))

    @declared_attr
    def organization_id(cls) -> Mapped[int | None]:
        """The author's employer on the day of opening."""
        return mapped_column(Key, sa.ForeignKey("organization.id"))


class ChangeMeasure(Measure, Base):
    """The measures of a change.

    `reviewers`: people other than the author who gave a verdict or commented as review before it was merged.
    """

    __tablename__ = "change_measure"
    __table_args__ = (
        sa.Index("ix_change_measure_waited", "opened_on", "is_bot", "attribution", "tier_key", "is_first",
                 "is_answered", "waited_step", "lasted_step"),
        sa.Index("ix_change_measure_lasted", "closed_on", "is_bot", "merged_on", "reviewers", "attribution", "tier_key",
                 "is_first", "lasted_step", "opened_on"),
        # All that is asked of what is open now: it reads this index and no row.
        sa.Index("ix_change_measure_open", *_OPEN, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
        sa.Index(None, "repository_id", "opened_on"), sa.Index(None, "repository_id", "closed_on"),
        # All that an organization's page asks: it reads these indexes and no row.
        sa.Index("ix_change_measure_employer_opened", "organization_id", "opened_on", "is_bot", "attribution",
                 "tier_key", "is_answered", "waited_s", "waited_step", "change_id"),
        sa.Index("ix_change_measure_employer_closed", "organization_id", "closed_on", "is_bot", "merged_on",
                 "reviewers"),
        sa.Index(None, "person_id", "opened_on"), sa.Index(None, "person_id", "merged_at"),
        # What is closed or open of a person's, and which changes are theirs.
        sa.Index("ix_change_measure_author_closed", "person_id", "closed_on", "is_bot", "merged_on", "reviewers",
                 "opened_on", "change_id"),
    )  # fmt: skip
    change_id: Mapped[int] = mapped_column(
        Key, sa.ForeignKey("change.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    merged_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    merged_on: Mapped[date | None]
    reviewers: Mapped[int]
    reviews: Mapped[int]
    pushes: Mapped[int]
    size: Mapped[int] = mapped_column(sa.BigInteger)


class IssueMeasure(Measure, Base):
    """The measures of an issue."""

    __tablename__ = "issue_measure"
    __table_args__ = (
        sa.Index("ix_issue_measure_waited", "opened_on", "is_bot", "attribution", "tier_key", "is_first",
                 "is_answered", "waited_step", "lasted_step"),
        sa.Index("ix_issue_measure_lasted", "closed_on", "is_bot", "attribution", "tier_key", "is_first",
                 "lasted_step", "opened_on"),
        sa.Index("ix_issue_measure_open", *_OPEN, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
        sa.Index(None, "repository_id", "opened_on"), sa.Index(None, "repository_id", "closed_on"),
        sa.Index(None, "organization_id", "opened_on"), sa.Index(None, "organization_id", "closed_on"),
        sa.Index(None, "person_id", "opened_on"),
    )  # fmt: skip
    issue_id: Mapped[int] = mapped_column(
        Key, sa.ForeignKey("issue.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class ChangeReviewer(Base):
    """Somebody other than the author reviewed a change: since when, how often, and for whom they worked that day."""

    __tablename__ = "change_reviewer"
    __table_args__ = (
        sa.Index("ix_change_reviewer_begun", "first_on", "person_id", "organization_id", "attribution", "repository_id",
                 "change_id"),
        sa.Index(None, "person_id", "first_on"), sa.Index(None, "organization_id", "first_on"),
        sa.Index(None, "repository_id", "first_on"),
        sa.Index("ix_change_reviewer_received", "change_id", "first_on", "organization_id", "attribution", "person_id"),
    )  # fmt: skip
    change_id: Mapped[int] = mapped_column(
        Key, sa.ForeignKey("change.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    person_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("person.id"), primary_key=True, autoincrement=False)
    repository_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("repository.id", ondelete="CASCADE"))
    first_on: Mapped[date]
    reviews: Mapped[int]
    attribution: Mapped[Attribution] = mapped_column(choice(Attribution, name="attribution"))
    organization_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("organization.id"))


class ChangeModule(Base):
    """The change touches paths of this module of `governance/modules.yaml`."""

    __tablename__ = "change_module"
    __table_args__ = (sa.Index("ix_change_module_touched", "module_key", "change_id"),)
    change_id: Mapped[int] = mapped_column(
        Key, sa.ForeignKey("change.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    module_key: Mapped[str] = mapped_column(sa.String(100), primary_key=True)


class FigureStamp(Row, Base):
    """Rows that figures rest on were written; `by_people`: because somebody decided something.

    `at_us`: when, in microseconds since 1970. It also tells a portal's stamps from those with the same numbers that it
    made before a backup brought it back to an earlier day.
    """

    __tablename__ = "figure_stamp"
    __table_args__ = ({"sqlite_autoincrement": True},)  # numbers never come back
    by_people: Mapped[bool]
    at_us: Mapped[int] = mapped_column(sa.BigInteger, default=lambda: time.time_ns() // 1000)


class MeasureDue(Row, Base):
    """A change or an issue that must be measured again."""

    __tablename__ = "measure_due"
    change_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("change.id", ondelete="CASCADE"))
    issue_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("issue.id", ondelete="CASCADE"))
