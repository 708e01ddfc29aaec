"""Changes under review, what they touch, and what people said of them."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Row, choice, public_id
from app.reviews.rules import Verdict


class ChangeSource(Enum):
    """Where a change comes from: a branch of an ingested repository, or a pull request of a forge."""

    BRANCH = "branch"
    PULL_REQUEST = "pull_request"


class ChangeState(Enum):
    """Open until its head is part of the default branch (merged) or its source is gone (closed)."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class Side(Enum):
    """The side of a difference that a comment's line number counts on."""

    OLD = "old"
    NEW = "new"


class Change(Row, Base):
    """A base and a head commit with a source; the head moves with every push."""

    __tablename__ = "change"
    __table_args__ = (sa.UniqueConstraint("repository_id", "source_kind", "source_ref"),)

    public_id: Mapped[str] = public_id("c")
    repository_id: Mapped[int] = mapped_column(sa.ForeignKey("repository.id", ondelete="CASCADE"), index=True)
    source_kind: Mapped[ChangeSource] = mapped_column(choice(ChangeSource, name="source_kind"))
    source_ref: Mapped[str] = mapped_column(sa.String(1000))
    base_sha: Mapped[str] = mapped_column(sa.String(64))
    head_sha: Mapped[str] = mapped_column(sa.String(64))
    title: Mapped[str] = mapped_column(sa.String(500))
    author_name: Mapped[str] = mapped_column(sa.String(500))
    author_email: Mapped[str] = mapped_column(sa.String(500))
    state: Mapped[ChangeState] = mapped_column(choice(ChangeState, name="state"), index=True)
    additions: Mapped[int]
    deletions: Mapped[int]
    too_long: Mapped[str] = mapped_column(sa.String(500), default="")
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class ChangeCommit(Row, Base):
    """A commit between base and head, with who of its authors has not signed it off."""

    __tablename__ = "change_commit"
    __table_args__ = (sa.UniqueConstraint("change_id", "position"),)

    change_id: Mapped[int] = mapped_column(sa.ForeignKey("change.id", ondelete="CASCADE"))
    position: Mapped[int]
    sha: Mapped[str] = mapped_column(sa.String(64))
    subject: Mapped[str] = mapped_column(sa.String(500))
    author_name: Mapped[str] = mapped_column(sa.String(500))
    author_email: Mapped[str] = mapped_column(sa.String(500))
    authored_at: Mapped[datetime]
    missing_sign_offs: Mapped[list[str]]


class ChangeFile(Row, Base):
    """A path that the change touches, before or after; which module owns it is asked when somebody looks."""

    __tablename__ = "change_file"

    change_id: Mapped[int] = mapped_column(sa.ForeignKey("change.id", ondelete="CASCADE"), index=True)
    path: Mapped[str] = mapped_column(sa.String(4096))


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
