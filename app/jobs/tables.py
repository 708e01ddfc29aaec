"""The rows of jobs: the job, its recorded steps, its log, and when a schedule is due."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, Row, choice, public_id


class JobState(Enum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NEEDS_PERSON = "needs_person"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.NEEDS_PERSON)


UNDER_WAY = tuple(state for state in JobState if not state.is_finished)


class Job(Row, Base):
    """One run of a workflow. `step` is the step to run next, as the code knew it when the last one was recorded."""

    __tablename__ = "job"
    __table_args__ = (
        sa.UniqueConstraint("workflow", "key"),
        sa.Index(None, "queue", "state", "run_at"),
    )
    public_id: Mapped[str] = public_id("j")
    workflow: Mapped[str] = mapped_column(index=True)
    queue: Mapped[str]
    key: Mapped[str | None]
    schedule: Mapped[str | None] = mapped_column(index=True)
    payload: Mapped[dict[str, Any]]
    hardware: Mapped[str | None]
    state: Mapped[JobState] = mapped_column(choice(JobState, name="state"), default=JobState.QUEUED)
    step: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    crashes: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None]
    progress: Mapped[float | None]
    note: Mapped[str | None]
    error: Mapped[str | None]
    actor_kind: Mapped[str]
    actor_id: Mapped[str]
    created_at: Mapped[datetime]
    run_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    step_started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    steps: Mapped[list[JobStep]] = relationship(order_by="JobStep.id", viewonly=True)


class JobStep(Row, Base):
    """A step that is done: recorded once, with its result."""

    __tablename__ = "job_step"
    __table_args__ = (sa.UniqueConstraint("job_id", "name"),)
    job_id: Mapped[int] = mapped_column(sa.ForeignKey("job.id", ondelete="CASCADE"))
    name: Mapped[str]
    result: Mapped[Any] = mapped_column(sa.JSON, nullable=True)
    fence: Mapped[int]
    attempts: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]


class JobLog(Row, Base):
    """A line (or several) that a step wrote down."""

    __tablename__ = "job_log"
    job_id: Mapped[int] = mapped_column(sa.ForeignKey("job.id", ondelete="CASCADE"), index=True)
    step: Mapped[str]
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(sa.Text)


class JobSchedule(Row, Base):
    """When a schedule is due next."""

    __tablename__ = "job_schedule"
    name: Mapped[str] = mapped_column(unique=True)
    next_at: Mapped[datetime]
