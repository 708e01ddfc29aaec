"""The generator: one seed, one foundation to the last row; what it writes is what recounting and resolving give."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app import create_app
from app.contributions import measuring, queries
from app.contributions.measuring import measure_all, measures_are_current
from app.contributions.metrics import COMMITS, count
from app.contributions.models import Change, ChangeEvent, ChangeMeasure, Commit, Issue, IssueEvent, MeasureDue, Rollup
from app.contributions.modules import modules_are_current
from app.contributions.queries import By, Scope, Thing
from app.contributions.rollups import roll_all
from app.contributions.windows import Window
from app.db import Database
from app.demo.scale.foundation import Scale, invent
from app.demo.scale.generating import Generated, NotEmptyError, generate
from app.people import queries as people
from app.people.models import Employment, IdentityPerson, Person
from tests.app.contributions.sums import cells_of, days_of, summarized

SMALL = Scale(60, 8, 3, 2500)
TODAY = date(2026, 1, 15)


def filled(settings: Any, clock: Any, db: Database, *, seed: int = 7) -> tuple[Flask, Generated]:
    app = create_app(settings.model_copy(update={"synthetic": True}), clock=clock, db=db)
    return app, generate(app, SMALL, seed=seed, say=lambda _text: None)


def rows(session: Session, table: Any, *, without: str) -> Counter[Any]:
    columns = [column for column in table.__table__.columns if column.name != without]
    return Counter(tuple(row) for row in session.execute(sa.select(*columns)))


def test_it_writes_as_much_as_it_says_and_everything_derived_is_what_making_it_anew_gives(
    settings: Any, clock: Any, db_each: Database
):
    app, found = filled(settings, clock, db_each)
    assert 0.9 * SMALL.events < found.events < 1.1 * SMALL.events
    with db_each.write() as session:
        for table in (Commit, Change, ChangeEvent, Issue, IssueEvent, Person):
            counted = session.scalar(sa.select(sa.func.count()).select_from(table))
            assert counted == found.counts[table.__tablename__] > 0
        assert modules_are_current(session)
        assert measures_are_current(session)
        kept = [rows(session, Rollup, without="id"), rows(session, ChangeMeasure, without=""),
                rows(session, Employment, without="id"), rows(session, IdentityPerson, without="")]  # fmt: skip
        people.resolve(session)
        roll_all(session)
        measure_all(session)
        assert kept == [rows(session, Rollup, without="id"), rows(session, ChangeMeasure, without=""),
                        rows(session, Employment, without="id"), rows(session, IdentityPerson, without="")]  # fmt: skip
        window = Window(date(2016, 1, 1), TODAY)
        opened = queries.counts(session, Thing.CHANGES, queries.EVERYTHING, window).opened
        for by in By:
            parts = queries.opened_by(session, Thing.CHANGES, queries.EVERYTHING, window, by)
            if by is By.MODULE:  # a change that touches two is in both
                assert parts
                assert parts == {key: queries.counts(session, Thing.CHANGES, Scope(module=key), window).opened
                                 for key in parts}  # fmt: skip
            else:
                assert sum(parts.values()) == opened
        for scope in (queries.EVERYTHING, Scope(repository=1), Scope(organization=1), Scope(module="ops")):
            for until in (TODAY, date(2021, 1, 1)):
                window = Window(date(2020, 1, 1), until)
                assert queries.headline(session, scope, window) == summarized(session, scope, window)
                work = [cell for cell in cells_of(days_of(session, scope, window)) if cell.kind in COMMITS]
                counted = count(work, lambda one: one.person)
                assert queries.commits_by_person(session, scope, window) == counted
                assert sum(queries.people_by_organization(session, scope, window).values()) >= len(counted)
    if db_each.dialect == "sqlite":
        with db_each.read() as session:  # as every portal has it: somebody who reads stops nobody who writes
            assert session.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        with pytest.raises(NotEmptyError, match="a row of"):
            generate(app, SMALL, seed=7, say=lambda _text: None)


def test_where_most_people_changed_everything_is_measured_again_and_noted_once(
    settings: Any, clock: Any, db_each: Database, monkeypatch: pytest.MonkeyPatch
):
    filled(settings, clock, db_each)
    monkeypatch.setattr(measuring, "_MANY", 10)
    with db_each.write() as session:
        kept = rows(session, ChangeMeasure, without="")
        things = sum(session.scalar(sa.select(sa.func.count()).select_from(table)) for table in (Change, Issue))
        for _ in range(2):
            measuring.persons_changed(session, set(session.scalars(sa.select(Person.id))))
            assert session.scalar(sa.select(sa.func.count(MeasureDue.id))) == things
        session.execute(sa.update(ChangeMeasure).values(reviews=99))
    measuring.settle_measures(db_each.write)
    with db_each.read() as session:
        assert rows(session, ChangeMeasure, without="") == kept
        assert session.scalar(sa.select(MeasureDue.id)) is None


@pytest.mark.postgres
def test_the_same_seed_gives_the_same_rows_on_both_databases_and_another_gives_others(
    settings: Any, clock: Any, db: Database, postgres_url: str
):
    other = Database(postgres_url, clock=clock)
    _, one = filled(settings, clock, db)
    _, same = filled(settings, clock, other)
    other.close()
    assert one == same
    assert invent(SMALL, seed=7, today=TODAY) != invent(SMALL, seed=8, today=TODAY)


def test_a_portal_that_is_not_synthetic_is_left_alone(settings: Any, clock: Any, db: Database):
    with pytest.raises(NotEmptyError, match="not synthetic"):
        generate(create_app(settings, clock=clock, db=db), SMALL, seed=7, say=lambda _text: None)


def test_shapes_are_those_of_real_projects():
    found = invent(Scale.of(2000), seed=3, today=TODAY)
    crowd = [one for one in found.people if not one.is_bot]
    assert 0.25 < sum(not one.jobs for one in crowd) / len(crowd) < 0.45  # nobody knows for whom a third work
    paces = sorted((one.pace for one in crowd), reverse=True)
    assert sum(paces[:200]) > 0.4 * sum(paces)  # a tenth does much
    once = sum((one.last - one.first).days < 30 for one in crowd)
    assert 0.4 < once / len(crowd) < 0.65  # most come once
    assert any(one.owner is not None for one in found.organizations)
    assert all(email.endswith(".example") for one in found.people for email in one.emails)
    for one in crowd:
        for job, following in zip(one.jobs, one.jobs[1:], strict=False):
            assert job.ends_on is not None
            assert job.ends_on < following.starts_on
