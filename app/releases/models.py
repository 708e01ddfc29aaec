"""The tables of releases: the release, and the sign-offs of its modules."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, Key, Row, UtcDateTime, public_id
from app.jobs import Job

_STATE_AT_STEP = {
    "build": "building",
    "evidence": "testing",
    "sign-offs": "waiting for sign-offs",
    "decision": "ready to publish",
    "publish": "publishing",
}


class Release(Row, Base):
    """A commit on its way to the index. What is published under its version are the bytes of its builds."""

    __tablename__ = "release"
    __table_args__ = (sa.UniqueConstraint("repository_id", "commit_sha"),)
    public_id: Mapped[str] = public_id("rel")
    repository_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("repository.id"))
    commit_sha: Mapped[str] = mapped_column(sa.String(64))
    project: Mapped[str] = mapped_column(sa.String(200))
    version: Mapped[str] = mapped_column(sa.String(100), unique=True)
    is_local: Mapped[bool]
    left_out_files: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    created_by: Mapped[str] = mapped_column(sa.String(60))
    job_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("job.id"), unique=True)
    publisher_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id"))
    publish_reason: Mapped[str] = mapped_column(sa.Text, default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    yanked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    yanked_reason: Mapped[str | None] = mapped_column(sa.Text)
    job: Mapped[Job] = relationship(lazy="joined")

    @property
    def state(self) -> str:
        """In one word, where the release stands."""
        if self.yanked_at is not None:
            return "yanked"
        if self.published_at is not None:
            return "published"
        if self.job.state.is_finished:
            return self.job.state.value
        return _STATE_AT_STEP.get(self.job.step or "build", "waiting")


class SignOff(Row, Base):
    """A person signed for a module of a release. Whether it counts is decided by the rules, each time it is asked."""

    __tablename__ = "sign_off"
    __table_args__ = (sa.UniqueConstraint("release_id", "module_key", "person_id"),)
    release_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("release.id"))
    module_key: Mapped[str] = mapped_column(sa.String(60))
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"))
    reason: Mapped[str] = mapped_column(sa.Text, default="")
    signed_at: Mapped[datetime] = mapped_column(UtcDateTime())
