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
from app.contributions.queries.scopes import Scope, bucket_of, day_of
from app.contributions.queries.worked import worked
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
    bucket = bucket_of(window)
    trends: dict[str, list[tuple[date, int]]] = {}
    when = sa.select(Rollup.module_key, bucket, commits).where(*where).group_by(Rollup.module_key, bucket)
    for key, first, number in session.execute(when.order_by(Rollup.module_key, bucket)):
        trends.setdefault(str(key), []).append((day_of(first), int(number)))
    own = worked(session, scope, window, _committed, coarsest=Stretch.YEAR, any_module=True).c
    who = (own.module_key, own.organization_id, own.attribution, own.person_id)
    people: dict[str, Counter[int]] = {key: Counter() for key in trends}
    companies: dict[str, Counter[int]] = {key: Counter() for key in trends}
    unknown: Counter[str] = Counter()
    for module, organization, attribution, person, number in session.execute(
        sa.select(*who, sa.func.sum(own.commits)).where(own.module_key.in_(keys)).group_by(*who)
    ):
        key = str(module)
        if person is not None:
            people[key][person] += int(number)
        if organization is not None:
            companies[key][organization] += int(number)
        if attribution is Attribution.UNKNOWN:
            unknown[key] += int(number)
    found = {}
    for key, trend in trends.items():
        total = sum(number for _, number in trend)
        found[key] = ModuleWork(
            total, len(people[key]), len(companies[key]), factor(people[key].values()),
            factor(companies[key].values()) if companies[key] else None, unknown[key] / total, tuple(trend),
        )  # fmt: skip
    return found


@remembered
def absence_over(session: Session, scope: Scope, ends: tuple[date, ...]) -> list[tuple[int, int]]:
    """(absence factor, commits) of the year up to each of these days; months are counted whole."""
    if not ends:
        return []
    span = Window((min(ends) - YEAR).replace(day=1), max(ends))
    own = worked(session, scope, span, _committed, coarsest=Stretch.MONTH).c
    month = sa.func.substr(sa.cast(own.day, sa.String(10)), 1, 7)
    rows = session.execute(
        sa.select(own.person_id, month, sa.func.sum(own.commits)).group_by(own.person_id, month)
    )
    return factor_at([(person, day_of(first), int(number)) for person, first, number in rows], ends)


def last_days_in(session: Session, module: str, persons: Collection[int]) -> dict[int, date]:
    """The last day on which each of these persons contributed to a module, as far as commits tell."""
    rows = session.execute(
        sa.select(Rollup.person_id, sa.func.max(Rollup.day))
        .where(Rollup.module_key == module, Rollup.person_id.in_(sorted(persons)), Rollup.kind.in_(CONTRIBUTIONS))
        .group_by(Rollup.person_id)
    )
    return {person: day for person, day in rows if person is not None}


def _committed(table: Any) -> Any:
    return table.kind.in_(COMMITS)


def _counted(scope: Scope) -> list[sa.ColumnElement[bool]]:
    return [Rollup.repository_id == scope.repository if scope.repository else Rollup.is_counted.is_(True)]
