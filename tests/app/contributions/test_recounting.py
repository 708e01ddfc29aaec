"""Figures that were counted by older rules are counted anew: by themselves, once, resumed where they were."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from app.audit import Actor
from app.contributions import recounting
from app.contributions.models import Repository, Rollup
from app.contributions.registry import ensure_repository
from app.contributions.rules import COUNTING_RULES
from app.jobs import Job, JobState, Worker
from tests.app.contributions.conftest import BOB
from tests.app.contributions.conftest import Repository as Source
from tests.app.contributions.test_jobs import portal, run

__all__ = ["portal"]
COLUMNS = (Rollup.day, Rollup.repository_id, Rollup.person_id, Rollup.kind, Rollup.commits)


def figures(db) -> list[tuple[Any, ...]]:
    with db.read() as session:
        return sorted(tuple(map(str, row)) for row in session.execute(sa.select(*COLUMNS)))


def counted_before(db) -> None:
    """As if a version before had counted: other credit, by older rules."""
    with db.write() as session:
        session.execute(sa.update(Rollup).values(commits=Rollup.commits + 7))
        session.execute(sa.update(Repository).values(counted_by=COUNTING_RULES - 1))


def recounts(db) -> list[Job]:
    with db.read() as session:
        return list(session.scalars(sa.select(Job).where(Job.workflow == "recount").order_by(Job.id)))


@pytest.fixture
def two(portal, db_each, tmp_path):
    """A portal with two repositories that are counted; its database."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        source = Source(tmp_path / name).start()
        source.commit(f"first of {name}", {"a": "1\n"})
        source.commit(f"second of {name}", {"a": "2\n"}, author=BOB)
        with db_each.write() as session:
            ensure_repository(session, str(source.path), name=name, actor=Actor.system("test"), reason="a test")
    run(portal)
    return db_each


def test_what_older_rules_counted_is_counted_anew_by_itself_and_once(portal, two):
    whole = figures(two)
    assert len(whole) >= 4
    assert recounts(two) == [], "what is counted by the rules of now is left"
    counted_before(two)
    assert figures(two) != whole
    run(portal)
    run(portal)
    assert figures(two) == whole
    with two.read() as session:
        assert set(session.scalars(sa.select(Repository.counted_by))) == {COUNTING_RULES}
    assert [job.state for job in recounts(two)] == [JobState.SUCCEEDED]


def test_one_that_breaks_goes_on_with_what_is_left_and_is_not_asked_for_again_and_again(portal, two, monkeypatch):
    whole, counted, roll_days = figures(two), [], recounting.roll_days
    counted_before(two)

    def breaks_at_the_second(session: Any, repository_id: int, days: Any) -> None:
        counted.append(repository_id)
        if len(set(counted)) == 2:
            raise ZeroDivisionError("a bug")
        roll_days(session, repository_id, days)

    monkeypatch.setattr(recounting, "roll_days", breaks_at_the_second)
    for _ in range(3):
        run(portal)
        for _attempt in range(5):
            with two.write() as session:
                session.execute(sa.update(Job).where(Job.state == JobState.WAITING).values(run_at=Job.created_at))
            Worker(portal).run_until_idle()
    assert counted[0] != counted[1]
    assert counted[1:] == [counted[1]] * (len(counted) - 1), "the first is not counted again"
    jobs = recounts(two)
    assert [job.state for job in jobs] == [JobState.FAILED] * 2, "one for two repositories, one for what was left"

    monkeypatch.setattr(recounting, "roll_days", roll_days)
    with two.write() as session:
        session.execute(sa.delete(Job).where(Job.workflow == "recount"))
    run(portal)
    assert figures(two) == whole
