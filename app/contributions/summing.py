"""Sums the rollup up by month and by year, for those whose rows in it have just been counted anew.

As with the rollup itself nothing is added to a sum: what is concerned is deleted and made again from the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.models import Rollup, Stretch, WorkSum

_COLUMNS = ("stretch", "starts_on", "repository_id", "module_key", "kind", "attribution", "organization_id",
            "person_id", "commits", "added", "deleted", "without_lines", "first_on", "last_on")  # fmt: skip
_NOWHERE = sa.cast(sa.null(), sa.BigInteger)
_NO_MODULE = sa.cast(sa.null(), sa.String)


def sum_persons(session: Session, persons: Sequence[int], years: Collection[int] | None = None) -> None:
    """Sum up anew what these persons (at most some hundreds) did, ever or in these years."""
    summed: list[Any] = [WorkSum.person_id.in_(persons)]
    rolled: list[Any] = [Rollup.person_id.in_(persons)]
    if years is not None:
        spans = [(date(year, 1, 1), date(year, 12, 31)) for year in sorted(years)]
        summed.append(sa.or_(*(WorkSum.starts_on.between(*span) for span in spans)))
        rolled.append(sa.or_(*(Rollup.day.between(*span) for span in spans)))
    session.execute(sa.delete(WorkSum).where(*summed))
    _sum(session, summed, rolled)


def sum_all(session: Session) -> None:
    """Sum up everything anew."""
    session.execute(sa.delete(WorkSum))
    _sum(session, [], [])


def _sum(session: Session, summed: list[Any], rolled: list[Any]) -> None:
    """Months of the whole and of each repository, years out of these months, and the modules' years."""
    counted, whole = Rollup.is_counted.is_(True), Rollup.module_key.is_(None)
    months = [WorkSum.stretch == Stretch.MONTH, *summed]
    _make(session, Stretch.MONTH, Rollup, _NOWHERE, _NO_MODULE, [counted, whole, *rolled])
    _make(session, Stretch.MONTH, Rollup, Rollup.repository_id, _NO_MODULE, [whole, *rolled])
    _make(session, Stretch.YEAR, WorkSum, WorkSum.repository_id, _NO_MODULE, months)
    _make(session, Stretch.YEAR, Rollup, _NOWHERE, Rollup.module_key, [counted, ~whole, *rolled])


def _make(
    session: Session, stretch: Stretch, table: type[Rollup] | type[WorkSum], repository: Any, module: Any,
    where: list[Any],
) -> None:  # fmt: skip
    first, last = (Rollup.day, Rollup.day) if table is Rollup else (WorkSum.first_on, WorkSum.last_on)
    keys = [_begin_of(session, stretch, first), repository, module, table.kind, table.attribution,
            table.organization_id, table.person_id]  # fmt: skip
    sums = [sa.func.sum(column) for column in (table.commits, table.added, table.deleted, table.without_lines)]
    query = (
        sa.select(sa.literal(stretch.value), *keys, *sums, sa.func.min(first), sa.func.max(last))
        .where(*where)
        # A constant NULL is no column to group by.
        .group_by(*(key for key in keys if key is not _NOWHERE and key is not _NO_MODULE))
    )
    session.execute(sa.insert(WorkSum).from_select(_COLUMNS, query))


def _begin_of(session: Session, stretch: Stretch, day: Any) -> Any:
    """The first day of the month or year of a day."""
    if session.get_bind().dialect.name == "sqlite":
        return sa.func.date(day, f"start of {stretch.value}")
    return sa.cast(sa.func.date_trunc(sa.literal_column(f"'{stretch.value}'"), day), sa.Date)
