"""Answers that lie in files: another process finds them as long as they hold; a broken or hostile file is nothing."""

from __future__ import annotations

import io
import json
import os
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app import answers
from app.contributions import queries
from app.contributions.facts import record_pull_requests
from app.contributions.figures import FIGURES, Look, keeping
from app.contributions.metrics import Cell, Kind
from app.contributions.models import ChangeMeasure, FigureStamp
from app.contributions.queries import Thing, remembering, shelved
from app.contributions.stamps import Stamps, missing_since, stamp, stamps
from app.db import Database
from app.reports.contents import board_report
from app.shelf import Shelf
from tests.app.contributions.sums import generated
from tests.app.contributions.test_facts import REQUEST, repository
from tests.app.contributions.test_timeline_queries import YEAR

PAGES = ("", "modules/", "modules/ops", "newcomers", "organizations/", "quality", "repositories/", "reviews",
         "reviews?apart=tier", "?window=all", "?by=group")  # fmt: skip


@pytest.fixture(autouse=True)
def patience(every_answer_is_shelved: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dear outlives machines for a while, as where the portal runs."""
    monkeypatch.setattr(remembering, "PATIENCE_S", 60.0)


@pytest.fixture
def one_request(governed_each: Database, tmp_path: Path) -> Database:
    """A portal with one pull request, and a folder for its answers."""
    governed_each.info["flambeau_answers"] = Shelf(tmp_path / "answers")
    with governed_each.write() as session:
        record_pull_requests(session, repository(session), [REQUEST])
    return governed_each


def opened(db: Database) -> int:
    with db.read() as session:
        return queries.counts(session, Thing.CHANGES, queries.EVERYTHING, YEAR).opened


def in_another_process(db: Database) -> int:
    """What a process finds that begins now and has counted nothing."""
    remembering.forget_answers()
    return opened(db)


def behind_the_back(db: Database) -> None:
    """Take the rows away as no part of the portal does: without a stamp."""
    with db.write() as session:
        session.execute(sa.delete(ChangeMeasure))


def files(db: Database) -> list[Path]:
    return sorted(db.info["flambeau_answers"].folder.iterdir())


def test_another_process_is_given_the_answer_until_somebody_decides_something(one_request: Database):
    assert opened(one_request) == 1
    behind_the_back(one_request)
    assert in_another_process(one_request) == 1
    with one_request.write() as session:
        stamp(session, by_people=True)
    assert in_another_process(one_request) == 0
    assert {file.stat().st_mode & 0o777 for file in files(one_request)} == {0o600}


def test_after_a_machine_wrote_only_a_dear_answer_is_given_for_a_while_and_says_since_when_it_is_behind(
    one_request: Database, monkeypatch: pytest.MonkeyPatch
):
    assert opened(one_request) == 1
    behind_the_back(one_request)
    with one_request.write() as session:
        stamp(session, by_people=False)
    assert in_another_process(one_request) == 0  # counted in no time
    monkeypatch.setattr(remembering, "DEAR_S", 0.0)
    with one_request.write() as session:
        record_pull_requests(session, repository(session, "other"), [replace(REQUEST, number=8)])
    assert in_another_process(one_request) == 0
    with one_request.read() as session:
        assert remembering.behind_since(session) is None
        queries.counts(session, Thing.CHANGES, queries.EVERYTHING, YEAR)
        assert remembering.behind_since(session) is not None
    with remembering.making_ready():
        assert in_another_process(one_request) == 1
    monkeypatch.setattr(remembering, "PATIENCE_S", 0.0)
    assert in_another_process(one_request) == 1


def test_what_is_made_from_an_answer_that_is_behind_does_not_pass_for_one_of_now(
    one_request: Database, monkeypatch: pytest.MonkeyPatch
):
    number = [1]

    @remembering.remembered
    def dear(_session) -> int:
        return number[0]

    @remembering.remembered
    def made_from_it(session) -> int:
        return 10 * dear(session)

    def ask() -> int:
        with one_request.read() as session:
            return made_from_it(session)

    monkeypatch.setattr(remembering, "DEAR_S", 0.0)
    with one_request.read() as session:
        assert dear(session) == 1
    number[0] = 2
    with one_request.write() as session:
        stamp(session, by_people=False)
    assert ask() == 10  # for a while
    monkeypatch.setattr(remembering, "PATIENCE_S", 0.0)
    assert ask() == 20


@pytest.mark.parametrize("more", [0, 1])
def test_a_portal_that_a_backup_brought_back_finds_nothing_of_what_it_wrote_since(
    one_request: Database, more: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remembering, "DEAR_S", 0.0)
    assert opened(one_request) == 1
    behind_the_back(one_request)
    with one_request.write() as session:
        last = session.scalar(sa.select(sa.func.max(FigureStamp.id)))
        session.execute(sa.delete(FigureStamp).where(FigureStamp.id == last))
        # The same number, written in another life, and in this one more.
        session.add_all(FigureStamp(id=last + at, by_people=False) for at in range(1 + more))
    assert in_another_process(one_request) == 0


def test_what_another_life_left_behind_is_in_nobodys_way(one_request: Database):
    with one_request.write() as session:
        for _ in range(5):
            stamp(session, by_people=False)
    assert opened(one_request) == 1
    with one_request.write() as session:  # a backup brings it back, to lower numbers
        session.execute(sa.delete(FigureStamp).where(FigureStamp.id > 2))
        session.execute(sa.update(FigureStamp).values(at_us=FigureStamp.at_us + 7))
    assert in_another_process(one_request) == 1  # counted anew
    behind_the_back(one_request)
    assert in_another_process(one_request) == 1  # and kept


def test_since_when_an_answer_lacks_something_is_told_by_the_first_stamp_that_it_lacks(governed_each: Database):
    def wrote(number: int, at_us: int) -> None:
        with governed_each.write() as session:
            session.add(FigureStamp(id=number, by_people=False, at_us=at_us))

    with governed_each.write() as session:
        session.execute(sa.delete(FigureStamp))
    wrote(1, 1_000_000)
    with governed_each.read() as session:
        one = stamps(session)
        assert missing_since(session, one) == 0.0
    wrote(3, 3_000_000)
    wrote(4, 4_000_000)
    with governed_each.read() as session:
        assert missing_since(session, one) == 3.0
        three = stamps(session)
    wrote(2, 2_000_000)  # whoever took number 2 commits after the others
    with governed_each.read() as session:
        assert missing_since(session, one) == 2.0
        assert missing_since(session, three) == 0.0
    with governed_each.write() as session:
        session.execute(sa.delete(FigureStamp).where(FigureStamp.id == 1))
    with governed_each.read() as session:
        assert missing_since(session, one) == 0.0


def test_a_process_that_remembers_an_old_answer_takes_a_newer_one_that_another_counted_meanwhile(
    one_request: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remembering, "DEAR_S", 0.0)
    assert opened(one_request) == 1
    mine = dict(remembering._answers)
    with one_request.write() as session:
        record_pull_requests(session, repository(session, "other"), [replace(REQUEST, number=8)])
    assert opened(one_request) == 1  # for a while
    with remembering.making_ready():
        assert in_another_process(one_request) == 2
    remembering._answers.clear()
    remembering._answers.update(mine)
    assert opened(one_request) == 2


def test_an_answer_that_comes_late_replaces_no_newer_one_and_none_that_was_made_ready(one_request: Database):
    old, new = Stamps((1, 1, 5), (0, 0, 0)), Stamps((2, 2, 9), (0, 0, 0))
    decided = Stamps((3, 3, 12), (3, 1, 3))
    with one_request.read() as session:
        for value, under, made_at, is_ready, lies in [
            ("first", old, 10.0, False, "first"), ("newer", new, 20.0, False, "newer"),
            ("ready", new, 30.0, True, "ready"), ("again", new, 40.0, False, "ready"),
            ("began before", old, 34.0, True, "ready"), ("began later", old, 50.0, False, "began later"),
            ("after a decision", decided, 60.0, False, "after a decision"),
        ]:  # fmt: skip
            shelved.put(session, "place", shelved.Answer(value, under, made_at, 5.0, is_ready))
            found = shelved.take(session, "place", decided if under is decided else new, lambda _answer: True)
            assert found is not None
            assert found.value == lies


@pytest.mark.parametrize("words", [
    {}, {"every": 5}, {"every": None}, {"every": "1 2"}, {"every": "1 2 x"}, {"every": "1 2 3", "made_at": 10**400},
    {"every": "1 2 3", "made_at": "1", "cost_s": []}, {"every": "1 2 3", "made_at": "1", "cost_s": "1"}, "", None, 7,
])  # fmt: skip
def test_words_of_a_file_that_are_none_of_ours_are_nothing(one_request: Database, words: object):
    opened(one_request)
    for file in files(one_request):
        head, _, body = file.read_bytes().partition(b"\n")
        file.write_bytes(json.dumps({**json.loads(head), "words": words}).encode() + b"\n" + body)
    assert in_another_process(one_request) == 1


def test_a_figure_says_as_of_the_first_thing_that_it_lacks(
    one_request: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remembering, "DEAR_S", 0.0)
    opened(one_request)
    with one_request.write() as session:
        stamp(session, by_people=False)
    with one_request.read() as session:
        later = datetime.now(UTC) + timedelta(hours=1)
        look = Look(session, queries.EVERYTHING, YEAR, later, {})
        assert FIGURES["commits-over-time"].of(look).as_of == later  # it lacks nothing
        queries.counts(session, Thing.CHANGES, queries.EVERYTHING, YEAR)
        moment = session.scalar(sa.select(FigureStamp.at_us).order_by(FigureStamp.id.desc()).limit(1))
        assert FIGURES["commits-over-time"]._made(look).as_of.timestamp() == pytest.approx(moment / 1e6, abs=1e-5)


def test_a_report_is_as_of_the_first_thing_that_one_of_its_answers_lacks(
    settings, clock, db: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remembering, "DEAR_S", 0.0)
    later, app = datetime.now(UTC) + timedelta(hours=1), generated(settings, clock, db, 21)

    def as_of() -> datetime:
        with app.test_request_context(), db.read() as session:
            return board_report(session, 2025, YEAR, now=later).as_of

    assert as_of() == later
    with db.write() as session:
        stamp(session, by_people=False)
    assert abs(as_of() - datetime.now(UTC)) < timedelta(minutes=5)


class Colour(Enum):
    RED = "red"


def test_an_enum_is_written_as_a_call_of_its_class_on_every_python(monkeypatch: pytest.MonkeyPatch):
    def as_3_11_2_does(one: Enum, _protocol: int) -> tuple[object, ...]:
        return getattr, (type(one), one.name)

    monkeypatch.setattr(Thing, "__reduce_ex__", as_3_11_2_does)
    cell = Cell(YEAR.since, Kind.MERGE, None, 1, True, 1, 2, 3, 0)
    for value in (Thing.CHANGES, {Thing.ISSUES: [Thing.CHANGES, YEAR]}, Thing, cell):
        read = shelved._Reader(io.BytesIO(shelved._dumped(value))).load()
        assert (read, type(read)) == (value, type(value))
    with pytest.raises(pickle.UnpicklingError, match="an answer holds no tests"):
        shelved._Reader(io.BytesIO(shelved._dumped(Colour.RED))).load()


def test_an_answer_is_written_once_the_reader_has_the_page(settings, clock, db: Database):
    client = generated(settings, clock, db, 21).test_client()
    answer = client.get("/contributions/newcomers")
    assert answer.status_code == 200
    assert not db.info["flambeau_answers"].folder.exists()
    answer.close()
    assert files(db)


class Hostile:
    """What pickle would call if it were asked to read this."""

    def __reduce__(self) -> object:
        return os.mkdir, ("called",)


@pytest.mark.parametrize("body", [
    b"", b"no pickle", pickle.dumps(Hostile()), pickle.dumps([Hostile()]), b"cos\nsystem\n.", pickle.dumps(os.mkdir),
    pickle.dumps(Flask), b"capp.contributions.queries.shelved\npickle\n.", b"capp.contributions.models\nFigureStamp\n.",
    b"cbuiltins\neval\n(S'1'\ntR.", pickle.dumps({"a": 1})[:-3],
])  # fmt: skip
def test_a_file_that_somebody_broke_or_wrote_runs_nothing_and_the_answer_is_counted(
    one_request: Database, body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    opened(one_request)
    for file in files(one_request):
        head = file.read_bytes().partition(b"\n")[0]
        file.write_bytes(head + b"\n" + body)
    assert in_another_process(one_request) == 1
    with one_request.write() as session:
        stamp(session, by_people=True)
    monkeypatch.setattr(shelved, "_dumped", lambda _value: body)  # and signed, as if we had written it
    for file in files(one_request):
        file.unlink()
    opened(one_request)
    assert [file.read_bytes().endswith(b"\n" + body) for file in files(one_request)].count(True) > 1
    monkeypatch.undo()
    monkeypatch.setattr(shelved, "SHELVED_S", 0.0)
    assert in_another_process(one_request) == 1
    assert not (tmp_path / "called").exists()


def test_every_answer_of_every_dashboard_is_read_as_it_was_written(settings, clock, db: Database):
    """And so the pages of a second process are the same, and it asks nothing of what the first one counted."""
    client = generated(settings, clock, db, 21).test_client()

    def pages() -> dict[str, str]:
        keeping.forget_figures()
        remembering.forget_answers()
        found = {}
        for page in PAGES:
            with client.get(f"/contributions/{page}", environ_overrides={answers.ANEW: True}) as answer:
                found[page] = answer.text
        return found

    first = pages()
    lasting = {place: answer.value for place, answer in remembering._answers.items() if shelved._tells_itself(place)}
    assert len(lasting) > 60
    assert all("</table>" in text for text in first.values())
    assert pages() == first
    with db.read() as session:
        for place, value in lasting.items():
            found = shelved.take(session, place, remembering.stamps_once(session), lambda _answer: True)
            assert found is not None, place
            assert found.value == value, place
