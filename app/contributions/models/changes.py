"""Changes that somebody proposes: branches beside the default one, and pull requests of a forge, as one kind of row."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Key, Row, choice, public_id


class ChangeSource(Enum):
    """Where a change comes from: a branch of an ingested repository, or a pull request of a forge."""

    BRANCH = "branch"
    PULL_REQUEST = "pull_request"


class ChangeState(Enum):
    """Open until its head is part of the default branch (merged) or its source is gone (closed)."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class Change(Row, Base):
    """A base and a head commit with a source; the head moves with every push.

    A pull request has its forge's number, address, labels and state of draft; `source_updated_at` is the forge's own
    time of the last thing known, so that an older report never overwrites a newer one. `source_ref` is the branch, or
    the pull request's number; `head_ref` the branch of this very repository that a pull request comes from ("" for a
    fork's). A pull request whose commits were never read has empty hashes; of one from a fork `asked_sha` is the head
    for whose commits its repository was asked last.
    """

    __tablename__ = "change"
    __table_args__ = (
        sa.UniqueConstraint("repository_id", "source_kind", "source_ref"),
        sa.Index(None, "author_identity_id"),
        # The queue asks for the latest of those that are open, and of those that are not.
        sa.Index(None, "state", "updated_at", "id"), sa.Index(None, "closed_at", "id"),
    )

    public_id: Mapped[str] = public_id("c")
    repository_id: Mapped[int] = mapped_column(sa.ForeignKey("repository.id", ondelete="CASCADE"), index=True)
    source_kind: Mapped[ChangeSource] = mapped_column(choice(ChangeSource, name="source_kind"))
    source_ref: Mapped[str] = mapped_column(sa.String(1000))
    number: Mapped[int | None] = mapped_column(sa.BigInteger)
    url: Mapped[str] = mapped_column(sa.String(1000), default="", server_default="")
    base_ref: Mapped[str] = mapped_column(sa.String(500), default="", server_default="")
    head_ref: Mapped[str] = mapped_column(sa.String(500), default="", server_default="")
    base_sha: Mapped[str] = mapped_column(sa.String(64))
    head_sha: Mapped[str] = mapped_column(sa.String(64))
    asked_sha: Mapped[str] = mapped_column(sa.String(64), default="", server_default="")
    title: Mapped[str] = mapped_column(sa.String(500))
    author_identity_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("identity.id"))
    author_name: Mapped[str] = mapped_column(sa.String(500))
    author_email: Mapped[str] = mapped_column(sa.String(500))
    state: Mapped[ChangeState] = mapped_column(choice(ChangeState, name="state"))
    is_draft: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    labels: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    additions: Mapped[int]
    deletions: Mapped[int]
    files: Mapped[int | None]
    too_long: Mapped[str] = mapped_column(sa.String(500), default="")
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    merged_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    source_updated_at: Mapped[datetime | None]


class ChangeCommit(Row, Base):
    """A commit between base and head, with who of its authors has not signed it off.

    `co_authors`: name and e-mail of each person whom its message names as one.
    """

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
    co_authors: Mapped[list[list[str]]] = mapped_column(sa.JSON, default=list, server_default="[]")


class ChangeFile(Row, Base):
    """A path that the change touches, before or after; which module owns it is asked when somebody looks."""

    __tablename__ = "change_file"

    change_id: Mapped[int] = mapped_column(sa.ForeignKey("change.id", ondelete="CASCADE"), index=True)
    path: Mapped[str] = mapped_column(sa.String(4096))
