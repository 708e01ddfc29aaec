"""What people said of changes (the changes themselves are facts: `app.contributions.models`)."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Key, Row, choice, public_id
from app.reviews.rules import Verdict


class Side(Enum):
    """The side of a difference that a comment's line number counts on."""

    OLD = "old"
    NEW = "new"


class Review(Row, Base):
    """What a person said of a change at one head. Rows are only ever added."""

    __tablename__ = "review"

    public_id: Mapped[str] = public_id("rv")
    change_id: Mapped[int] = mapped_column(sa.ForeignKey("change.id", ondelete="CASCADE"), index=True)
    head_sha: Mapped[str] = mapped_column(sa.String(64))
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id", ondelete="RESTRICT"), index=True)
    verdict: Mapped[Verdict] = mapped_column(choice(Verdict, name="verdict"))
    text: Mapped[str] = mapped_column(sa.Text)
    path: Mapped[str | None] = mapped_column(sa.String(4096))
    side: Mapped[Side | None] = mapped_column(choice(Side, name="side"))
    line: Mapped[int | None]
    said_at: Mapped[datetime]


class ForkRetry(Base):
    """A fork's pull request whose commits could not be read at this head: how often, and when it is tried again."""

    __tablename__ = "fork_retry"

    change_id: Mapped[int] = mapped_column(
        Key, sa.ForeignKey("change.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    head_sha: Mapped[str] = mapped_column(sa.String(64))
    tries: Mapped[int]
    again_at: Mapped[datetime]
