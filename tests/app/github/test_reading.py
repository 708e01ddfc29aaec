"""What is read of GitHub: everything, once, in whatever order it comes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.clock import FixedClock
from app.contributions.models import Repository
from app.db import Database
from app.github.asking import ask_to_read
from app.github.models import NumberDue
from app.jobs import JobState
from app.people.models import Identity, IdentityPerson
from app.settings import Settings
from tests.app.github.world import World, busy, world
from tests.doubles.github import GitHub

Patch = pytest.MonkeyPatch


def test_everything_is_read(small: World) -> None:
    job = small.read()

    rows = small.rows()
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert [one[0] for one in rows["changes"]] == [1, 2, 3, 4, 5, 6]
    assert rows["changes"][0][1:4] == ("Change 0", "merged", False)
    assert [one[-1] for one in rows["changes"][:4]] == [
        ("github", "ada"), ("github", "ben"), ("github", "dependabot[bot]"), None]  # fmt: skip
    assert len(rows["issues"]) == 4
    assert {one[2] for one in rows["issues"]} == {"open", "closed"}
    kinds = [one[3] for one in rows["events"]]
    assert {kind: kinds.count(kind) for kind in sorted(set(kinds))} == {
        "approved": 2, "changes-requested": 2, "closed": 2, "commented": 12 + 18, "dismissed": 2, "labeled": 6,
        "merged": 2, "opened": 6, "review-requested": 6, "reviewed": 2}  # fmt: skip
    assert [one[0] for one in rows["releases"]] == ["v1.0"]


def test_twice_is_once_and_costs_nothing(small: World) -> None:
    small.read()
    small.clock.advance(hours=2)
    small.read()  # comments on lines: only now their last second is asked for by its address
    once = small.rows()
    small.clock.advance(hours=2)
    before = len(small.github.asked)

    assert small.read().state is JobState.SUCCEEDED
    assert small.rows() == once
    assert small.spent(before) == (0, 0)
    assert [one.status for one in small.github.asked[before:]] == [304] * 5


def test_increments_are_the_whole(small: World, another: Callable[[], World], github: GitHub) -> None:
    small.read()
    for _ in range(3):
        small.a_day_passes()
        before = len(github.asked)
        small.read()
        assert small.spent(before)[0] <= 4

    whole = another()
    assert whole.read().state is JobState.SUCCEEDED
    assert small.rows() == whole.rows()


def test_what_moves_during_a_walk_comes_with_the_next(
    small: World, github: GitHub, clock: FixedClock, monkeypatch: Patch
) -> None:
    monkeypatch.setattr("app.github.reading.MOST", 2)
    things, pages = github.repositories[0].things, 0

    def stir(request: Any) -> None:
        nonlocal pages
        pages += request.path == "/api/graphql"
        if pages == 2 and request.path == "/api/graphql":
            clock.advance(seconds=1)
            things[1].comment(github.account("late"))

    github.before = stir
    small.read()
    small.read()

    said = [one for one in small.rows()["events"] if one[-1] == ("github", "late")]
    assert [one[0] for one in said] == [1]


def test_timelines_that_do_not_fit_are_followed(small: World, github: GitHub) -> None:
    pull, issue = github.repositories[0].things[1], github.repositories[0].things[8]
    for _ in range(230):
        pull.comment(github.account("eve"))
        issue.comment(github.account("eve"))

    small.read()

    assert sum(one[0] == 1 and one[-1] == ("github", "eve") for one in small.rows()["events"]) == 231
    assert sum(one[0] == 8 and one[-1] == ("github", "eve") for one in small.rows()["issue events"]) == 231


def test_many_comments_on_lines_of_one_second_are_all_read(small: World, github: GitHub, monkeypatch: Patch) -> None:
    monkeypatch.setattr("app.github.reading.MOST", 3)
    github.repositories[0].things[3].review("COMMENTED", github.account("ben"), lines=10)

    small.read()

    assert sum("line/" in one[2] for one in small.rows()["events"]) == 18 + 10


def test_what_is_asked_for_by_a_clock_that_is_ahead_is_left_for_later(small: World, github: GitHub) -> None:
    small.read()
    with small.db.write() as session:
        repository = session.scalars(sa.select(Repository)).one()
        ask_to_read(session, repository.id, 1, because="a test asks")
        session.execute(sa.update(NumberDue).values(asked_at=small.clock.now() + timedelta(minutes=1)))
    before = len(github.asked)
    assert small.read().state is JobState.SUCCEEDED
    assert len(github.asked) - before < 10
    small.clock.advance(minutes=2)
    small.read()
    with small.db.read() as session:
        assert session.scalars(sa.select(NumberDue)).all() == []


def test_whoever_was_never_seen_before_is_somebody_when_all_is_read(small: World) -> None:
    small.read()
    with small.db.read() as session:
        resolved = set(session.scalars(sa.select(IdentityPerson.identity_id)))
        assert {one.id for one in session.scalars(sa.select(Identity)) if one.login} <= resolved


def test_a_deleted_issue_stops_nobody(small: World, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = github.repositories[0]
    issue = repository.things[8]
    for _ in range(120):
        issue.comment(None)

    def gone(request: Any) -> None:
        if b"query Rest" in request.get_data(cache=True) and 8 in repository.things:
            repository.delete(issue)

    github.before = gone
    assert small.read().state is JobState.SUCCEEDED
    with small.db.write() as session:
        ask_to_read(session, session.scalars(sa.select(Repository.id)).one(), 8, because="a webhook")
        ask_to_read(session, session.scalars(sa.select(Repository.id)).one(), 2, because="a webhook")
    assert small.read().state is JobState.SUCCEEDED
    with small.db.read() as session:
        assert session.scalars(sa.select(NumberDue)).all() == []


@pytest.mark.postgres
def test_postgresql_holds_the_same(
    github: GitHub, db: Database, postgres_url: str, clock: FixedClock, settings: Settings
) -> None:
    lite = world(github, db, clock, settings)
    a_day_passes = busy(github, clock)
    server = Database(postgres_url, clock=clock)
    great = world(github, server, clock, settings)
    great.read()
    a_day_passes()
    for one in (lite, great):
        assert one.read().state is JobState.SUCCEEDED

    assert great.rows() == lite.rows()
    server.close()
