"""Modules side by side and one module over time: who works in them, and on how few people and companies they rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import COMMITS, CONTRIBUTIONS, factor
from app.contributions.metrics.people import factor_at
from app.contributions.models import Attribution, Rollup, Stretch
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope, bucket_of, buckets, place_of, rows_of
from app.contributions.queries.worked import committed, summed, worked
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
    trends = _trends(session, scope, window, keys)
    people = _people(session, scope, window, keys)
    companies: dict[str, Counter[int]] = {key: Counter() for key in keys}
    unattributed: Counter[str] = Counter()
    for key, organization, attribution, commits in summed(
        session, scope, window, committed, _of(keys), coarsest=Stretch.YEAR, any_module=True, sums=_commits,
        by=lambda own: (own.module_key, own.organization_id, own.attribution),
    ):
        if organization is not None:
            companies[key][organization] += int(commits)
        elif attribution is Attribution.UNKNOWN:
            unattributed[key] += int(commits)
    found = {}
    for key, trend in trends.items():
        total, mine = sum(number for _, number in trend), people.get(key, [])
        found[key] = ModuleWork(
            total, len(mine), len(companies[key]), factor(mine), factor(companies[key].values()) or None,
            unattributed[key] / total, tuple(trend),
        )  # fmt: skip
    return found


def _trends(
    session: Session, scope: Scope, window: Window, keys: Collection[str]
) -> dict[str, list[tuple[date, int]]]:
    """Module -> its commits by the window's buckets."""
    # Added up by days first, as the index has them: only these, which are few, are put into buckets.
    where = [*_counted(scope), Rollup.module_key.in_(keys), Rollup.kind.in_(COMMITS),
             Rollup.day.between(window.since, window.until)]  # fmt: skip
    days = sa.select(Rollup.module_key, Rollup.day, sa.func.sum(Rollup.commits).label("commits")).where(*where)
    daily = days.group_by(Rollup.module_key, Rollup.day).subquery("daily").c
    bucket, firsts = bucket_of(window, daily.day), buckets(window)
    when = sa.select(daily.module_key, bucket, sa.func.sum(daily.commits)).group_by(daily.module_key, bucket)
    found: dict[str, list[tuple[date, int]]] = {}
    for key, place, number in sorted(rows_of(session, when)):
        found.setdefault(key, []).append((firsts[place], int(number)))
    return found


def _people(session: Session, scope: Scope, window: Window, keys: Collection[str]) -> dict[str, list[int]]:
    """Module -> how many commits each of its people made, in no order."""
    own = worked(session, scope, window, committed, _of(keys), coarsest=Stretch.YEAR, any_module=True).c
    of_each = (
        sa.select(own.module_key, sa.func.sum(own.commits).label("commits")).where(own.person_id.is_not(None))
        .group_by(own.module_key, own.person_id)
    ).subquery("of_each").c  # fmt: skip
    # Many made as few commits as others: it is counted how many made how many.
    alike = sa.select(of_each.module_key, of_each.commits, sa.func.count())
    found: dict[str, list[int]] = {}
    for key, commits, number in rows_of(session, alike.group_by(of_each.module_key, of_each.commits)):
        found.setdefault(key, []).extend([int(commits)] * number)
    return found


def _of(keys: Collection[str]) -> Any:
    # Named one by one, modules are looked up in the index that holds all sums; "any module" would read every row.
    return lambda table: table.module_key.in_(keys)


def _commits(own: Any) -> tuple[Any]:
    return (sa.func.sum(own.commits),)


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
