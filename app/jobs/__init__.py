"""Durable workflows on the portal's own database: steps recorded once, leases with fences, retries, schedules.

A worker that is killed loses its lease after a while; another goes on from the step in flight. A recorded step never
runs twice; the step in flight may, so it is idempotent, or transactional (its rows commit with its record).
"""

from app.jobs.leases import Cancelled, Lease, LeaseLost, claim, lease_of
from app.jobs.tables import UNDER_WAY, Job, JobLog, JobState, JobStep
from app.jobs.worker import Worker, tick
from app.jobs.workflows import (
    Failed,
    NeedsPerson,
    NotYet,
    Schedule,
    StepContext,
    Workflow,
    cancel,
    enqueue,
    forget_old_runs,
    job_by_public_id,
    retry,
    schedule,
    schedules,
    workflows,
)

__all__ = [
    "UNDER_WAY",
    "Cancelled",
    "Failed",
    "Job",
    "JobLog",
    "JobState",
    "JobStep",
    "Lease",
    "LeaseLost",
    "NeedsPerson",
    "NotYet",
    "Schedule",
    "StepContext",
    "Worker",
    "Workflow",
    "cancel",
    "claim",
    "enqueue",
    "forget_old_runs",
    "job_by_public_id",
    "lease_of",
    "retry",
    "schedule",
    "schedules",
    "tick",
    "workflows",
]
