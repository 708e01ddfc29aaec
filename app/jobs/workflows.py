"""What a slice declares and asks for: workflows with steps, schedules, and enqueue, cancel, retry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.audit import Actor
from app.clock import Clock
from app.db import Database, database_now, new_public_id
from app.jobs.tables import Job, JobState
from app.settings import Settings

if TYPE_CHECKING:
    from app.jobs.leases import Lease

KEPT_RUNS = 20


class NotYet(Exception):
    """Raised by a step that must wait for something; it runs again later, and this does not count as a failure."""

    def __init__(self, retry_in_s: float, because: str) -> None:
        super().__init__(because)
        self.retry_in_s = retry_in_s
        self.because = because


class Failed(Exception):
    """Raised by a step that can never succeed; the sentence is what people read. There is no retry."""


class NeedsPerson(Exception):
    """Raised by a step that can succeed once somebody has done what the sentence says."""


@dataclass(frozen=True)
class StepContext:
    """What a step is given. `session` is there in transactional steps alone: its rows commit with the step's record."""

    job: Job
    name: str
    lease: Lease
    results: dict[str, Any]
    db: Database
    settings: Settings
    clock: Clock
    _session: Session | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """What the job was enqueued with."""
        return self.job.payload

    @property
    def actor(self) -> Actor:
        """The job, as the audit log names it."""
        return Actor.job(self.job.public_id)

    @property
    def session(self) -> Session:
        """The open transaction of a transactional step."""
        if self._session is None:
            raise RuntimeError(f"step {self.name} is not transactional: use step.db.write(), or declare it so")
        return self._session

    def log(self, text: str) -> None:
        """Write down a line for people; seen at once, except in a transactional step, where it comes at the end."""
        self.lease.log(text, session=self._session)

    def progress(self, fraction: float | None, text: str = "") -> None:
        """Say how far the step is (0 to 1, or None). Raises: LeaseLost, or Cancelled when somebody asked to stop."""
        self.lease.progress(fraction, text, session=self._session)


StepFunction = Callable[[StepContext], Any]


@dataclass(frozen=True)
class Step:
    """One step of a workflow; a remote step has no function here: a runner does it and reports."""

    name: str
    function: StepFunction | None
    transactional: bool = False


@dataclass
class Workflow:
    """A named list of steps, declared in a slice's jobs.py.

    `attempts` counts failures of one step, `crashes` deaths of the worker in it; `audited` writes one audit entry a
    step. `opening` is done whenever a worker takes a job up, before the step at which it is: what must hold each time
    (a permission, say) is looked at there, whatever was done before and whoever asked for the job to go on.

    >>> bake = Workflow("bake-example", queue="worker")
    >>> @bake.step("knead")
    ... def knead(step):
    ...     return {"grams": 500}
    >>> bake.names
    ['knead']
    """

    name: str
    queue: str = "worker"
    attempts: int = 5
    crashes: int = 25
    backoff_s: float = 2.0
    audited: bool = False
    title: str = ""
    steps: list[Step] = field(default_factory=list)
    opening: StepFunction | None = None

    def __post_init__(self) -> None:
        _workflows[self.name] = self

    def step(self, name: str, *, transactional: bool = False) -> Callable[[StepFunction], StepFunction]:
        """Add a step, in the order of declaration."""

        def add(function: StepFunction) -> StepFunction:
            self._add(Step(name, function, transactional))
            return function

        return add

    def opens(self, function: StepFunction) -> StepFunction:
        """Declare what is done whenever a worker takes a job up; what it raises counts as in a step."""
        self.opening = function
        return function

    def remote_step(self, name: str) -> None:
        """Add a step that a runner does elsewhere; it claims the job over HTTP and its result is recorded for it."""
        self._add(Step(name, None))

    @property
    def names(self) -> list[str]:
        """The names of the steps in order."""
        return [step.name for step in self.steps]

    def find(self, name: str) -> Step | None:
        """A step by name."""
        return next((step for step in self.steps if step.name == name), None)

    def after(self, name: str) -> str | None:
        """The step after `name`; None when it was the last."""
        names = self.names
        position = names.index(name) + 1
        return names[position] if position < len(names) else None

    def wait_after(self, failures: int) -> float:
        """Seconds to wait after so many failures of a step: doubling, five minutes at most."""
        return float(min(self.backoff_s * 2 ** (failures - 1), 300.0))

    def _add(self, step: Step) -> None:
        if self.find(step.name):
            raise ValueError(f"workflow {self.name} has a step {step.name!r} already; name this one otherwise")
        self.steps.append(step)


@dataclass(frozen=True)
class Schedule:
    """A workflow that is enqueued every so often, unless the one before still runs."""

    name: str
    every_s: float
    workflow: str
    payload: dict[str, Any]


_workflows: dict[str, Workflow] = {}
_schedules: dict[str, Schedule] = {}


def workflows() -> dict[str, Workflow]:
    """Every declared workflow by name."""
    return _workflows


def schedules() -> dict[str, Schedule]:
    """Every declared schedule by name."""
    return _schedules


def schedule(name: str, *, every_s: float, workflow: str, payload: dict[str, Any] | None = None) -> Schedule:
    """Declare that a workflow runs every so many seconds, the first time as soon as a worker is there."""
    _schedules[name] = Schedule(name, every_s, workflow, payload or {})
    return _schedules[name]


def enqueue(
    session: Session,
    workflow: str,
    payload: dict[str, Any],
    *,
    actor: Actor,
    key: str | None = None,
    hardware: str | None = None,
    run_at: datetime | None = None,
    scheduled_by: str | None = None,
) -> Job:
    """Ask for a run of a workflow, in the caller's transaction. With a `key` asked for before: that job, as it stands.

    Raises: LookupError when no such workflow is declared.
    """
    if workflow not in _workflows:
        raise LookupError(f"no workflow {workflow!r}; declared are {', '.join(sorted(_workflows)) or 'none'}")
    now = database_now(session)
    values = {
        "public_id": new_public_id("j"),
        "workflow": workflow,
        "queue": _workflows[workflow].queue,
        "key": key,
        "schedule": scheduled_by,
        "payload": payload,
        "hardware": hardware,
        "state": JobState.QUEUED,
        "attempts": 0,
        "crashes": 0,
        "fence": 0,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "created_at": now,
        "run_at": run_at or now,
    }
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(insert(Job).values(values).on_conflict_do_nothing(index_elements=["workflow", "key"]))
    if key is not None:
        return session.scalars(sa.select(Job).where(Job.workflow == workflow, Job.key == key)).one()
    return session.scalars(sa.select(Job).where(Job.public_id == values["public_id"])).one()


def forget_old_runs(session: Session, schedule: str) -> None:
    """Of a schedule's runs that went well keep the latest alone: every minute's would fill the table otherwise."""
    old = (
        sa.select(Job.id)
        .where(Job.schedule == schedule, Job.state == JobState.SUCCEEDED)
        .order_by(Job.id.desc())
        .offset(KEPT_RUNS)
    )
    session.execute(sa.delete(Job).where(Job.id.in_(old)).execution_options(synchronize_session=False))


def job_by_public_id(session: Session, public_id: str) -> Job | None:
    """A job by its public id."""
    return session.scalar(sa.select(Job).where(Job.public_id == public_id))


def cancel(session: Session, job: Job, actor: Actor, reason: str) -> bool:
    """Stop a job: at once if it is not running, else as soon as its worker looks up. False if it is over already.

    The caller writes the audit entry, in the same transaction.
    """
    session.refresh(job, with_for_update=True)
    if job.state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED):
        return False
    job.cancel_reason = f"{reason} ({actor.id})"
    if job.state is not JobState.RUNNING:
        job.state, job.finished_at, job.note = JobState.CANCELLED, database_now(session), None
    session.flush()
    return True


def retry(session: Session, job: Job) -> bool:
    """Run a job that failed, was cancelled or needs a person once more, from the step where it stopped.

    False if it is in no such state. The caller writes the audit entry, in the same transaction.
    """
    session.refresh(job, with_for_update=True)
    if job.state not in (JobState.FAILED, JobState.CANCELLED, JobState.NEEDS_PERSON):
        return False
    job.state, job.attempts, job.crashes = JobState.QUEUED, 0, 0
    job.run_at, job.finished_at = database_now(session), None
    job.error = job.note = job.cancel_reason = job.progress = None
    session.flush()
    return True
