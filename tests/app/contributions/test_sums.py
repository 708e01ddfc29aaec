"""Figures read from sums of months and years are those that the rollup's days give."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.contributions import queries
from app.contributions.metrics import (
    COMMITS,
    CONTRIBUTIONS,
    contributors,
    count,
    lines_over,
    presence,
    strands,
)
from app.contributions.models import RepositoryCommit, Rollup, Stretch, WorkSum
from app.contributions.queries import Scope
from app.contributions.queries.worked import parts_of
from app.contributions.rollups import roll_days, roll_persons
from app.contributions.windows import Window
from app.db import Database
from app.people.models import Employment, IdentityPerson
from tests.app.contributions.sums import (
    EVER,
    added_up,
    bits_of,
    cells_of,
    days_of,
    first_days_of,
    generated,
    summarized,
    written_sums,
)

DAYS = st.dates(date(2015, 6, 1), date(2026, 12, 31))
SCOPES = st.sampled_from(
    [Scope(), Scope(repository=1), Scope(module="ops"), Scope(organization=1), Scope(organization=2, repository=2),
     Scope(organization=1, with_owned=frozenset({2, 3})), Scope(person=3), Scope(module="ops", repository=1),
     Scope(module="core", organization=1), Scope(person=7, module="ops")]
)  # fmt: skip


@example(date(2026, 7, 2), date(2026, 8, 30), (Stretch.MONTH,))
@given(DAYS, DAYS, st.sampled_from([(), (Stretch.YEAR,), (Stretch.MONTH,), (Stretch.YEAR, Stretch.MONTH)]))
def test_a_window_is_cut_into_whole_stretches_without_gap_or_overlap(one: date, other: date, stretches: Any):
    window = Window(min(one, other), max(one, other))
    parts = list(parts_of(window, stretches))
    following = window.since
    for stretch, first, last in parts:
        assert first == following <= last
        following = last + timedelta(days=1)
        if stretch is not None:
            assert (first.day, following.day) == (1, 1)
        if stretch is Stretch.YEAR:
            assert (first.month, following.month) == (1, 1)
    assert following == window.until + timedelta(days=1)
    if stretches[-1:] == (Stretch.MONTH,):
        # Two months broken at their outer ends hold no whole one: 2 July to 30 August, at most.
        assert all((last - first).days < 60 for stretch, first, last in parts if stretch is None)


def test_whatever_is_asked_of_the_sums_is_what_the_days_say(settings: Any, clock: Any, db_each: Database):
    generated(settings, clock, db_each, 11)

    @given(scope=SCOPES, one=DAYS, other=DAYS)
    @hypothesis_settings(max_examples=30, deadline=None, database=None)
    def equal(scope: Scope, one: date, other: date) -> None:
        window = Window(min(one, other), max(one, other))
        ever = cells_of(days_of(session, scope, EVER))
        cells = cells_of(days_of(session, scope, window))
        work = [cell for cell in cells if cell.kind in COMMITS]
        firsts = first_days_of(ever)
        plain = summarized(session, scope, window)
        assert queries.headline(session, scope, window) == plain
        for since in (date.min, window.since):
            later = {who: day for who, day in firsts.items() if day >= since}
            assert queries.first_days(session, scope, since) == later
        assert queries.contributors_of(session, scope, window) == contributors(cells)
        periods = window.periods()
        earlier = cells_of(days_of(session, scope, Window(window.prelude, periods[0].first - timedelta(days=1))))
        seen = [(cell.person, cell.first) for cell in (*earlier, *cells) if cell.kind in CONTRIBUTIONS and cell.person]
        over_time = queries.people_over_time(session, scope, window)
        assert over_time == presence(bits_of(seen, periods), firsts, periods, since=window.since)
        assert sum(one.new for one in over_time) == plain.new_contributors
        assert queries.commits_by_person(session, scope, window) == count(work, lambda cell: cell.person)
        for most in (0, 3):
            found = [cell for cell in queries.cells_by_organization(session, scope, window) if cell.kind in COMMITS]
            drawn = [(one.organization, one.name, one.values) for one in strands(found, window.periods(), most=most)]
            expected = strands(work, window.periods(), most=most)
            assert drawn == [(one.organization, one.name, one.values) for one in expected]
            assert lines_over(found, window.periods()) == lines_over(work, window.periods())
        people: dict[Any, set[Any]] = {}
        for row in days_of(session, scope, window):
            if row.kind in COMMITS:
                people.setdefault((row.organization_id, row.attribution), set()).add(row.person_id)
        found_people = queries.people_by_organization(session, scope, window)
        assert found_people == {key: len(those) for key, those in people.items()}
        assert queries.people_of_organizations(session, scope, window) == people
        span = (min(cell.first for cell in ever), max(cell.first for cell in ever)) if ever else None
        assert queries.span(session, scope) == span

    with db_each.read() as session:
        equal()


def test_commits_by_module_are_those_of_the_days(settings: Any, clock: Any, db_each: Database):
    generated(settings, clock, db_each, 12)
    window = Window(date(2018, 5, 17), date(2025, 2, 3))
    with db_each.read() as session:
        for scope in (Scope(), Scope(repository=2), Scope(organization=1), Scope(person=4)):
            expected = {}
            for key in session.scalars(sa.select(Rollup.module_key).where(Rollup.module_key.is_not(None)).distinct()):
                rows = days_of(session, replace(scope, module=key), window)
                expected[key] = sum(row.commits for row in rows if row.kind in COMMITS)
            assert queries.commits_by_module(session, scope, window) == {k: v for k, v in expected.items() if v}


def test_counting_some_days_or_some_people_anew_leaves_sums_as_adding_up_gives_them(
    settings: Any, clock: Any, db_each: Database
):
    generated(settings, clock, db_each, 13)
    with db_each.write() as session:
        before = written_sums(session)
        assert before == added_up(session)
        assert len(before) > 500
        roll_days(session, 1, {date(2020, 1, 1) + timedelta(days=at) for at in range(0, 900, 7)})
        roll_persons(session, {1, 2, 3, 40})
        assert written_sums(session) == before
        session.execute(sa.update(IdentityPerson).where(IdentityPerson.person_id == 2).values(person_id=1))
        session.execute(sa.update(Employment).where(Employment.person_id == 3).values(organization_id=1))
        roll_persons(session, {1, 2, 3})
        assert written_sums(session) == added_up(session) != before
        session.execute(sa.delete(RepositoryCommit).where(RepositoryCommit.repository_id == 1))
        days = set(session.scalars(sa.select(Rollup.day).where(Rollup.repository_id == 1)))
        roll_days(session, 1, days)
        assert not session.scalar(sa.select(WorkSum.id).where(WorkSum.repository_id == 1))
        assert written_sums(session) == added_up(session)
