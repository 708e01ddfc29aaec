"""Jobs that a command works on here and now: until they are over, and what the terminal hears meanwhile."""

from __future__ import annotations

import click
import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.audit import Actor
from app.db import Database
from app.jobs import Failed, Job, JobState, NotYet, StepContext, Workflow, enqueue, here, job_by_public_id
from app.jobs.workflows import _schedules

TESTER = Actor.system("test")


@pytest.fixture(autouse=True)
def no_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedules of the slices rest, and the terminal is told often."""
    _schedules.clear()
    monkeypatch.setattr(here, "LOOK_S", 0.01)


def begun(db: Database, workflow: Workflow) -> str:
    with db.write() as session:
        return enqueue(session, workflow.name, {}, actor=TESTER).public_id


def test_a_long_wait_is_told_once_where_there_is_no_terminal(
    app: Flask, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow, looked = Workflow("waits-long", title="Wait long"), 0

    @workflow.step("wait")
    def wait(step: StepContext) -> None:
        raise NotYet(60.0, "the other side \x1b[31mrests")

    job_id = begun(db, workflow)

    def is_under_way(session: Session) -> bool:
        job = job_by_public_id(session, job_id)
        return job is not None and not (job.state is JobState.WAITING and looked >= 5)

    def look(session: Session) -> tuple[Job | None, float | None]:
        nonlocal looked
        job = job_by_public_id(session, job_id)
        looked += job is not None and job.state is JobState.WAITING
        return job, None

    with app.app_context():
        here.work_here(is_under_way, look)

    told = capsys.readouterr().err.splitlines()
    assert told in ([f"the other side \ufffd[31mrests ({s} s)"] for s in (59, 60)), "once, and harmlessly"


def test_what_ended_badly_is_said_with_its_reason(app: Flask, db: Database) -> None:
    workflow = Workflow("fails-here", title="Fail here")

    @workflow.step("fail")
    def fail(step: StepContext) -> None:
        raise Failed("no flour is left; buy some")

    job_id = begun(db, workflow)

    def is_under_way(session: Session) -> bool:
        unfinished = [state for state in JobState if not state.is_finished]
        return session.scalar(sa.select(sa.func.count(Job.id)).where(Job.state.in_(unfinished))) != 0

    with app.app_context():
        here.work_here(is_under_way, lambda session: (job_by_public_id(session, job_id), 0.5))

    with db.read() as session, pytest.raises(click.ClickException, match="no flour is left; buy some"):
        here.ended_well(session, job_id)
