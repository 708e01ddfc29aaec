"""What happened, when, and by whom: the timelines of changes and issues, issues themselves, and releases.

A fact is written once. Its source gives it an external id, unique within the source, so that reading it again, or
hearing of it twice or late, changes nothing. Who did it is an identity as the source writes it (or, for what is said
in the portal itself, the person who is signed in).
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.contributions.metrics.timelines import EventKind
from app.db import Base, Key, Row, UtcDateTime, choice, public_id


class IssueState(Enum):
    """Open, or closed for whatever reason."""

    OPEN = "open"
    CLOSED = "closed"


class TimelineEvent(Row):
    """What the timelines of changes and issues have in common. `value`: a label, a hash, a login, as the kind says."""

    source: Mapped[str] = mapped_column(sa.String(60))
    external_id: Mapped[str] = mapped_column(sa.String(200))
    at: Mapped[datetime] = mapped_column(UtcDateTime())
    value: Mapped[str] = mapped_column(sa.String(500), default="", server_default="")

    @declared_attr
    def kind(cls) -> Mapped[EventKind]:
        """What happened."""
        return mapped_column(choice(EventKind, name="kind"))

    @declared_attr
    def identity_id(cls) -> Mapped[int | None]:
        """Who did it, as the source writes them."""
        return mapped_column(Key, sa.ForeignKey("identity.id"), index=True)

    @declared_attr
    def person_id(cls) -> Mapped[int | None]:
        """Who did it, signed in to the portal."""
        return mapped_column(Key, sa.ForeignKey("person.id"), index=True)


class ChangeEvent(TimelineEvent, Base):
    """One thing that happened to a change."""

    __tablename__ = "change_event"
    __table_args__ = (sa.UniqueConstraint("source", "external_id"),)
    change_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("change.id", ondelete="CASCADE"), index=True)


class Issue(Row, Base):
    """A question, a report or a wish in a repository's tracker."""

    __tablename__ = "issue"
    __table_args__ = (
        sa.UniqueConstraint("repository_id", "source", "external_id"),
        sa.Index(None, "author_identity_id"),
    )
    public_id: Mapped[str] = public_id("is")
    repository_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("repository.id", ondelete="CASCADE"))
    source: Mapped[str] = mapped_column(sa.String(60))
    external_id: Mapped[str] = mapped_column(sa.String(200))
    number: Mapped[int | None] = mapped_column(sa.BigInteger)
    url: Mapped[str] = mapped_column(sa.String(1000), default="", server_default="")
    title: Mapped[str] = mapped_column(sa.String(500))
    author_identity_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("identity.id"))
    state: Mapped[IssueState] = mapped_column(choice(IssueState, name="state"), index=True)
    labels: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class IssueEvent(TimelineEvent, Base):
    """One thing that happened to an issue."""

    __tablename__ = "issue_event"
    __table_args__ = (sa.UniqueConstraint("source", "external_id"),)
    issue_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("issue.id", ondelete="CASCADE"), index=True)


class RepositoryRelease(Row, Base):
    """A release that a repository published: a tag, when, and by whom. (Our own releases are `app.releases`.)"""

    __tablename__ = "repository_release"
    __table_args__ = (
        sa.UniqueConstraint("repository_id", "source", "external_id"),
        sa.Index(None, "repository_id", "published_at"),
    )
    repository_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("repository.id", ondelete="CASCADE"))
    source: Mapped[str] = mapped_column(sa.String(60))
    external_id: Mapped[str] = mapped_column(sa.String(200))
    tag: Mapped[str] = mapped_column(sa.String(500))
    name: Mapped[str] = mapped_column(sa.String(500), default="", server_default="")
    url: Mapped[str] = mapped_column(sa.String(1000), default="", server_default="")
    author_identity_id: Mapped[int | None] = mapped_column(Key, sa.ForeignKey("identity.id"), index=True)
    is_prerelease: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    published_at: Mapped[datetime] = mapped_column(UtcDateTime())
