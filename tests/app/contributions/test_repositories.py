"""Repositories beside each other: what is counted of each is what the rollup's days say."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.contributions.figures import read_figure
from app.contributions.metrics import COMMITS, Kind
from app.contributions.models import Attribution, Repository, Rollup
from app.contributions.queries import Scope
from app.contributions.queries.repository_work import RepositoryWork, work_by_repository
from app.contributions.windows import Window
from app.db import Database
from app.demo.scale.foundation import Scale
from app.members.models import Organization
from tests.app.contributions.sums import generated

FOUR = Scale(40, 6, 4, 1200)
DAYS = st.dates(date(2015, 6, 1), date(2026, 12, 31))
SCOPES = st.sampled_from([Scope(), Scope(organization=1), Scope(organization=1, with_owned=frozenset({2, 3})),
                          Scope(person=3), Scope(repository=2), Scope(organization=2, repository=1)])  # fmt: skip


def added_up(session: Any, scope: Scope, window: Window) -> dict[int, RepositoryWork]:
    """The work of each repository from the rollup's days, in plain Python."""
    where = [Rollup.module_key.is_(None), Rollup.day.between(window.since, window.until), Rollup.kind.in_(COMMITS)]
    rows = [row for row in session.scalars(sa.select(Rollup).where(*where))
            if scope.repository in (None, row.repository_id) and scope.person in (None, row.person_id)
            if not scope.organizations or row.organization_id in scope.organizations]  # fmt: skip
    found = {}
    for number in {row.repository_id for row in rows}:
        mine = [row for row in rows if row.repository_id == number]
        own = [row for row in mine if row.kind is Kind.COMMIT]
        found[number] = RepositoryWork(
            sum(row.commits for row in mine),
            sum(row.commits for row in mine if row.attribution is Attribution.UNKNOWN),
            len({row.person_id for row in mine} - {None}), len({row.organization_id for row in mine} - {None}),
            sum(row.added for row in mine), sum(row.deleted for row in mine), sum(row.commits for row in own),
            sum(row.without_lines for row in own),
        )  # fmt: skip
    return found


def test_work_by_repository_is_what_the_days_say(settings: Any, clock: Any, db_each: Database):
    generated(settings, clock, db_each, 5, FOUR)

    @given(scope=SCOPES, one=DAYS, other=DAYS)
    @hypothesis_settings(max_examples=20, deadline=None, database=None)
    def equal(scope: Scope, one: date, other: date) -> None:
        window = Window(min(one, other), max(one, other))
        assert work_by_repository(session, scope, window) == added_up(session, scope, window)

    with db_each.write() as session:
        equal()
        ever = Window(date(2000, 1, 1), date(2026, 12, 31))
        assert len(work_by_repository(session, Scope(), ever)) == 4


def test_the_figure_stands_beside_each_repository_and_leads_to_it(settings: Any, clock: Any, db: Database):
    app = generated(settings, clock, db, 5, FOUR)
    now = datetime(2026, 1, 15, tzinfo=UTC)
    with app.test_request_context(), db.read() as session:
        drawn = read_figure(session, "repositories", {"window": "all"}, now=now)
        names = {one.name: one.public_id for one in session.scalars(sa.select(Repository))}
        acme = session.scalars(sa.select(Organization.public_id).order_by(Organization.id).limit(1)).one()
        of_one = read_figure(session, "repositories", {"window": "all", "organization": acme}, now=now)
    assert {row[0] for row in drawn.rows} == set(names)
    assert [row[1] for row in drawn.rows] == sorted((row[1] for row in drawn.rows), reverse=True)
    assert abs(sum(row[2] for row in drawn.rows) - 1) < 0.001
    assert all(row[1] <= {one[0]: one[1] for one in drawn.rows}[row[0]] for row in of_one.rows)
    assert drawn.table.count("This is wrong") == 4
    assert "A commit that several repositories hold" in drawn.caption
    assert "attributed to nobody" in drawn.caption
    page = app.test_client().get("/contributions/repositories/?window=all").text
    for public_id in names.values():
        assert f"/contributions/?window=all&amp;repository={public_id}" in page
    assert "/contributions/figures/repositories.csv?window=all" in page
    dashboard = app.test_client().get(f"/contributions/organizations/{acme}?window=all").text
    assert f"/contributions/figures/repositories.csv?window=all&amp;organization={acme}" in dashboard
