"""Counted work summed up by the database, for scopes of a million rows: by organization over time, by person, and all.

`queries.cells` gives every person's work of every period; at the size of the largest projects that is more than a page
can carry. These give the sums that figures are made of, as cells without the person or without the organization.
"""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import COMMITS, Cell, Summary, count, factor, summarize
from app.contributions.models import Attribution, Rollup
from app.contributions.queries.people import people_flow
from app.contributions.queries.remembering import remembered
from app.contributions.queries.work import Scope, bucket_of, day_of
from app.contributions.windows import Window

_SUMS = tuple(sa.func.sum(column) for column in (Rollup.commits, Rollup.added, Rollup.deleted, Rollup.without_lines))


@remembered
def cells_by_organization(session: Session, scope: Scope, window: Window) -> list[Cell]:
    """The work of each organization (and of nobody's, and of nobody knows whose) by period and kind; no persons."""
    keys = (bucket_of(window), Rollup.kind, Rollup.organization_id, Rollup.attribution)
    rows = session.execute(sa.select(*keys, *_SUMS).where(*_within(scope, window)).group_by(*keys))
    return [
        Cell(day_of(first), kind, None, organization, attribution is not Attribution.UNKNOWN, *map(int, sums))
        for first, kind, organization, attribution, *sums in rows
    ]


@remembered
def cells_by_person(session: Session, scope: Scope, window: Window) -> list[Cell]:
    """The work of each person by kind over the whole window; no periods, no organizations."""
    keys = (Rollup.kind, Rollup.person_id)
    rows = session.execute(sa.select(*keys, *_SUMS).where(*_within(scope, window)).group_by(*keys))
    return [Cell(window.since, kind, person, None, True, *map(int, sums)) for kind, person, *sums in rows]


@remembered
def people_by_organization(session: Session, scope: Scope, window: Window) -> dict[tuple[int | None, Attribution], int]:
    """How many people made commits for each organization in the window; who changed employers is one of each."""
    rows = session.execute(
        sa.select(Rollup.organization_id, Rollup.attribution, sa.func.count(Rollup.person_id.distinct()))
        .where(*_within(scope, window), Rollup.kind.in_(COMMITS))
        .group_by(Rollup.organization_id, Rollup.attribution)
    )
    return {(organization, attribution): number for organization, attribution, number in rows}


@remembered
def headline(session: Session, scope: Scope, window: Window) -> Summary:
    """Every figure of a window: what `queries.summary` says of its cells, by sums."""
    people = people_flow(session, scope, window)
    persons = count((cell for cell in cells_by_person(session, scope, window) if cell.kind in COMMITS),
                    lambda cell: cell.person)  # fmt: skip
    found = summarize(cells_by_organization(session, scope, window), first_days={}, since=window.since, before=())
    return replace(
        found,
        contributors=len(people.active),
        new_contributors=len(people.new),
        retention=people.retention,
        absence_factor=factor(persons.values()),
    )


def _within(scope: Scope, window: Window) -> list[sa.ColumnElement[bool]]:
    return [*scope.conditions(), Rollup.day >= window.since, Rollup.day <= window.until]
