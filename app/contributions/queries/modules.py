"""Modules side by side and one module over time: who works in them, and on how few people and companies they rest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import COMMITS, CONTRIBUTIONS
from app.contributions.metrics.people import factor_at
from app.contributions.models import Attribution, Rollup, Stretch
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope, bucket_of, buckets, place_of, rows_of
from app.contributions.queries.worked import committed, worked
from app.contributions.windows import Window

YEAR = timedelta(days=365)


@dataclass(frozen=True)
class ModuleWork:
    """What was done in a module in a window, on how few it rests, and its commits by the window's buckets."""

    commits: int
    people: int
    organizations: int
    absence_factor: int
    elephant_factor: int | None
    unattributed: float | None
    trend: tuple[tuple[date, int], ...]


@remembered
def work_by_module(session: Session, scope: Scope, window: Window, keys: tuple[str, ...]) -> dict[str, ModuleWork]:
    """The work in each of these modules; a commit that touches two counts in both. Modules without any are left out."""
    # Named one by one, modules are looked up in the index that holds all sums; "any module" would read every row.
    where = [*_counted(scope), Rollup.module_key.in_(keys), Rollup.kind.in_(COMMITS),
             Rollup.day.between(window.since, window.until)]  # fmt: skip
    commits = sa.func.sum(Rollup.commits)
    bucket, firsts = bucket_of(window), buckets(window)
    trends: dict[str, list[tuple[date, int]]] = {}
    when = sa.select(Rollup.module_key, bucket, commits).where(*where).group_by(Rollup.module_key, bucket)
    for key, place, number in sorted(rows_of(session, when)):
        trends.setdefault(str(key), []).append((firsts[place], int(number)))
    own = worked(session, scope, window, committed, coarsest=Stretch.YEAR, any_module=True).c
    people = _resting_on(session, own, own.person_id, keys)
    companies = _resting_on(session, own, own.organization_id, keys)
    unknown = sa.func.sum(sa.case((own.attribution == Attribution.UNKNOWN, own.commits), else_=0))
    known = sa.select(own.module_key, unknown).where(own.module_key.in_(keys)).group_by(own.module_key)
    unattributed = {str(key): int(number) for key, number in session.execute(known)}
    found = {}
    for key, trend in trends.items():
        total = sum(number for _, number in trend)
        heads, absence = people.get(key, (0, 0))
        organizations, elephant = companies.get(key, (0, None))
        found[key] = ModuleWork(total, heads, organizations, absence, elephant, unattributed[key] / total, tuple(trend))
    return found


def _resting_on(session: Session, own: Any, whose: Any, keys: Collection[str]) -> dict[str, tuple[int, int]]:
    """Module -> (how many of them made its commits, the smallest number who together made at least half)."""
    sums = (
        sa.select(own.module_key, whose.label("whose"), sa.func.sum(own.commits).label("commits"))
        .where(own.module_key.in_(keys), whose.is_not(None))
        .group_by(own.module_key, whose)
    ).subquery().c  # fmt: skip
    order = (sums.commits.desc(), sums.whose)
    reached = sa.func.sum(sums.commits).over(partition_by=sums.module_key, order_by=order, rows=(None, 0))
    total = sa.func.sum(sums.commits).over(partition_by=sums.module_key)
    ranked = sa.select(sums.module_key, sums.commits, reached.label("reached"), total.label("total")).subquery().c
    # Whoever is needed: before them half was not reached.
    is_needed = sa.case(((ranked.reached - ranked.commits) * 2 < ranked.total, 1), else_=0)
    rows = session.execute(
        sa.select(ranked.module_key, sa.func.count(), sa.func.sum(is_needed)).group_by(ranked.module_key)
    )
    return {str(key): (number, int(needed)) for key, number, needed in rows}


@remembered
def absence_over(session: Session, scope: Scope, ends: tuple[date, ...]) -> list[tuple[int, int]]:
    """(absence factor, commits) of the twelve calendar months of which each of these days lies in the last."""
    if not ends:
        return []
    span = Window((min(ends) - YEAR).replace(day=1), max(ends))
    own = worked(session, scope, span, committed, coarsest=Stretch.MONTH).c
    months = span.months()
    month = place_of(own.day, months)
    rows = rows_of(
        session, sa.select(own.person_id, month, sa.func.sum(own.commits)).group_by(own.person_id, month)
    )
    return factor_at([(person, months[place], int(number)) for person, place, number in rows], ends)


def last_days_in(session: Session, module: str, persons: Collection[int]) -> dict[int, date]:
    """The last day on which each of these persons contributed to a module, as far as commits tell."""
    rows = session.execute(
        sa.select(Rollup.person_id, sa.func.max(Rollup.day))
        .where(Rollup.module_key == module, Rollup.person_id.in_(sorted(persons)), Rollup.kind.in_(CONTRIBUTIONS))
        .group_by(Rollup.person_id)
    )
    return {person: day for person, day in rows if person is not None}


def _counted(scope: Scope) -> list[sa.ColumnElement[bool]]:
    return [Rollup.repository_id == scope.repository if scope.repository else Rollup.is_counted.is_(True)]
