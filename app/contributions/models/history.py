"""What git history says, as rows: repositories, branches, commits, trailers, changed paths, and the one rollup.

A commit is one row however many repositories hold it, and points at identities as written, never at people. The
rollup is derived: it can be deleted and made again from the other tables (`app/contributions/rollups.py`).
"""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.contributions.metrics.work import Kind
from app.contributions.rules import COUNTING_RULES, TrailerKey
from app.contributions.sources import Reach
from app.db import Base, Key, Row, UtcDateTime, Versioned, choice, public_id


class RepositoryState(Enum):
    """Where the reading of a repository stands."""

    WAITING = "waiting"
    READING = "reading"
    READY = "ready"
    FAILED = "failed"


class Attribution(Enum):
    """Whom a day's work counts for: an employer, the person alone by their own word, or nobody knows."""

    ORGANIZATION = "organization"
    INDEPENDENT = "independent"
    UNKNOWN = "unknown"


class Repository(Row, Versioned, Base):
    """A git repository whose default branch is counted; its bare clone lies at `home/clones/<public_id>.git`.

    `head_sha` is the head as last fetched, `reading_sha` the one whose commits are being brought into rows, and
    `ingested_sha` the one that they last were whole for. `reach` is how far its address may go, from who named it.
    `counted_by`: the rules by which its figures were counted (`app.contributions.recounting`).
    `private_since`: when it was learned that it is private at its source (`app.contributions.private`).
    """

    __tablename__ = "repository"
    public_id: Mapped[str] = public_id("r")
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    url: Mapped[str] = mapped_column(sa.String(1000), unique=True)
    is_foundation: Mapped[bool] = mapped_column(default=True)
    reach: Mapped[Reach] = mapped_column(choice(Reach, name="reach"), default=Reach.ANYWHERE,
                                         server_default="anywhere")  # fmt: skip
    state: Mapped[RepositoryState] = mapped_column(
        choice(RepositoryState, name="state"), default=RepositoryState.WAITING
    )
    problem: Mapped[str] = mapped_column(sa.Text, default="")
    default_branch: Mapped[str | None] = mapped_column(sa.String(500))
    head_sha: Mapped[str | None] = mapped_column(sa.String(64))
    reading_sha: Mapped[str | None] = mapped_column(sa.String(64))
    ingested_sha: Mapped[str | None] = mapped_column(sa.String(64))
    has_line_counts: Mapped[bool] = mapped_column(default=True)
    fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ingested_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    added_at: Mapped[datetime] = mapped_column(UtcDateTime())
    private_since: Mapped[datetime | None] = mapped_column(UtcDateTime())
    counted_by: Mapped[int] = mapped_column(default=COUNTING_RULES, server_default="1")


class Branch(Row, Base):
    """A branch as last fetched; the default branch is the protected one."""

    __tablename__ = "branch"
    __table_args__ = (sa.UniqueConstraint("repository_id", "name"),)
    repository_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("repository.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sa.String(500))
    head_sha: Mapped[str] = mapped_column(sa.String(64))
    is_protected: Mapped[bool] = mapped_column(default=False)
    moved_at: Mapped[datetime] = mapped_column(UtcDateTime())


class Commit(Row, Base):
    """One commit, unique over all repositories. Lines are None until they are counted, and where they cannot be.

    `is_redated`: its author's date was absurd, and another stands in its place (`rules.contribution_time`).
    """

    __tablename__ = "commit"
    __table_args__ = (
        sa.Index(None, "committed_at"),
        # All that files by day, or of one author, ask of a commit: they read these indexes and no row.
        sa.Index("ix_commit_day_files", "day", "author_identity_id", "paths", "id"),
        sa.Index("ix_commit_author_day", "author_identity_id", "day", "paths", "id"),
        sa.Index("ix_commit_redated", "day", sqlite_where=sa.text("is_redated = 1"),
                 postgresql_where=sa.text("is_redated")),
    )  # fmt: skip
    sha: Mapped[str] = mapped_column(sa.String(64), unique=True)
    author_identity_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("identity.id"))
    committer_identity_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("identity.id"))
    authored_at: Mapped[datetime] = mapped_column(UtcDateTime())
    committed_at: Mapped[datetime] = mapped_column(UtcDateTime())
    day: Mapped[date]
    subject: Mapped[str] = mapped_column(sa.String(500))
    pull_request: Mapped[int | None] = mapped_column(sa.BigInteger)
    parents: Mapped[str] = mapped_column(sa.Text)
    is_merge: Mapped[bool]
    is_revert: Mapped[bool]
    is_signed_off: Mapped[bool]
    paths: Mapped[int]
    added: Mapped[int | None] = mapped_column(sa.BigInteger)
    deleted: Mapped[int | None] = mapped_column(sa.BigInteger)
    is_redated: Mapped[bool] = mapped_column(default=False, server_default=sa.false())


class RepositoryCommit(Base):
    """This commit is on the default branch of this repository; it is counted for the whole in one of them."""

    __tablename__ = "repository_commit"
    __table_args__ = (
        sa.Index(None, "repository_id", "day"), sa.Index(None, "day"),
        sa.Index("ix_repository_commit_counted", "commit_id", unique=True, sqlite_where=sa.text("is_counted = 1"),
                 postgresql_where=sa.text("is_counted")),
    )  # fmt: skip
    repository_id: Mapped[int] = mapped_column(
        Key, sa.ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True
    )
    commit_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("commit.id"), primary_key=True)
    day: Mapped[date]
    is_counted: Mapped[bool]


class CommitTrailer(Row, Base):
    """One trailer of a closed list; the identity is there where the trailer names a person or a tool."""

    __tablename__ = "commit_trailer"
    __table_args__ = (sa.Index(None, "commit_id"), sa.Index(None, "identity_id"))
    commit_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("commit.id", ondelete="CASCADE"))
    key: Mapped[TrailerKey] = mapped_column(choice(TrailerKey, name="key"))
    value: Mapped[str] = mapped_column(sa.String(1000))
    identity_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("identity.id"))


class ChangePath(Row, Base):
    """One path that a commit changed (merges have none; a rename is one deleted and one added)."""

    __tablename__ = "change_path"
    __table_args__ = (sa.Index(None, "commit_id"),)
    commit_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("commit.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(sa.Text)
    status: Mapped[str] = mapped_column(sa.String(1))
    added: Mapped[int | None] = mapped_column(sa.BigInteger)
    deleted: Mapped[int | None] = mapped_column(sa.BigInteger)


class CommitModule(Base):
    """Derived: the commit touched paths of this module of `governance/modules`."""

    __tablename__ = "commit_module"
    __table_args__ = (sa.Index("ix_commit_module_touched", "module_key", "commit_id"),)
    commit_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("commit.id", ondelete="CASCADE"), primary_key=True)
    module_key: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    added: Mapped[int] = mapped_column(sa.BigInteger)
    deleted: Mapped[int] = mapped_column(sa.BigInteger)


class Rollup(Row, Base):
    """What every page counts from: a person's work of a day in a repository, whole or (module_key) in one module.

    `is_counted` is false for commits that another repository holds too and counts for the whole foundation.
    `without_lines` is how many of the commits have no lines counted (yet).
    """

    __tablename__ = "rollup"
    __table_args__ = (
        sa.Index(None, "repository_id", "day"), sa.Index(None, "person_id", "day"),
        sa.Index(None, "organization_id", "day"),
        # All that sums over everything, or over a module, ask of a row: they read this index and no row.
        sa.Index("ix_rollup_sums", "module_key", "day", "is_counted", "kind", "organization_id", "attribution",
                 "person_id", "commits", "added", "deleted", "without_lines"),
    )  # fmt: skip
    day: Mapped[date]
    repository_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("repository.id", ondelete="CASCADE"))
    module_key: Mapped[str | None] = mapped_column(sa.String(100))
    kind: Mapped[Kind] = mapped_column(choice(Kind, name="kind"))
    attribution: Mapped[Attribution] = mapped_column(choice(Attribution, name="attribution"))
    organization_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("organization.id"))
    person_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("person.id"))
    is_counted: Mapped[bool]
    commits: Mapped[int] = mapped_column(sa.BigInteger)
    added: Mapped[int] = mapped_column(sa.BigInteger)
    deleted: Mapped[int] = mapped_column(sa.BigInteger)
    without_lines: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")


class LineCountDue(Base):
    """The lines of this commit are still to be counted, from this repository's clone."""

    __tablename__ = "line_count_due"
    repository_id: Mapped[int] = mapped_column(
        Key, sa.ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True
    )
    commit_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("commit.id"), primary_key=True)


class RollupDue(Row, Base):
    """A day of a repository, or a person, whose figures must be counted again."""

    __tablename__ = "rollup_due"
    repository_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("repository.id", ondelete="CASCADE"))
    day: Mapped[date | None]
    person_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("person.id"))


class DerivedState(Row, Base):
    """What derived tables were last made from, so that they are made anew when it changes."""

    __tablename__ = "contribution_derived"
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    made_from: Mapped[str] = mapped_column(sa.String(200))
