"""What several figures of a page count is read once, and what is open now from its index alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from app import create_app
from app.contributions import queries
from app.contributions.queries import By, Scope, Thing
from app.contributions.queries.health import backlog_over, count_waiting, coverage_over
from app.contributions.queries.newcomers import quiet
from app.contributions.queries.remembering import forget_answers
from app.contributions.queries.scopes import buckets, months_of, place_of
from app.contributions.windows import Window
from app.db import Database
from app.demo.scale.foundation import Scale
from app.demo.scale.generating import generate

LONG = Window(date(2024, 3, 10), date(2025, 9, 5))
DAYS = st.dates(date(2020, 1, 1), date(2026, 12, 31))


@pytest.fixture
def scaled(settings: Any, clock: Any, db_each: Database) -> Database:
    app = create_app(settings.model_copy(update={"synthetic": True}), clock=clock, db=db_each)
    generate(app, Scale(60, 8, 3, 2500), seed=21, say=lambda _text: None)
    forget_answers()
    return db_each


@contextmanager
def statements(db: Database, about: str) -> Iterator[list[str]]:
    """The statements that ask this table."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        if f"FROM {about}" in text:
            found.append(text)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)


def test_what_was_opened_and_closed_in_a_window_is_read_once_for_all_figures_of_it(scaled: Database):
    with scaled.read() as session, statements(scaled, "change_measure") as asked:
        queries.counts(session, Thing.CHANGES, Scope(), LONG)
        queries.over_time(session, Thing.CHANGES, Scope(), LONG)
        queries.opened_by(session, Thing.CHANGES, Scope(), LONG, By.STANDING)
        coverage_over(session, Scope(), LONG)
        backlog_over(session, Thing.CHANGES, Scope(), LONG)
    assert len(asked) == 4  # opened, closed, and two for the backlog


def test_who_contributed_before_is_read_once_for_who_stayed_and_who_went_quiet(scaled: Database):
    with scaled.read() as session, statements(scaled, "(SELECT rollup") as asked:
        queries.people_flow(session, Scope(), LONG)
        queries.commits_by_person(session, Scope(), LONG)
        quiet(session, Scope(), LONG)
    assert len(asked) == 2  # the window, and the one before


def test_the_sums_of_a_window_come_from_its_periods_where_these_are_known(scaled: Database):
    with scaled.read() as session:
        alone = queries.headline(session, Scope(), LONG)
    forget_answers()
    with scaled.read() as session:
        queries.cells_by_organization(session, Scope(), LONG)
        with statements(scaled, "(SELECT rollup") as asked:
            assert queries.headline(session, Scope(), LONG) == alone
    assert len(asked) == 2  # contributors of the window and of the one before, and no sums


def test_an_answer_is_told_only_if_it_is_kept(scaled: Database):
    with scaled.read() as session:
        assert queries.cells_by_organization.if_known(session, Scope(), LONG) is None
        made = queries.cells_by_organization(session, Scope(), LONG)
        assert queries.cells_by_organization.if_known(session, Scope(), LONG) is made
    with scaled.write() as session:
        assert queries.cells_by_organization.if_known(session, Scope(), LONG) is None


def test_what_waits_now_is_counted_in_the_index_of_what_is_open(scaled: Database, explained: Callable[..., str]):
    if scaled.dialect != "sqlite":
        pytest.skip("PostgreSQL may rightly read a table as small as this one whole")
    with scaled.read() as session, statements(scaled, "change_measure") as asked:
        count_waiting(session, Thing.CHANGES, Scope())
        assert "COVERING INDEX ix_change_measure_open" in explained(session, asked[0])


@pytest.fixture
def explained() -> Callable[..., str]:
    def explain(session: Any, text: str) -> str:
        return str(session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all())

    return explain


@given(DAYS, DAYS, DAYS)
def test_a_day_is_placed_in_the_period_or_month_that_it_lies_in(one: date, other: date, day: date):
    window = Window(min(one, other), max(one, other))
    for firsts in (buckets(window), months_of(window)):
        engine = sa.create_engine("sqlite://")
        with engine.connect() as connection:
            place = connection.scalar(sa.select(place_of(sa.literal(day, sa.Date), firsts)))
        engine.dispose()
        assert place == max(sum(first <= day for first in firsts) - 1, 0)
