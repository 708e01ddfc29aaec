"""Two who write at once, on both databases: nothing counts twice, and nobody waits for somebody who waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import sqlalchemy as sa

from app import audit
from app.contributions.facts import Event, record_change_events, record_pull_requests
from app.contributions.metrics import EventKind, Kind
from app.contributions.models import ChangeMeasure, Repository, Rollup
from app.contributions.rollups import roll_days, roll_persons
from app.db import Database, Turn, take_turn
from app.people import queries as people
from app.people.models import Person
from app.people.queries import Proven
from tests.app.contributions.conftest import Repository as Source
from tests.app.contributions.test_facts import BEN, CLEO, REQUEST, at, repository
from tests.app.contributions.test_ingest import read, rollup

__all__ = ["read"]  # a fixture


def beside(work: Callable[[], None]) -> Callable[[], None]:
    """Begin the work in a thread, give it time to come as far as it can; what is returned waits for its end."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)

    def ended() -> None:
        thread.join(30)
        assert not thread.is_alive()
        assert failed == []

    return ended


def test_who_counts_a_person_while_others_count_their_days_counts_nothing_twice(db_each: Database, tmp_path, read):
    source = Source(tmp_path / "source").start()
    for number in range(3):
        source.commit(f"Change {number}", {"a.txt": f"{number}\n"})
    row = read(source)
    before = rollup(db_each)
    with db_each.read() as session:
        days = set(session.scalars(sa.select(Rollup.day).where(Rollup.kind == Kind.COMMIT)))
        persons = set(session.scalars(sa.select(Rollup.person_id)))

    def count_persons() -> None:
        with db_each.write() as session:
            roll_persons(session, persons)

    with db_each.write() as session:
        roll_days(session, session.get_one(Repository, row.id).id, days)
        ended = beside(count_persons)
    ended()
    assert len(before) > 0
    assert rollup(db_each) == before


def test_a_newcomer_and_a_reading_do_not_wait_for_each_other(db_each: Database):
    def sign_in() -> None:
        with db_each.write() as session:
            person = people.arrive(session, "Ada")
            people.prove(session, person, [Proven.address("ada@acme.com")], reason="a test")

    with db_each.write() as session:
        session.execute(sa.select(sa.literal(1)))
        take_turn(session, Turn.HISTORY)
        ended = beside(sign_in)
        audit.observe(session, job="j", source="r", range="a..b", rows=1, sha256="0" * 64)
    ended()
    with db_each.read() as session:
        assert session.scalars(sa.select(Person.name)).all() == ["Ada"]


def test_two_who_measure_the_same_change_at_once_leave_what_both_said(db_each: Database):
    with db_each.write() as session:
        number = record_pull_requests(session, repository(session), [REQUEST])[7]

    def say_later() -> None:
        with db_each.write() as session:
            record_change_events(session, "github", {number: [Event(EventKind.COMMENTED, at(2), "b", BEN)]})

    with db_each.write() as session:
        record_change_events(session, "github", {number: [Event(EventKind.COMMENTED, at(1), "a", CLEO)]})
        ended = beside(say_later)
    ended()
    with db_each.read() as session:
        assert session.get_one(ChangeMeasure, number).comments == 2
