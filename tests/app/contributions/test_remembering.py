"""Answers that are kept: given again while nothing changed, and never after somebody decided something."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.contributions import queries
from app.contributions import stamps as stamping
from app.contributions.facts import record_pull_requests
from app.contributions.models import ChangeMeasure, FigureStamp, Repository
from app.contributions.queries import Thing, remembering
from app.contributions.stamps import stamp, stamps
from app.db import Database
from app.people import queries as people
from tests.app.contributions.test_facts import ADA, REQUEST, company, employ, repository
from tests.app.contributions.test_timeline_queries import YEAR


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    remembering.forget_answers()


def opened(db: Database) -> int:
    with db.read() as session:
        return queries.counts(session, Thing.CHANGES, queries.EVERYTHING, YEAR).opened


def behind_the_back(db: Database) -> None:
    """Take the rows away as no part of the portal does: without a stamp."""
    with db.write() as session:
        session.execute(sa.delete(ChangeMeasure))


def test_an_answer_is_given_again_until_something_is_written(governed_each: Database):
    with governed_each.write() as session:
        place = repository(session)
        record_pull_requests(session, place, [REQUEST])
    assert opened(governed_each) == 1
    behind_the_back(governed_each)
    assert opened(governed_each) == 1  # remembered
    with governed_each.write() as session:
        stamp(session, by_people=False)
    assert opened(governed_each) == 0


def test_a_dear_answer_outlives_machines_for_a_while_but_nobodys_decision(
    governed: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remembering, "DEAR_S", 0.0)
    monkeypatch.setattr(remembering, "PATIENCE_S", 60.0)
    with governed.write() as session:
        place = repository(session)
        record_pull_requests(session, place, [REQUEST])
    assert opened(governed) == 1
    with governed.write() as session:
        record_pull_requests(session, place, [replace(REQUEST, number=8)])
    assert opened(governed) == 1
    with governed.write() as session:
        people.resolve(session)
        employ(session, ADA, company(session, "Acme", member=True))
    assert opened(governed) == 2  # an employer was stated: all is counted anew
    with governed.write() as session:
        record_pull_requests(session, place, [replace(REQUEST, number=9)])
    monkeypatch.setattr(remembering, "PATIENCE_S", 0.0)
    assert opened(governed) == 3


def test_whoever_writes_sees_what_they_wrote(governed: Database):
    assert opened(governed) == 0
    with governed.write() as session:
        record_pull_requests(session, repository(session), [REQUEST])
        assert queries.counts(session, Thing.CHANGES, queries.EVERYTHING, YEAR).opened == 1


def test_answers_of_two_databases_are_not_mixed_up_and_moments_count_by_the_hour(governed: Database, clock):
    with governed.write() as session:
        record_pull_requests(session, repository(session), [REQUEST])
    calls = []

    @remembering.remembered
    def asked(session, moment, *, scope):
        calls.append(moment)
        return session.scalar(sa.select(sa.func.count()).select_from(Repository))

    with governed.read() as session:
        for minutes in (0, 10, 70):
            assert asked(session, clock.now() + timedelta(minutes=minutes), scope=queries.EVERYTHING) == 1
    assert len(calls) == 2


def test_few_stamps_are_kept_and_none_comes_twice(governed_each: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stamping, "_DELETED_EVERY", 50)
    seen = set()
    for _ in range(3):
        with governed_each.write() as session:
            for _ in range(150):
                stamp(session, by_people=False)
            seen.add(stamps(session))
    with governed_each.read() as session:
        assert len(seen) == 3
        assert session.scalar(sa.select(sa.func.count()).select_from(FigureStamp)) <= 251


def test_two_threads_that_ask_the_same_at_once_count_once(governed: Database):
    begun, go_on, made = threading.Event(), threading.Event(), []

    @remembering.remembered
    def dear(_session, number: int) -> int:
        made.append(number)
        begun.set()
        assert go_on.wait(20)
        if len(made) == 1 and number == 13:
            raise ValueError("the first time it fails")
        return 2 * number

    def ask(number: int) -> int | str:
        with governed.read() as session:
            try:
                return dear(session, number)
            except ValueError as error:
                return str(error)

    for number, answers, times in ((7, [14, 14], 1), (13, ["the first time it fails", 26], 2)):
        begun.clear()
        go_on.clear()
        made.clear()
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(ask, number)
            assert begun.wait(20)
            second = pool.submit(ask, number)
            go_on.set()
            assert [first.result(20), second.result(20)] == answers
        assert len(made) == times
    assert not remembering._making
