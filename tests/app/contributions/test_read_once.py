"""What several figures of a page count is read once, and what is open now from its index alone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app import create_app
from app.contributions import queries
from app.contributions.figures import Look
from app.contributions.figures.paths import changing_paths, knowers
from app.contributions.metrics import factor
from app.contributions.metrics.people import factor_at
from app.contributions.models import Commit, RepositoryCommit, Rollup
from app.contributions.queries import Authors, By, Scope, Standing, Thing, newcomers, timelines
from app.contributions.queries.health import backlog_over, closed_by, count_waiting, coverage_over
from app.contributions.queries.newcomers import quiet
from app.contributions.queries.paths import path_work
from app.contributions.queries.quality import redated
from app.contributions.queries.remembering import forget_answers
from app.contributions.queries.scopes import Together, bit_of, buckets, place_of
from app.contributions.windows import Window
from app.db import Database
from app.people.models import Employment, IdentityPerson
from app.people.rules import Role
from tests.app.contributions.sums import generated
from tests.app.statements import statements

LONG = Window(date(2024, 3, 10), date(2025, 9, 5))
DAYS = st.dates(date(2020, 1, 1), date(2026, 12, 31))


@pytest.fixture
def scaled(settings: Any, clock: Any, db_each: Database) -> Database:
    generated(settings, clock, db_each, 21)
    forget_answers()
    return db_each


def test_what_was_opened_and_closed_in_a_window_is_read_once_for_all_figures_of_it(scaled: Database):
    with scaled.read() as session, statements(scaled, "change_measure") as asked:
        queries.counts(session, Thing.CHANGES, Scope(), LONG)
        queries.over_time(session, Thing.CHANGES, Scope(), LONG)
        queries.opened_by(session, Thing.CHANGES, Scope(), LONG, By.STANDING)
        coverage_over(session, Scope(), LONG)
        backlog_over(session, Thing.CHANGES, Scope(), LONG)
    assert len(asked) == 4  # opened, closed, and two for the backlog


@pytest.mark.parametrize("about", [queries.waiting, queries.lasting])
def test_standing_and_first_timers_are_told_from_one_reading(scaled: Database, monkeypatch: Any, about: Any):
    standings = {one: Authors(standing=one) for one in Standing}
    firsts = {one: Authors(is_first=one) for one in (True, False)}
    for most in (timelines.EXACT, -1):  # each as it is, and by steps
        monkeypatch.setattr(timelines, "EXACT", most)
        forget_answers()
        with scaled.read() as session:
            for thing in Thing:
                asked_with = {"as_of": datetime(2026, 1, 15, 12, tzinfo=UTC)}
                with statements(scaled, "change_measure", "issue_measure") as asked:
                    found = [about(session, thing, Scope(), LONG, by=by, **asked_with)
                             for by in (By.STANDING, By.FIRST)]  # fmt: skip
                assert len(asked) == 3  # how many, those that ended, and those that did not
                for groups, authors in zip(found, (standings, firsts), strict=True):
                    alone = {key: about(session, thing, Scope(), LONG, authors=one, **asked_with)[None]
                             for key, one in authors.items() if key in groups}  # fmt: skip
                    assert groups == alone
                    assert len(groups) > 1


def test_what_became_of_closed_changes_is_told_for_both_from_one_reading(scaled: Database):
    with scaled.read() as session:
        with statements(scaled, "(SELECT") as asked:
            standings, firsts = (closed_by(session, Scope(), LONG, by) for by in (By.STANDING, By.FIRST))
        assert len(asked) == 1
        for key, one in standings.items():
            assert closed_by(session, Scope(), LONG, By.NOTHING, authors=Authors(standing=key)) == {None: one}
        for is_first, one in firsts.items():
            assert closed_by(session, Scope(), LONG, By.NOTHING, authors=Authors(is_first=is_first)) == {None: one}
        assert min(len(standings), len(firsts)) > 1


def test_of_the_window_before_only_what_is_shown_is_counted_and_nothing_if_it_is_known(scaled: Database):
    scopes = [Scope(), *(Scope(organization=number) for number in (1, 2, 3)), Scope(repository=1)]
    with scaled.read() as session, statements(scaled, "change_measure") as asked:
        found = [queries.opened_and_merged(session, one, LONG) for one in scopes]
        assert len(asked) == 2 * len(scopes)
        assert not any("GROUP BY" in one for one in asked)
        counted = [queries.counts(session, Thing.CHANGES, one, LONG) for one in scopes]
        assert found == [(one.opened, one.merged) for one in counted]
        assert min(found[0]) > 0
    forget_answers()
    with scaled.read() as session:
        queries.counts(session, Thing.CHANGES, Scope(), LONG)
        with statements(scaled, "change_measure") as asked:
            assert queries.opened_and_merged(session, Scope(), LONG) == found[0]
    assert asked == []


def files_in_facts(session: Session, scope: Scope, window: Window) -> int:
    """What `files` says, added up in plain Python."""
    people = {one.identity_id: one for one in session.scalars(sa.select(IdentityPerson)) if one.role is Role.PERSON}
    jobs = list(session.scalars(sa.select(Employment).where(Employment.organization_id.in_(scope.organizations))))
    held = set(session.scalars(sa.select(RepositoryCommit.commit_id).where(RepositoryCommit.is_counted)))

    def works(person: int, day: date) -> bool:
        return any(one.person_id == person and one.starts_on <= day and (one.ends_on is None or day <= one.ends_on)
                   for one in jobs)  # fmt: skip

    return sum(
        one.paths for one in session.scalars(sa.select(Commit).where(Commit.day.between(window.since, window.until)))
        if one.id in held and one.author_identity_id in people
        and scope.person in (None, people[one.author_identity_id].person_id)
        and (not scope.organization or works(people[one.author_identity_id].person_id, one.day))
    )  # fmt: skip


def test_files_are_those_of_peoples_commits_whether_or_not_all_commits_are_held(scaled: Database):
    scopes = [Scope(), *(Scope(organization=number) for number in (1, 2, 3)),
              Scope(organization=1, with_owned=frozenset({2})),
              *(Scope(person=number) for number in (1, 2, 3))]  # fmt: skip
    windows = [LONG, Window(date(2025, 1, 1), date(2025, 12, 31)), Window(date(1980, 1, 1), date(1980, 12, 31))]
    kinds = set()
    with scaled.read() as session, statements(scaled, "commit", "repository_commit") as asked:
        queries.files(session, Scope(), LONG)
    assert len(asked) == 2  # two counts: of no commit is it asked whether it is held
    for is_taken in (False, True):
        forget_answers()
        if is_taken:  # as after a force push: commits that no branch holds any more
            with scaled.write() as session:
                some = session.scalars(sa.select(RepositoryCommit.commit_id).where(RepositoryCommit.is_counted)
                                       .order_by(RepositoryCommit.commit_id)).all()[::7]  # fmt: skip
                session.execute(sa.delete(RepositoryCommit).where(RepositoryCommit.commit_id.in_(some)))
        with scaled.read() as session:
            kinds |= set(session.scalars(sa.select(IdentityPerson.role)))
            for window in windows:
                found = [queries.files(session, one, window) for one in scopes]
                assert found == [files_in_facts(session, one, window) for one in scopes]
                assert (found[0] > found[1] > 0) == (window is not windows[-1])
    assert kinds > {Role.PERSON}  # of bots there are some, and none of theirs


def test_who_contributed_before_is_read_once_for_who_stayed_and_who_went_quiet(scaled: Database):
    with scaled.read() as session, statements(scaled, "(SELECT rollup") as asked:
        queries.people_flow(session, Scope(), LONG)
        queries.commits_by_person(session, Scope(), LONG)
        quiet(session, Scope(), LONG)
    assert len(asked) == 2  # the window, and the one before


def test_who_went_quiet_is_told_though_one_of_them_is_somebody_else_by_now(
    scaled: Database, monkeypatch: pytest.MonkeyPatch
):
    """What it is told from is remembered, each answer for a while of its own."""
    with scaled.read() as session:
        every = quiet(session, Scope(), LONG, most=1000)
    work = newcomers.work_of_people

    def later(session: Any, scope: Scope, window: Window) -> Any:
        return {person: done for person, done in work(session, scope, window).items() if person != every[0].person}

    monkeypatch.setattr(newcomers, "work_of_people", later)
    forget_answers()
    with scaled.read() as session:
        assert quiet(session, Scope(), LONG, most=1000) == every[1:]


def test_the_sums_of_a_window_come_from_its_periods_where_these_are_known(scaled: Database):
    with scaled.read() as session:
        alone = queries.headline(session, Scope(), LONG)
    forget_answers()
    with scaled.read() as session:
        queries.cells_by_organization(session, Scope(), LONG)
        with statements(scaled, "(SELECT rollup") as asked:
            assert queries.headline(session, Scope(), LONG) == alone
    assert len(asked) == 2  # contributors of the window and of the one before, and no sums


def test_of_the_window_before_nothing_is_read_but_who_worked_in_it(scaled: Database):
    with scaled.read() as session:
        plain = queries.headline(session, Scope(), LONG.before)
        forget_answers()
        queries.headline(session, Scope(), LONG)
        with statements(scaled, "(SELECT rollup", "work_sum") as asked:
            was = queries.earlier(session, Scope(), LONG)
        assert asked == []
        by = queries.commits_by_organization(session, Scope(), LONG.before)
    assert was == queries.Earlier(plain.commits, plain.contributors, plain.new_contributors, plain.absence_factor)
    assert (len(by), factor(by.values())) == (plain.organizations, plain.elephant_factor)


def test_what_stands_beside_each_other_is_read_of_those_organizations_alone(scaled: Database):
    as_of = datetime(2026, 1, 15, 12, tzinfo=UTC)
    with scaled.read() as session:
        opened = queries.opened_by(session, Thing.CHANGES, Scope(), LONG, By.ORGANIZATION)
        both = frozenset(sorted(one for one in opened if one)[:2])
        authors = Authors(organizations=both)
        assert len(opened) > len(both) == 2
        waited = queries.waiting(session, Thing.CHANGES, Scope(), LONG, as_of=as_of, by=By.ORGANIZATION)
        reviews = {one: queries.review_load(session, Scope(organization=one), LONG).reviews for one in both}
        found = queries.opened_by(session, Thing.CHANGES, Scope(), LONG, By.ORGANIZATION, authors=authors)
        assert found == {one: opened[one] for one in both}
        found = queries.waiting(session, Thing.CHANGES, Scope(), LONG, as_of=as_of, by=By.ORGANIZATION, authors=authors)
        assert found == {one: waited[one] for one in both}
        assert queries.reviews_by_organization(session, Scope(), LONG, both) == reviews


def test_durations_of_some_organizations_are_rounded_as_those_of_all(scaled: Database, monkeypatch: Any):
    as_of = datetime(2026, 1, 15, 12, tzinfo=UTC)
    with scaled.read() as session:
        every = queries.counts(session, Thing.CHANGES, Scope(), LONG)
        monkeypatch.setattr(timelines, "EXACT", every.opened // 2)  # fewer than all, and more than one has
        forget_answers()
        asked: dict[str, Any] = {"as_of": as_of, "by": By.ORGANIZATION}
        of_all = queries.waiting(session, Thing.CHANGES, Scope(), LONG, **asked)
        one = max(filter(None, of_all))
        alone = queries.waiting(session, Thing.CHANGES, Scope(), LONG, **asked,
                                authors=Authors(organizations=frozenset({one})))  # fmt: skip
    assert alone == {one: of_all[one]}
    assert any(seconds != int(seconds) for seconds in alone[one])


def test_what_is_counted_in_the_order_of_an_index_is_not_sorted(settings: Any, clock: Any, db: Database):
    """By day or month, as the index has it; told on SQLite, for PostgreSQL chooses by how much there is."""
    generated(settings, clock, db, 21)
    forget_answers()
    months = Window(date(2024, 3, 1), date(2025, 8, 31))
    with db.read() as session:
        with statements(db, "change_measure", "(SELECT work_sum") as asked:
            queries.over_time(session, Thing.CHANGES, Scope(), months)
            queries.over_time(session, Thing.CHANGES, Scope(organization=1), months)
            queries.cells_by_organization(session, Scope(), months)
        ways = [session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", ("1",) * one.count("?")).all()
                for one in asked]  # fmt: skip
    assert len(ways) == 6
    assert all("COVERING INDEX" in str(way) and "TEMP B-TREE" not in str(way) for way in ways), ways


def test_commits_that_were_redated_and_those_of_a_person_are_looked_up_in_an_index_of_theirs(
    settings: Any, clock: Any, db: Database
):
    """Told on SQLite, for PostgreSQL chooses by how much there is."""
    generated(settings, clock, db, 21)
    forget_answers()
    with db.read() as session:
        with statements(db, "commit") as asked:
            redated(session, LONG)
            queries.files(session, Scope(person=1), LONG)
        ways = [session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", ("1",) * one.count("?")).all()
                for one in asked]  # fmt: skip
    of_redated, of_person = map(str, ways)
    assert "INDEX ix_commit_redated" in of_redated
    assert "COVERING INDEX ix_commit_author_day" in of_person


def test_first_and_latest_commits_are_those_of_all_though_looked_for_on_few_days(scaled: Database):
    """Also of repositories, also after some were taken from every branch, and while nothing of it is counted."""
    with scaled.read() as session:
        persons = session.scalars(sa.select(Rollup.person_id).distinct().order_by(Rollup.person_id)).all()[::5]
    scopes = [Scope(person=person, repository=one) for person in persons for one in (None, 2)]

    def told(session: Session, scope: Scope) -> list[str]:
        held = RepositoryCommit.repository_id == scope.repository if scope.repository else RepositoryCommit.is_counted
        return list(session.scalars(
            sa.select(Commit.sha).join(RepositoryCommit, RepositoryCommit.commit_id == Commit.id)
            .join(IdentityPerson, IdentityPerson.identity_id == Commit.author_identity_id)
            .where(held, IdentityPerson.person_id == scope.person)
            .order_by(RepositoryCommit.day, Commit.authored_at, Commit.id)))  # fmt: skip

    some_gone = sa.delete(RepositoryCommit).where(RepositoryCommit.commit_id % 3 == 0)
    for change in (None, some_gone, sa.delete(Rollup)):
        if change is not None:
            with scaled.write() as session:
                session.execute(change)
        lengths = set()
        with scaled.read() as session:
            for scope in scopes:
                all_of_them = told(session, scope)
                first = queries.first_commit(session, scope)
                assert ([first.sha] if first else []) == all_of_them[:1]
                assert [one.sha for one in queries.recent_commits(session, scope)] == all_of_them[::-1][:15]
                lengths.add(min(len(all_of_them), 16))
        assert {0, 16} <= lengths  # of some there are none, of some more than are shown


def test_an_answer_is_told_only_if_it_is_kept(scaled: Database):
    with scaled.read() as session:
        assert queries.cells_by_organization.if_known(session, Scope(), LONG) is None
        made = queries.cells_by_organization(session, Scope(), LONG)
        assert queries.cells_by_organization.if_known(session, Scope(), LONG) is made
    with scaled.write() as session:
        assert queries.cells_by_organization.if_known(session, Scope(), LONG) is None


def test_what_waits_now_is_counted_in_the_index_of_what_is_open(scaled: Database):
    with scaled.read() as session, statements(scaled, "change_measure") as asked:
        count_waiting(session, Thing.CHANGES, Scope())
        connection = session.connection()
        if scaled.dialect == "sqlite":
            way = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[0]}").all()
            assert "COVERING INDEX ix_change_measure_open" in str(way)
        else:
            # Asked for its way by indexes: a table as small as this one it may rightly read whole.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
            way = connection.exec_driver_sql(f"EXPLAIN {asked[0]}").all()
            assert "Index Only Scan using ix_change_measure_open" in str(way)


def test_paths_are_read_once_for_what_changes_and_who_knows_it(settings: Any, clock: Any, scaled: Database):
    app = create_app(settings, clock=clock, db=scaled)
    with app.test_request_context(), scaled.read() as session, statements(scaled, "commit JOIN") as asked:
        look = Look(session, Scope(repository=1), LONG, clock.now(), {})
        assert changing_paths(look).rows
        assert knowers(look).rows
    assert len(asked) == 1


@pytest.mark.parametrize("below", ["", "app"])
def test_paths_of_long_windows_are_those_of_their_years(scaled: Database, below: str):
    years = [Window(date(year, 1, 1), date(year, 12, 31)) for year in range(2021, 2026)]
    with scaled.read() as session:
        whole = path_work(session, Scope(repository=1), Window(years[0].since, years[-1].until), below=below)
        parts = [path_work(session, Scope(repository=1), year, below=below) for year in years]
    assert any(one.people for one in whole.values())
    assert whole.keys() == {path for part in parts for path in part}
    for path, one in whole.items():
        found = [part[path] for part in parts if path in part]
        assert one.months == sum((each.months for each in found), Counter())
        assert one.people == sum((each.people for each in found), Counter())
        assert one.last == {who: day for each in found for who, day in each.last.items()}


@given(st.lists(st.tuples(st.sampled_from([None, 1, 2, 3]), DAYS, st.integers(0, 9)), max_size=40), st.lists(DAYS))
def test_absence_factors_from_end_to_end_are_those_of_each_twelve_months_alone(
    work: list[tuple[int | None, date, int]], ends: list[date]
):
    expected = []
    for end in ends:
        made: Counter[int | None] = Counter()
        for person, day, commits in work:
            if 0 <= (end.year - day.year) * 12 + end.month - day.month < 12:
                made[person] += commits
        expected.append((factor(made.values()), made.total()))
    assert factor_at(work, ends) == expected


@hypothesis_settings(deadline=None)
@given(DAYS, DAYS, DAYS)
def test_a_day_is_placed_in_the_period_or_month_that_it_lies_in(one: date, other: date, day: date):
    window = Window(min(one, other), max(one, other))
    for firsts in (buckets(window), window.months()):
        engine = sa.create_engine("sqlite://")
        with engine.connect() as connection:
            place = connection.scalar(sa.select(place_of(sa.literal(day, sa.Date), firsts)))
        engine.dispose()
        assert place == max(sum(first <= day for first in firsts) - 1, 0)


def test_the_periods_of_the_widest_windows_and_the_one_before_fit_into_the_bits_of_a_number(db_each: Database):
    begun = [date(1999, 1, 1) + timedelta(days) for days in range(4 * 366)]
    windows = [Window(day, day + timedelta(most - 1)) for most in (184, 5 * 366, 15 * 366) for day in begun]
    firsts = max(([one.prelude, *buckets(one)] for one in windows), key=len)
    each = sa.union_all(*(sa.select(sa.literal(day, sa.Date).label("day")) for day in firsts)).subquery().c
    with db_each.read() as session:
        assert session.scalar(sa.select(Together(bit_of(each.day, firsts)))) == 2 ** len(firsts) - 1
