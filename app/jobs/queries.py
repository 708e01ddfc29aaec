"""What the jobs' pages show: lists, and one job with its steps done, in hand and to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import marks
from app.jobs.tables import UNDER_WAY, Job, JobLog, JobState, JobStep
from app.jobs.workflows import workflows

LOG_LINES = 400


@dataclass(frozen=True)
class StepLine:
    """A step as the page shows it: `done`, `to_come`, or the state of the job that stands at it."""

    name: str
    state: str
    started_at: datetime | None = None
    seconds: float | None = None
    attempts: int = 0


def title_of(job: Job) -> str:
    """What the job is called: its workflow's title, or the name."""
    workflow = workflows().get(job.workflow)
    return (workflow.title if workflow else "") or job.workflow.replace("-", " ").replace("_", " ").capitalize()


def listed(*, state: JobState | None, scheduled: bool) -> sa.Select[Job]:
    """Jobs of this state (None: of any), with the regular rounds of schedules if `scheduled`."""
    query = sa.select(Job)
    if state is not None:
        query = query.where(Job.state == state)
    return query if scheduled else query.where(Job.schedule.is_(None))


def count(session: Session, *, state: JobState | None, scheduled: bool) -> int:
    """How many jobs a list would have."""
    query = listed(state=state, scheduled=scheduled)
    return session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0


def newest(session: Session, *, state: JobState | None, scheduled: bool, offset: int, limit: int) -> Sequence[Job]:
    """Jobs, those under way first, then the newest."""
    query = listed(state=state, scheduled=scheduled)
    return session.scalars(
        query.order_by(Job.state.in_(UNDER_WAY).desc(), Job.id.desc()).offset(offset).limit(limit)
    ).all()


def under_way(session: Session, limit: int = 5) -> Sequence[Job]:
    """What is being done now, without the regular rounds of schedules."""
    return session.scalars(
        sa.select(Job).where(Job.state.in_(UNDER_WAY), Job.schedule.is_(None)).order_by(Job.id).limit(limit)
    ).all()


@marks.mark("jobs")
def moves() -> sa.Select[*tuple[Any, ...]]:
    """Where everything that is being done stands, with how far it says it is: a text of each column, line by job."""
    columns = (Job.id, Job.state, Job.step, Job.progress, Job.note)
    lines = [sa.func.coalesce(sa.cast(column, sa.Text), "").label(column.key) for column in columns]
    each = sa.select(*lines).where(Job.state.in_(UNDER_WAY), Job.schedule.is_(None)).order_by(Job.id).subquery()
    return sa.select(*(sa.func.aggregate_strings(line, "\n").label(line.key) for line in each.c))


def step_lines(session: Session, job: Job, now: datetime) -> list[StepLine]:
    """The steps of a job in the order in which they were or will be done."""
    done = session.scalars(sa.select(JobStep).where(JobStep.job_id == job.id).order_by(JobStep.id)).all()
    lines = [
        StepLine(
            step.name, "done", step.started_at, (step.finished_at - step.started_at).total_seconds(), step.attempts
        )
        for step in done
    ]
    workflow = workflows().get(job.workflow)
    names = workflow.names if workflow else []
    at = job.step or (names[0] if not done and names else None)
    if at is None:
        return lines
    is_running = job.state is JobState.RUNNING and job.step_started_at is not None
    seconds = (now - job.step_started_at).total_seconds() if is_running and job.step_started_at else None
    attempts = job.attempts + job.crashes + (1 if is_running else 0)
    lines.append(StepLine(at, job.state.value, job.step_started_at if is_running else None, seconds, attempts))
    if not job.state.is_finished and at in names:
        lines += [StepLine(name, "to_come") for name in names[names.index(at) + 1 :]]
    return lines


def log_of(session: Session, job: Job) -> list[JobLog]:
    """The last lines of a job's log, in order."""
    last = sa.select(JobLog).where(JobLog.job_id == job.id).order_by(JobLog.id.desc()).limit(LOG_LINES)
    return list(reversed(session.scalars(last).all()))
