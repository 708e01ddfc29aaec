"""Who works on a job: a lease by the database's clock, with a fence number that every write is checked against."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.db import Database, Turn, database_now, take_turn
from app.jobs.tables import Job, JobLog, JobState, JobStep
from app.jobs.workflows import Workflow, workflows

LEASE_S = 30.0
LOG_LIMIT = 200_000


class LeaseLost(Exception):
    """Another worker has the job by now, or it is over: whatever this one still wants to write does not count."""


class Cancelled(Exception):
    """Somebody asked the job to stop."""


@dataclass(frozen=True)
class Lease:
    """The right to work on one step of a job until the lease runs out; prolong it by `heartbeat()`."""

    db: Database
    job_id: int
    job: str
    workflow: str
    step: str
    fence: int
    payload: dict[str, Any]
    worker: str
    lease_s: float = LEASE_S

    def heartbeat(self) -> bool:
        """Prolong the lease; False when somebody asked the job to stop. Raises: LeaseLost."""
        with self._job() as (session, job):
            job.lease_expires_at = database_now(session) + timedelta(seconds=self.lease_s)
            return job.cancel_reason is None

    def log(self, text: str, *, session: Session | None = None) -> None:
        """Add to the job's log. Raises: LeaseLost."""
        with self._job(session) as (current, _job):
            clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:LOG_LIMIT]
            current.add(JobLog(job_id=self.job_id, step=self.step, at=database_now(current), text=clean))

    def progress(self, fraction: float | None, text: str = "", *, session: Session | None = None) -> None:
        """Say how far the step is. Raises: LeaseLost, or Cancelled when somebody asked to stop."""
        with self._job(session) as (_current, job):
            job.progress = None if fraction is None else min(max(fraction, 0.0), 1.0)
            job.note = text or None
            cancelled = job.cancel_reason
        if cancelled is not None:
            raise Cancelled(cancelled)

    def record(self, result: Any = None, *, within: Callable[[Session], None] | None = None) -> Lease | None:
        """Record the step as done and go on to the next: its lease, or None when the job is over.

        `within` writes rows that stand or fall with the record. Raises: LeaseLost.
        """
        with self._job() as (session, job):
            if within is not None:
                within(session)
            return self.record_in(session, job, result)

    def record_in(self, session: Session, job: Job, result: Any) -> Lease | None:
        """As `record`, in a transaction that is open already and holds the job's row."""
        workflow = workflows()[self.workflow]
        now = database_now(session)
        done = JobStep(
            job_id=job.id,
            name=self.step,
            result=result,
            fence=self.fence,
            attempts=job.attempts + job.crashes + 1,
            started_at=job.step_started_at or now,
            finished_at=now,
        )
        session.add(done)
        if workflow.audited:
            audit.record(
                session,
                actor=audit.Actor.job(job.public_id),
                action=f"jobs.{self.workflow}.{self.step}",
                thing=job.public_id,
                reason="",
                data={"key": job.key} if job.key else {},
            )
        following = workflow.after(self.step)
        job.attempts = job.crashes = 0
        job.progress = job.note = job.error = None
        if following is None:
            _finish(session, job, JobState.SUCCEEDED, step=None)
            return None
        if job.cancel_reason is not None:
            _finish(session, job, JobState.CANCELLED, step=following)
            return None
        job.step, job.step_started_at = following, now
        job.lease_expires_at = now + timedelta(seconds=self.lease_s)
        session.flush()
        return replace(self, step=following)

    def wait(self, retry_in_s: float, because: str) -> None:
        """Give the job back until later, because something is not ready. Raises: LeaseLost."""
        with self._job() as (session, job):
            _put_back(session, job, retry_in_s, because)

    def release(self) -> None:
        """Give the job back for another worker to take at once. Raises: LeaseLost."""
        with self._job() as (session, job):
            _put_back(session, job, 0, None, state=JobState.QUEUED)

    def error(self, text: str) -> None:
        """The step failed: try again after a while, or stop once the attempts are used up. Raises: LeaseLost."""
        workflow = workflows()[self.workflow]
        with self._job() as (session, job):
            job.attempts += 1
            job.error = text[:LOG_LIMIT]
            if job.attempts >= workflow.attempts:
                _finish(session, job, JobState.FAILED, step=job.step)
                return
            wait_s = workflow.wait_after(job.attempts)
            _put_back(session, job, wait_s, f"failed {job.attempts} of {workflow.attempts} times; trying again")

    def fail(self, sentence: str, *, state: JobState = JobState.FAILED) -> None:
        """The step cannot succeed, or not before somebody acts: stop with a sentence for people. Raises: LeaseLost."""
        with self._job() as (session, job):
            job.error = sentence[:LOG_LIMIT]
            _finish(session, job, state, step=job.step)

    def stop(self) -> None:
        """The job was asked to stop, and has. Raises: LeaseLost."""
        with self._job() as (session, job):
            _finish(session, job, JobState.CANCELLED, step=job.step)

    @contextmanager
    def transaction(self) -> Iterator[tuple[Session, Job]]:
        """A transaction that holds the job's row, so that nobody takes the job over while it is open."""
        with self._job() as held:
            yield held

    @contextmanager
    def _job(self, session: Session | None = None) -> Iterator[tuple[Session, Job]]:
        if session is not None:
            yield session, self._check(session)
            return
        with self.db.write() as own:
            yield own, self._check(own)

    def _check(self, session: Session) -> Job:
        found = session.scalar(
            sa.select(Job).where(Job.id == self.job_id).with_for_update().execution_options(populate_existing=True)
        )
        if found is None or found.fence != self.fence or found.state is not JobState.RUNNING:
            raise LeaseLost(f"job {self.job}: the lease with fence {self.fence} is over")
        return found


def claim(
    db: Database,
    *,
    queue: str,
    worker: str,
    hardware: str | Iterable[str] | None = None,
    lease_s: float = LEASE_S,
    limits: Mapping[str, int] | None = None,
) -> Lease | None:
    """Take the next job of a queue that is due, or whose worker has died; None when there is none.

    `hardware` names what the worker has: jobs that ask for no hardware or for one of these. Of each kind of hardware
    at most `limits[kind]` jobs (1 if not given) run at once.
    """
    has = {hardware} if isinstance(hardware, str) else set(hardware or ())
    if not _is_any_due(db, queue, has):
        return None
    while True:
        with db.write() as session:
            take_turn(session, Turn.CLAIM)
            now = database_now(session)
            free = has - _full(session, limits or {})
            job = session.scalar(_due(queue, free, now).limit(1).with_for_update(skip_locked=True))
            if job is None:
                return None
            workflow = _ready(session, job)
            if workflow is None:
                continue
            job.state, job.worker = JobState.RUNNING, worker
            job.fence += 1
            job.lease_expires_at = now + timedelta(seconds=lease_s)
            job.started_at = job.started_at or now
            job.step_started_at = now
            return Lease(
                db, job.id, job.public_id, job.workflow, str(job.step), job.fence, job.payload, worker, lease_s
            )


def lease_of(db: Database, job: str, fence: int, *, lease_s: float = LEASE_S) -> Lease | None:
    """The lease that a remote worker holds, from what its token says; None when it is over."""
    with db.read() as session:
        found = session.scalar(sa.select(Job).where(Job.public_id == job))
        if found is None or found.fence != fence or found.state is not JobState.RUNNING:
            return None
        return Lease(
            db,
            found.id,
            job,
            found.workflow,
            str(found.step),
            fence,
            found.payload,
            found.worker or "",
            lease_s,
        )


def _due(queue: str, hardware: set[str], now: Any) -> sa.Select[Job]:
    return (
        sa.select(Job)
        .where(
            Job.queue == queue,
            sa.or_(
                sa.and_(Job.state.in_([JobState.QUEUED, JobState.WAITING]), Job.run_at <= now),
                sa.and_(Job.state == JobState.RUNNING, Job.lease_expires_at <= now),
            ),
            sa.or_(Job.hardware.is_(None), Job.hardware.in_(sorted(hardware))),
        )
        .order_by(Job.run_at, Job.id)
    )


def _is_any_due(db: Database, queue: str, hardware: set[str]) -> bool:
    """A look without taking the right to write, so that idle workers disturb nobody."""
    with db.read() as session:
        return session.scalar(_due(queue, hardware, database_now(session)).limit(1)) is not None


def _full(session: Session, limits: Mapping[str, int]) -> set[str]:
    now = database_now(session)
    running = session.execute(
        sa.select(Job.hardware, sa.func.count())
        .where(Job.hardware.is_not(None), Job.state == JobState.RUNNING, Job.lease_expires_at > now)
        .group_by(Job.hardware)
    )
    return {str(kind) for kind, count in running if count >= limits.get(str(kind), 1)}


def _ready(session: Session, job: Job) -> Workflow | None:
    """The job's workflow if the job can run; otherwise the job is settled as cancelled or needing a person."""
    if job.state is JobState.RUNNING:
        job.crashes += 1
    if job.cancel_reason is not None:
        _finish(session, job, JobState.CANCELLED, step=job.step)
        return None
    workflow = workflows().get(job.workflow)
    if workflow is None or not workflow.steps:
        job.error = f"The workflow {job.workflow} no longer exists; bring it back and try again, or cancel the job."
    elif job.step is None:
        job.step = workflow.names[0]
    if workflow is not None and job.step is not None and workflow.find(job.step) is None:
        job.error = (
            f"The next step, {job.step}, no longer exists in the workflow {job.workflow} "
            f"(it has {', '.join(workflow.names)}); bring it back and try again, or cancel the job."
        )
        workflow = None
    elif workflow is not None and job.crashes > workflow.crashes:
        job.error = f"Workers died {job.crashes} times in the step {job.step}; look at their log, then try again."
        workflow = None
    if workflow is None or not workflow.steps:
        _finish(session, job, JobState.NEEDS_PERSON, step=job.step)
        return None
    return workflow


def _finish(session: Session, job: Job, state: JobState, *, step: str | None) -> None:
    job.state, job.step = state, step
    job.finished_at = database_now(session)
    job.worker = job.lease_expires_at = job.progress = job.note = None
    session.flush()


def _put_back(
    session: Session, job: Job, wait_s: float, because: str | None, *, state: JobState = JobState.WAITING
) -> None:
    if job.cancel_reason is not None:
        _finish(session, job, JobState.CANCELLED, step=job.step)
        return
    job.state, job.note = state, because
    job.run_at = database_now(session) + timedelta(seconds=wait_s)
    job.worker = job.lease_expires_at = job.progress = None
    session.flush()
