"""Marks: all of a page's are asked at once, and each is another one as soon as anything of it moved."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from app import audit, marks
from app.audit import Actor
from app.contributions.models import RollupDue
from app.contributions.stamps import stamp
from app.db import Database
from app.jobs import Job, JobState, enqueue
from tests.app.statements import statements

EVERY = ("log", "figures", "resolutions", "counting", "repositories", "github", "jobs")
TESTER = Actor.system("test")


def read(db: Database, *names: str) -> tuple[Any, ...]:
    with db.read() as session:
        return marks.read(session, *names)


def test_however_many_marks_are_asked_by_one_statement(db_each: Database) -> None:
    with statements(db_each) as asked:
        of_all = read(db_each, *EVERY)
    assert len(asked) == 1
    assert of_all == tuple(value for name in EVERY for value in read(db_each, name))


@pytest.mark.parametrize(
    ("column", "value"),
    [("state", JobState.RUNNING), ("step", "press"), ("progress", 0.25), ("note", "5 of 20\npages")],
)
def test_whatever_a_job_says_of_itself_moves_the_mark_of_jobs(db_each: Database, column: str, value: object) -> None:
    with db_each.write() as session:
        jobs = [enqueue(session, "report-tidy", {"number": number}, actor=TESTER).id for number in range(3)]
    before = read(db_each, "jobs")
    assert before == read(db_each, "jobs")
    with db_each.write() as session:
        session.execute(sa.update(Job).where(Job.id == jobs[1]).values({column: value}))
    assert read(db_each, "jobs") != before


def test_a_decision_a_stamp_and_a_count_that_is_due_move_their_marks(db_each: Database) -> None:
    before = {name: read(db_each, name) for name in EVERY}
    with db_each.write() as session:
        audit.record(session, actor=TESTER, action="test.decide", thing="x", reason="because")
        stamp(session, by_people=False)
        session.add(RollupDue())
    assert {name for name in EVERY if read(db_each, name) != before[name]} == {"log", "figures", "counting"}
