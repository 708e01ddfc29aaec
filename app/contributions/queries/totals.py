"""Counted work summed up by the database, for scopes of a million rows: by organization over time, by person, and all.

`queries.cells` gives every person's work of every period; at the size of the largest projects that is more than a page
can carry. These give the sums that figures are made of, as cells without the person or without the organization.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import COMMITS, CONTRIBUTIONS, Cell, Summary, factor, summarize
from app.contributions.models import Attribution, Stretch
from app.contributions.queries.people import people_flow
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope, bucket_of, day_of
from app.contributions.queries.work import by_month, contributors_of, first_days, sums_of
from app.contributions.queries.worked import worked
from app.contributions.windows import Window


@remembered
def cells_by_organization(session: Session, scope: Scope, window: Window) -> list[Cell]:
    """The work of each organization (and of nobody's, and of nobody knows whose) by period and kind; no persons."""
    found = worked(session, scope, window, coarsest=by_month(window)).c
    keys = (bucket_of(window, found.day), found.kind, found.organization_id, found.attribution)
    rows = session.execute(sa.select(*keys, *sums_of(found)).group_by(*keys))
    return [
        Cell(day_of(first), kind, None, organization, attribution is not Attribution.UNKNOWN, *map(int, sums))
        for first, kind, organization, attribution, *sums in rows
    ]


@remembered
def cells_by_person(session: Session, scope: Scope, window: Window) -> list[Cell]:
    """The work of each person by kind over the whole window; no periods, no organizations."""
    found = worked(session, scope, window, coarsest=Stretch.YEAR).c
    rows = session.execute(
        sa.select(found.kind, found.person_id, *sums_of(found)).group_by(found.kind, found.person_id)
    )
    return [Cell(window.since, kind, person, None, True, *map(int, sums)) for kind, person, *sums in rows]


@remembered
def commits_by_person(session: Session, scope: Scope, window: Window) -> Mapping[int | None, int]:
    """How many commits (merges with them) each person made in the window."""
    found = worked(session, scope, window, _committed, coarsest=Stretch.YEAR).c
    rows = session.execute(sa.select(found.person_id, sa.func.sum(found.commits)).group_by(found.person_id))
    return {person: int(commits) for person, commits in rows}


@remembered
def people_by_organization(
    session: Session, scope: Scope, window: Window
) -> dict[tuple[int | None, Attribution], int]:
    """How many people made commits for each organization in the window; who changed employers is one of each."""
    found = worked(session, scope, window, _committed, coarsest=Stretch.YEAR).c
    rows = session.execute(
        sa.select(found.organization_id, found.attribution, sa.func.count(found.person_id.distinct()))
        .group_by(found.organization_id, found.attribution)
    )  # fmt: skip
    return {(organization, attribution): number for organization, attribution, number in rows}


@remembered
def people_by_period(session: Session, scope: Scope, window: Window) -> list[tuple[int, int]]:
    """(contributors, of them new) of each of the window's periods."""
    periods = window.periods()
    found = worked(session, scope, window, _contributed, coarsest=by_month(window)).c
    if by_month(window):
        bucket = bucket_of(window, found.day)
    else:  # weeks: each day belongs to the last one that begins no later
        starts = [period.first for period in reversed(periods)]
        bucket = sa.case(*((found.day >= first, first.isoformat()) for first in starts))
    each = sa.select(bucket.label("bucket"), found.person_id).where(found.person_id.is_not(None)).distinct().subquery()
    rows = session.execute(sa.select(each.c.bucket, sa.func.count()).group_by(each.c.bucket))
    everybody = {day_of(first): number for first, number in rows}
    firsts = first_days(session, scope)
    came = sorted(day for day in firsts.values() if window.since <= day <= window.until)
    new = [bisect_right(came, period.last) - bisect_left(came, period.first) for period in periods]
    if periods and periods[0].first < window.since:
        # Somebody may have come in the first period but before the window, and contributed in both.
        early = {person for person, day in firsts.items() if periods[0].first <= day < window.since}
        here = contributors_of(session, scope, Window(window.since, min(periods[0].last, window.until)))
        new[0] += len(early & here)
    return [(everybody.get(period.first, 0), new[at]) for at, period in enumerate(periods)]


@remembered
def headline(session: Session, scope: Scope, window: Window) -> Summary:
    """Every figure of a window: what `queries.summary` says of its cells, by sums."""
    people = people_flow(session, scope, window)
    found = worked(session, scope, window, coarsest=Stretch.YEAR).c
    keys = (found.kind, found.organization_id, found.attribution)
    cells = [
        Cell(window.since, kind, None, organization, attribution is not Attribution.UNKNOWN, *map(int, sums))
        for kind, organization, attribution, *sums in session.execute(sa.select(*keys, *sums_of(found)).group_by(*keys))
    ]
    return replace(
        summarize(cells, first_days={}, since=window.since, before=()),
        contributors=len(people.active),
        new_contributors=len(people.new),
        retention=people.retention,
        absence_factor=factor(commits_by_person(session, scope, window).values()),
    )


def _committed(table: Any) -> Any:
    return table.kind.in_(COMMITS)


def _contributed(table: Any) -> Any:
    return table.kind.in_(CONTRIBUTIONS)
