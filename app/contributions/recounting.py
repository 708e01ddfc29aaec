"""Counts repositories anew whose figures come from older rules of counting: one after another, in the background.

Whoever changes what is credited to whom (`app.contributions.rollups`) raises `COUNTING_RULES`; `watch` then asks for
this job by itself. A repository's figures stay until the same days are counted anew, so none is ever missing, and each
repository remembers by which rules it was counted: a killed job goes on with the first that is left.
"""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import jobs
from app.audit import Actor
from app.contributions.models import Repository, RepositoryCommit
from app.contributions.rollups import roll_days
from app.contributions.rules import COUNTING_RULES
from app.contributions.settling import DAYS_AT_ONCE
from app.jobs import Job, NotYet, StepContext, Workflow
from app.people.queries.identities import chunks

FOR_S = 30.0
recount = Workflow("recount", title="Count figures anew by the rules of now")


def ask_for_recount(session: Session, *, actor: Actor) -> None:
    """Enqueue the job if a repository was counted by older rules: once for the same rest, however that job ends."""
    left = _counted_otherwise(session)
    mine = sa.select(Job.id).where(Job.workflow == recount.name, Job.state.in_(jobs.UNDER_WAY))
    if left and session.scalar(mine.limit(1)) is None:
        jobs.enqueue(session, recount.name, {}, actor=actor, key=f"{COUNTING_RULES}:{left[0].public_id}:{len(left)}")


@recount.step("count")
def count(step: StepContext) -> dict[str, Any]:
    """Count for half a minute at a time; then others have their turn."""
    begun = time.monotonic()
    with step.db.read() as session:
        left, total = _counted_otherwise(session), session.scalar(sa.select(sa.func.count(Repository.id))) or 0
    for number, repository in enumerate(left):
        said = f"{total - len(left) + number:,} of {total:,} repositories are counted by the rules of now"
        if time.monotonic() - begun > FOR_S:
            raise NotYet(0.1, said)
        step.progress((total - len(left) + number) / total, said)
        _count_anew(step, repository)
    return {"repositories": total}


def _count_anew(step: StepContext, repository: Repository) -> None:
    held = sa.select(RepositoryCommit.day).where(RepositoryCommit.repository_id == repository.id).distinct()
    with step.db.read() as session:
        days: list[date] = sorted(session.scalars(held))
    for some in chunks(days, DAYS_AT_ONCE):
        with step.lease.transaction() as (session, _job):
            roll_days(session, repository.id, some)
    with step.lease.transaction() as (session, _job):
        mine = sa.update(Repository).where(Repository.id == repository.id)
        session.execute(mine.values(counted_by=COUNTING_RULES))


def _counted_otherwise(session: Session) -> list[Repository]:
    older = sa.select(Repository).where(Repository.counted_by < COUNTING_RULES)
    return list(session.scalars(older.order_by(Repository.id)))
