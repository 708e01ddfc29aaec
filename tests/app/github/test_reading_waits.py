"""What GitHub refuses, breaks off or gets wrong: it is waited for and said, and nothing is half written."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from app.clock import FixedClock
from app.contributions.models import Repository
from app.github import reading_jobs
from app.github.asking import ask_to_read
from app.github.models import NumberDue
from app.jobs import JobState
from tests.app.github.world import World
from tests.doubles.github import Fault, GitHub

Patch = pytest.MonkeyPatch


def test_the_hour_is_waited_for_and_said(small: World, github: GitHub, clock: FixedClock) -> None:
    github.points.look(clock.now())
    github.points.used = 5000
    job = small.read()

    assert job.state is JobState.WAITING
    assert job.note == f"the hour's budget at 127.0.0.1 is used up; goes on at {github.points.resets_at:%H:%M} UTC"
    assert 3500 < small.waits_s <= 3600
    clock.advance(hours=1, minutes=1)
    small.wake(job.public_id)
    assert small.go_on(job.public_id).state is JobState.SUCCEEDED
    assert len(small.rows()["changes"]) == 6


def test_the_last_of_the_hour_is_left_to_others(
    small: World, github: GitHub, clock: FixedClock, monkeypatch: Patch
) -> None:
    monkeypatch.setattr("app.github.reading.MOST", 2)
    github.points.look(clock.now())
    github.points.used = 4905
    job = small.read()

    assert job.state is JobState.WAITING
    assert 4900 <= github.points.used <= 4910
    assert len(small.rows()["changes"]) > 0


@pytest.mark.parametrize(
    ("fault", "note", "seconds"),
    [
        (Fault(403, '{"message": "You have exceeded a secondary rate limit"}', (("Retry-After", "90"),)),
         "127.0.0.1 asks for a pause of 90 s", 90),
        (Fault(429, '{"message": "slow down"}'), "127.0.0.1 asks for a pause", 60),
        (Fault(502), "127.0.0.1 answered 502; trying again", 10),
        (Fault(200, "<html>maintenance</html>"),
         "GitHub answered with what is no JSON ('<html>maintenance</html>'); trying again", 10),
        (Fault(200, "[]", only="repos/acme/tensor"), "", 0),
        (Fault(drops=True), "127.0.0.1 cannot be reached (ConnectionError); trying again", 10),
    ],
)  # fmt: skip
def test_who_is_asked_to_wait_waits_and_says_so(
    small: World, github: GitHub, fault: Fault, note: str, seconds: int
) -> None:
    github.fails(fault)
    job = small.read()

    assert job.state is JobState.WAITING
    assert (job.note or "").startswith(note)
    assert small.waits_s > seconds - 8
    assert small.rows()["changes"] == []
    small.wake(job.public_id)
    assert small.go_on(job.public_id).state is JobState.SUCCEEDED
    assert len(small.rows()["changes"]) == 6


@pytest.mark.parametrize(
    "nonsense",
    [
        {"data": None},
        {"data": {"repository": None}},
        {"data": {"repository": {"page": {"totalCount": "many"}}}},
        {"data": {"repository": {"page": {"totalCount": 1, "pageInfo": {"hasNextPage": False, "endCursor": None},
                                          "nodes": [{"id": "PR_1", "__typename": "PullRequest", "timelineItems": {
                                              "pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": []}}]}}}},
        {"data": {"repository": {"page": {"totalCount": 9, "pageInfo": {"hasNextPage": True, "endCursor": None},
                                          "nodes": []}}}},
    ],
)  # fmt: skip
def test_nonsense_is_said_and_nothing_is_half_written(
    small: World, github: GitHub, nonsense: object, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(reading_jobs, "MOST_FAILURES", 2)
    github.fails(*[Fault(200, json.dumps(nonsense), only="graphql")] * reading_jobs.MOST_FAILURES)
    job = small.read()
    for _ in range(reading_jobs.MOST_FAILURES):
        small.wake(job.public_id)
        job = small.go_on(job.public_id)

    assert job.state is JobState.FAILED
    assert (job.error or "").startswith(("GitHub", "127.0.0.1 answered"))
    assert small.rows() == {**small.rows(), "changes": [], "events": [], "issues": []}
    assert small.read().state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        (Fault(429, "{}", (("Retry-After", "9" * 30),)), "127.0.0.1 asks for a pause"),
        (Fault(403, "{}", (("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "9" * 30))),
         "the hour's budget at 127.0.0.1 is used up; goes on at "),
        (Fault(403, "{}", (("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "9" * 11))),
         "the hour's budget at 127.0.0.1 is used up; goes on at "),
        (Fault(200, "[" * 100_000 + "]" * 100_000), "GitHub answered with what is no JSON"),
        (Fault(422, "[" * 100_000), "127.0.0.1 answered 422 (without a word)"),
        (Fault(200, '{"id": ' + "9" * 5000 + "}"), "GitHub answered with what is no JSON"),
    ],
)  # fmt: skip
def test_answers_beyond_all_measure_are_waited_out_like_others(
    small: World, github: GitHub, fault: Fault, note: str
) -> None:
    github.fails(fault)
    job = small.read(patience=1)
    assert (job.state, (job.note or "").startswith(note)) == (JobState.WAITING, True)
    assert small.waits_s <= 7200, "two hours at most"
    small.wake(job.public_id)
    assert small.go_on(job.public_id).state is JobState.SUCCEEDED


def test_a_page_that_is_too_much_is_asked_for_in_smaller_ones(small: World, github: GitHub) -> None:
    gave_up = '{"errors": [{"message": "Something went wrong while executing your query."}]}'
    github.fails(Fault(502, only="graphql"), Fault(200, gave_up, only="graphql"))
    small.read()

    assert len(small.rows()["changes"]) == 6
    assert small.job(small.ask()).state is JobState.QUEUED


def test_a_page_of_things_that_are_gone_stops_nobody_and_one_that_follows_itself_is_nonsense(
    small: World, github: GitHub, monkeypatch: Patch
) -> None:
    small.read()
    small.a_day_passes()
    empty = {"data": {"repository": {"page": {"totalCount": 9, "pageInfo": {"hasNextPage": True, "endCursor": "x"},
                                              "nodes": [None]}}}}  # fmt: skip
    github.fails(*[Fault(200, json.dumps(empty), only="graphql")] * 2)
    job = small.read(patience=1)
    assert job.state is JobState.WAITING
    assert "it is followed by itself" in (job.note or "")


def test_numbers_that_are_too_much_together_are_asked_for_in_halves(small: World, github: GitHub) -> None:
    small.read()
    with small.db.write() as session:
        repository = session.scalars(sa.select(Repository)).one()
        for number in (1, 2, 3):
            ask_to_read(session, repository.id, number, because="a test asks")
    github.fails(Fault(502, only="graphql"))
    assert small.read(patience=1).state is JobState.SUCCEEDED
    with small.db.read() as session:
        assert session.scalars(sa.select(NumberDue)).all() == []
