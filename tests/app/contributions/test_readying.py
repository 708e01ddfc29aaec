"""What pages rest on is counted before anybody asks, as of now, a little at a time, and not again without a reason."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa

from app.audit import Actor
from app.contributions import readying
from app.contributions.figures import keeping
from app.contributions.queries import remembering, shelved
from app.contributions.stamps import stamp
from app.jobs import Worker, enqueue
from app.jobs.tables import Job, JobLog, JobState, JobStep
from app.modules.models import Module
from app.shelf import Shelf
from tests.app.contributions.sums import generated


@pytest.fixture(autouse=True)
def large(every_answer_is_shelved: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows there are."""
    monkeypatch.setattr(readying, "LEAST_ROWS", 1)


@pytest.fixture
def worker(settings, clock, db, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Of a generated foundation, where nothing is due but what the test asks for."""
    monkeypatch.setattr("app.jobs.worker.schedules", dict)
    made = Worker(generated(settings, clock, db, 21))
    made.run_until_idle()
    return made


def made_ready(worker: Worker) -> dict[str, Any]:
    """Ask for the job, and work until it is over; what it says that it did, and how often it was taken up."""
    with worker.db.write() as session:
        job = enqueue(session, "make-ready", {}, actor=Actor.system("test"))
    times, end = 0, time.monotonic() + 120
    while time.monotonic() < end:
        if worker.run_once() is None:
            time.sleep(0.02)
            continue
        times += 1
        with worker.db.read() as session:
            now = session.get_one(Job, job.id)
            if now.state.is_finished:
                assert now.state is JobState.SUCCEEDED, now.error
                found = session.scalars(sa.select(JobStep.result).where(JobStep.job_id == job.id)).one()
                told = session.scalars(sa.select(JobLog.text).where(JobLog.job_id == job.id)).all()
                return {**found, "times": times, "told": list(told)}
    raise AssertionError("it never ends")


def counting(worker: Worker, page: str) -> list[str]:
    """Which answers a process counts that begins now and is asked for this page."""
    remembering.forget_answers()
    keeping.forget_figures()
    made: list[str] = []
    make = remembering.Remembered._made

    def note(self: Any, *given: Any, **named: Any) -> shelved.Answer:
        made.append(self.__name__)
        return make(self, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remembering.Remembered, "_made", note)
        with worker.app.test_client().get(page) as answer:
            assert answer.status_code == 200
    return made


def test_whoever_opens_a_dashboard_first_waits_for_nothing_that_the_job_counted(worker: Worker):
    with worker.db.read() as session:
        module = session.scalars(sa.select(Module.key)).first()
    pages = ["/contributions/", "/contributions/reviews", f"/contributions/modules/{module}", "/reports/2025/board"]
    assert all(counting(worker, page) for page in pages[1:])
    with worker.db.write() as session:
        stamp(session, by_people=False)
    did = made_ready(worker)
    assert did["asked"] > 10
    assert did["told"] == []
    assert [counting(worker, page) for page in pages] == [[], [], [], []]


def test_it_counts_again_once_something_is_written_or_the_hour_is_over_and_only_then(worker: Worker, clock):
    assert made_ready(worker)["asked"] > 10
    assert made_ready(worker) == {"asked": 0, "because": "nothing was written since", "times": 1, "told": []}
    with worker.db.write() as session:
        stamp(session, by_people=False)
    assert made_ready(worker)["asked"] > 10
    clock.advance(hours=1)
    assert made_ready(worker)["asked"] > 10


def test_it_counts_as_of_now_what_it_was_given_a_moment_ago(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remembering, "DEAR_S", 0.0)
    made_ready(worker)
    with worker.db.write() as session:
        stamp(session, by_people=False)
    assert counting(worker, "/contributions/newcomers") == []  # somebody else may wait for what machines brought in
    made_ready(worker)
    with remembering.making_ready():
        assert counting(worker, "/contributions/newcomers") == []


def test_it_gives_way_to_other_work_and_goes_on_behind_the_last_page(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    make = readying.make_page_ready
    monkeypatch.setattr(readying, "make_page_ready", lambda app, address: asked.append(address) or make(app, address))
    whole = made_ready(worker)
    first, asked[:] = list(asked), []
    with worker.db.write() as session:
        stamp(session, by_people=False)
    monkeypatch.setattr(readying, "FOR_S", 1e-9)
    pieces = made_ready(worker)
    assert asked == first
    assert (whole["times"], pieces["asked"]) == (1, whole["asked"])
    assert pieces["times"] > len(first) // 4


def test_what_is_written_while_it_works_is_counted_the_next_time(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    make = readying.make_page_ready

    def somebody_writes(app: Any, address: str) -> str:
        with worker.db.write() as session:
            stamp(session, by_people=False)
        return make(app, address)

    monkeypatch.setattr(readying, "FOR_S", 1e-9)
    monkeypatch.setattr(readying, "make_page_ready", somebody_writes)
    assert made_ready(worker)["asked"] > 10
    monkeypatch.undo()
    monkeypatch.setattr(readying, "LEAST_ROWS", 1)
    monkeypatch.setattr("app.jobs.worker.schedules", dict)
    assert made_ready(worker)["asked"] > 10


def test_two_at_once_both_come_to_their_end(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readying, "FOR_S", 1e-9)
    with worker.db.write() as session:
        first = enqueue(session, "make-ready", {}, actor=Actor.system("test"))
    assert made_ready(worker)["asked"] > 10
    for _ in range(5):
        time.sleep(0.15)
        worker.run_until_idle()
    with worker.db.read() as session:
        assert session.get_one(Job, first.id).state is JobState.SUCCEEDED


@pytest.mark.parametrize("notes", [0, 2])
def test_where_nothing_can_be_written_any_more_it_says_so_and_ends(
    worker: Worker, notes: int, monkeypatch: pytest.MonkeyPatch
):
    keep, kept = Shelf.keep, []

    def until_it_is_full(shelf: Shelf, place: Any, *given: Any) -> None:
        if isinstance(place, tuple) and place[0] == readying._SO_FAR:
            kept.append(place)
            if len(kept) <= notes:
                keep(shelf, place, *given)

    monkeypatch.setattr(readying, "FOR_S", 1e-9)
    monkeypatch.setattr(Shelf, "keep", until_it_is_full)
    did = made_ready(worker)
    assert (did["times"], did["asked"]) == (notes + 1, notes + 1)
    assert did["because"].startswith("nothing can be written into the home")


def test_answers_whose_files_went_are_written_again(worker: Worker):
    made_ready(worker)
    files = worker.db.info["flambeau_answers"].folder
    for file in files.iterdir():
        file.unlink()
    made_ready(worker)
    assert counting(worker, "/contributions/newcomers") == []


def test_a_page_that_fails_is_told_and_the_others_are_made_ready(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readying, "_provided", [lambda _session, _now: ["/contributions/nowhere", "/contributions/"]])
    did = made_ready(worker)
    assert (did["asked"], did["told"]) == (2, ["/contributions/nowhere answers 404 NOT FOUND"])


def test_a_small_portal_is_left_alone(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readying, "LEAST_ROWS", 100_000)
    assert made_ready(worker)["because"] == "all is counted quickly here"
