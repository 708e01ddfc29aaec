"""Jobs: what the portal does in the background, how far each is, and the steps it has done."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import sqlalchemy as sa
from flask import abort
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.fields import Answer, Asked, Items, JobId, Paged
from app.api.operations import example, operation
from app.api.paging import listed
from app.db import database_now
from app.jobs import queries, tables
from app.jobs.tables import JobState
from app.jobs.workflows import job_by_public_id
from app.pages import veiled


class Rounds(Enum):
    """Whether the regular rounds of schedules are among the jobs."""

    LEFT_OUT = "left-out"
    INCLUDED = "included"


class JobLine(Answer):
    """One run of a workflow; `asked_by` is an opaque id."""

    id: str
    title: str
    workflow: str
    state: JobState
    step: Annotated[str | None, Field(description="The step at which it is; null when all are done.")]
    progress: Annotated[float | None, Field(description="From 0 to 1, where the step can tell.")]
    note: str | None
    asked_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobStepLine(Answer):
    """A step: done, in the state of the job that stands at it, or to come."""

    name: str
    state: str
    started_at: datetime | None
    seconds: float | None
    attempts: int


class JobRecord(JobLine):
    """A job with its steps; its log is for people who are signed in."""

    error: str | None
    stopped_because: str | None
    steps: list[JobStepLine]


class JobsAsked(Paged):
    """Which jobs."""

    state: JobState | None = None
    rounds: Annotated[Rounds, Field(description="The regular rounds of schedules.")] = Rounds.LEFT_OUT


class JobAsked(Asked):
    """Which job."""

    job: JobId


@operation("/jobs", subject="Jobs")
def jobs(session: Session, asked: JobsAsked) -> Items[JobLine]:
    """What the portal does in the background, the newest first."""
    query = queries.listed(state=asked.state, scheduled=asked.rounds is Rounds.INCLUDED)
    return listed(session, query, [tables.Job.id], asked, lambda rows: [JobLine(**_line(row.Job)) for row in rows],
                  newest_first=True)  # fmt: skip


@operation("/jobs/{job}", subject="Jobs", moving=("steps",))
def job(session: Session, asked: JobAsked) -> JobRecord:
    """One job with its steps."""
    found = job_by_public_id(session, asked.job) or abort(404, f"There is no job {asked.job}.")
    return JobRecord(
        **_line(found), error=_shown(found.error), stopped_because=_shown(found.cancel_reason),
        steps=[JobStepLine.model_validate(one) for one in queries.step_lines(session, found, database_now(session))],
    )  # fmt: skip


@example("job")
def _a_job(session: Session) -> str | None:
    return session.scalar(sa.select(tables.Job.public_id).order_by(tables.Job.id).limit(1))


def _line(one: tables.Job) -> dict[str, Any]:
    return {
        "id": one.public_id, "title": queries.title_of(one), "workflow": one.workflow, "state": one.state,
        "step": one.step, "progress": one.progress, "note": _shown(one.note), "asked_by": one.actor_id,
        "created_at": one.created_at, "started_at": one.started_at, "finished_at": one.finished_at,
    }  # fmt: skip


def _shown(text: str | None) -> str | None:
    return None if text is None else veiled(text)
