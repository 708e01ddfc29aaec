"""Which repository is which at GitHub, and how far each kind of thing is read: by this a killed reading goes on."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Key, Row, UtcDateTime, Versioned, choice

NOTHING_SET = "none"


class StreamKind(Enum):
    """What is read one after another; comments on lines need their pull requests.

    What is read AGAIN, once in a while and by its numbers alone, is looked through for what is gone.
    """

    PULLS = "pulls"
    ISSUES = "issues"
    LINES = "lines"
    RELEASES = "releases"
    PULLS_AGAIN = "pulls again"
    ISSUES_AGAIN = "issues again"
    LINES_AGAIN = "lines again"


class GithubConnection(Row, Versioned, Base):
    """A repository's place at GitHub, by owner and name as they are now.

    `github_number` is GitHub's own number of it, known after the first reading: a name that somebody else took since
    is noticed by it. `asked_at`: when a reading last began; `read_at`: when one last came to its end. `problem`: what
    somebody must do, and `refused`: which credentials met it (their mark, or NOTHING_SET), so that others are tried.
    """

    __tablename__ = "github_connection"
    repository_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("repository.id", ondelete="CASCADE"), unique=True)
    full_name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    github_number: Mapped[int | None] = mapped_column(sa.BigInteger, unique=True)
    etag: Mapped[str] = mapped_column(sa.String(200), default="", server_default="")
    problem: Mapped[str] = mapped_column(sa.String(1000), default="", server_default="")
    refused: Mapped[str] = mapped_column(sa.String(32), default="", server_default="")
    connected_at: Mapped[datetime] = mapped_column(UtcDateTime())
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class GithubStream(Row, Base):
    """How far one kind of thing is read.

    Of what has changed until `since` all is known. A walk from the newest back to there is under way where `begun_at`
    is set: it is at `cursor`, what was newest when it began is `newest`, and `next_etag` names what it began with.
    `page_size` shrinks where GitHub cannot answer so much at once; `failures` counts those in a row.
    """

    __tablename__ = "github_stream"
    __table_args__ = (sa.UniqueConstraint("connection_id", "kind"),)
    connection_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("github_connection.id", ondelete="CASCADE"))
    kind: Mapped[StreamKind] = mapped_column(choice(StreamKind, name="kind"))
    since: Mapped[datetime | None] = mapped_column(UtcDateTime())
    etag: Mapped[str] = mapped_column(sa.String(200), default="", server_default="")
    begun_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    cursor: Mapped[str] = mapped_column(sa.String(1000), default="", server_default="")
    newest: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_etag: Mapped[str] = mapped_column(sa.String(200), default="", server_default="")
    page_size: Mapped[int] = mapped_column(default=100, server_default="100")
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    seen: Mapped[int] = mapped_column(default=0, server_default="0")
    total: Mapped[int] = mapped_column(default=0, server_default="0")
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
