"""The process that works: claims a job, runs its steps one after another, keeps the lease alive meanwhile."""

from __future__ import annotations

import os
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.audit import Actor
from app.db import Database, database_now
from app.jobs.leases import LEASE_S, Cancelled, Lease, LeaseLost, claim
from app.jobs.tables import UNDER_WAY, Job, JobSchedule, JobState, JobStep
from app.jobs.workflows import (
    Failed,
    NeedsPerson,
    NotYet,
    Schedule,
    StepContext,
    enqueue,
    forget_old_runs,
    schedules,
    workflows,
)
from app.log import log

POLL_S = 0.5


class Worker:
    """Works on one queue. `run_once()` does one job as far as it goes; `run_forever()` until told to stop."""

    def __init__(
        self,
        app: Flask,
        *,
        queue: str = "worker",
        name: str | None = None,
        lease_s: float = LEASE_S,
        hardware: tuple[str, ...] = (),
    ) -> None:
        self.app = app
        self.queue = queue
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.lease_s = lease_s
        self.hardware = hardware
        self.stopping = threading.Event()

    @property
    def db(self) -> Database:
        """The portal's database."""
        db: Database = self.app.extensions["flambeau"].db
        return db

    def run_once(self) -> str | None:
        """Enqueue what is scheduled, then run one job as far as it goes; its public id, or None if none is due."""
        with self.app.app_context():
            tick(self.db)
            lease = claim(self.db, queue=self.queue, worker=self.name, hardware=self.hardware, lease_s=self.lease_s)
            if lease is None:
                return None
            self._work(lease)
            return lease.job

    def run_until_idle(self, *, limit: int = 100) -> list[str]:
        """Run jobs until none is due; the public ids in order. A test's friend."""
        done: list[str] = []
        while len(done) < limit and (job := self.run_once()) is not None:
            done.append(job)
        return done

    def run_forever(self) -> None:
        """Work until `stop()`; the database may go away for a while and come back."""
        log.info("worker started", extra={"fields": {"worker": self.name, "queue": self.queue}})
        while not self.stopping.is_set():
            try:
                worked = self.run_once()
            except sa.exc.OperationalError as error:
                log.warning("database unreachable", extra={"fields": {"error": str(error.orig)}})
                self.stopping.wait(5.0)
                continue
            if worked is None:
                self.stopping.wait(POLL_S)
        log.info("worker stopped", extra={"fields": {"worker": self.name}})

    def stop(self) -> None:
        """Finish the step in hand, give the job back, and end."""
        self.stopping.set()

    def _work(self, lease: Lease) -> None:
        following: Lease | None = lease
        with _kept_alive(lease):
            if not self._is_open(lease):
                return
            while following is not None:
                if self.stopping.is_set():
                    following.release()
                    return
                following = self._run_step(following)

    def _is_open(self, lease: Lease) -> bool:
        """Do what comes before any step; False where the job is over, waits, or is somebody else's by now."""
        opening = workflows()[lease.workflow].opening
        if opening is None:
            return True
        with self._settled(lease):
            opening(self._context(lease))
            return True
        return False

    def _run_step(self, lease: Lease) -> Lease | None:
        """Run one step; the lease of the next, or None when the job is over, waits, or is somebody else's."""
        with self._settled(lease):
            following = self._call(lease)
            log.info("step done", extra={"fields": _fields(lease)})
            return following
        return None

    @contextmanager
    def _settled(self, lease: Lease) -> Iterator[None]:
        """Settle the job where the block breaks off, and go on behind it."""
        try:
            yield
        except LeaseLost as lost:
            log.warning("lease lost", extra={"fields": {**_fields(lease), "error": str(lost)}})
        except Exception as error:
            with _ignoring_lost_lease(lease):
                self._settle(lease, error)

    def _call(self, lease: Lease) -> Lease | None:
        step = workflows()[lease.workflow].find(lease.step)
        if step is None or step.function is None:
            raise Failed(f"the step {lease.step} is done by a runner; the queue {self.queue} is not its own")
        context = self._context(lease)
        if not step.transactional:
            return lease.record(step.function(context))
        with lease.transaction() as (session, held):
            return lease.record_in(session, held, step.function(replace(context, job=held, _session=session)))

    def _context(self, lease: Lease) -> StepContext:
        house = self.app.extensions["flambeau"]
        with self.db.read() as session:
            job = session.get_one(Job, lease.job_id)
            recorded = session.execute(sa.select(JobStep.name, JobStep.result).where(JobStep.job_id == lease.job_id))
            results = {name: result for name, result in recorded}
        return StepContext(job, lease.step, lease, results, self.db, house.settings, house.clock)

    def _settle(self, lease: Lease, error: Exception) -> None:
        if isinstance(error, NotYet):
            lease.wait(error.retry_in_s, error.because)
        elif isinstance(error, Cancelled):
            lease.stop()
        elif isinstance(error, Failed):
            lease.log(f"Stopped: {error}")
            lease.fail(str(error))
        elif isinstance(error, NeedsPerson):
            lease.log(f"Waits for somebody: {error}")
            lease.fail(str(error), state=JobState.NEEDS_PERSON)
        else:
            lease.log("".join(traceback.format_exception(error)))
            lease.error(f"{type(error).__name__}: {error}")
            log.error("step failed", exc_info=error, extra={"fields": {"job": lease.job, "step": lease.step}})


def tick(db: Database) -> list[str]:
    """Enqueue every schedule that is due, unless its last run is still under way; the names of those enqueued."""
    names = sorted(schedules())
    if not names:
        return []
    with db.read() as session:
        now = database_now(session)
        rows = dict(session.execute(sa.select(JobSchedule.name, JobSchedule.next_at)).all())
    due = [name for name in names if name not in rows or rows[name] <= now]
    return [name for name in due if _enqueue_if_due(db, schedules()[name])]


def _enqueue_if_due(db: Database, schedule: Schedule) -> bool:
    with db.write() as session:
        if db.dialect == "postgresql":
            session.execute(sa.text("LOCK TABLE job_schedule IN SHARE ROW EXCLUSIVE MODE"))
        now = database_now(session)
        row = session.scalar(sa.select(JobSchedule).where(JobSchedule.name == schedule.name))
        if row is None:
            row = JobSchedule(name=schedule.name, next_at=now)
            session.add(row)
        if row.next_at > now:
            return False
        row.next_at = now + timedelta(seconds=schedule.every_s)
        if _is_under_way(session, schedule.name):
            return False
        enqueue(
            session,
            schedule.workflow,
            schedule.payload,
            actor=Actor.system("schedule"),
            scheduled_by=schedule.name,
        )
        forget_old_runs(session, schedule.name)
        return True


def _is_under_way(session: Session, schedule: str) -> bool:
    found = session.scalar(sa.select(Job.id).where(Job.schedule == schedule, Job.state.in_(UNDER_WAY)).limit(1))
    return found is not None


@contextmanager
def _kept_alive(lease: Lease) -> Iterator[None]:
    """Prolong the lease from a thread of its own while the block runs."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(lease.lease_s / 3):
            try:
                lease.heartbeat()
            except LeaseLost:
                return
            except sa.exc.OperationalError as error:
                # Locked by our own long transaction, or away for a moment; the next beat tries again.
                log.warning("heartbeat missed", extra={"fields": {"job": lease.job, "error": str(error.orig)}})

    thread = threading.Thread(target=beat, name=f"heartbeat {lease.job}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def _ignoring_lost_lease(lease: Lease) -> Iterator[None]:
    try:
        yield
    except LeaseLost as lost:
        log.warning("lease lost", extra={"fields": {**_fields(lease), "error": str(lost)}})


def _fields(lease: Lease) -> dict[str, str]:
    return {"job": lease.job, "workflow": lease.workflow, "step": lease.step}
