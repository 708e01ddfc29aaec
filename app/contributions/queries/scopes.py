"""What is looked at: everything, or one repository, module, organization or person; and by which periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.models import Rollup, WorkSum
from app.contributions.windows import Window


@dataclass(frozen=True)
class Scope:
    """What a page looks at: everything, or one repository, module, organization or person (by row number or key)."""

    repository: int | None = None
    module: str | None = None
    organization: int | None = None
    person: int | None = None
    with_owned: frozenset[int] = frozenset()

    @property
    def organizations(self) -> tuple[int, ...]:
        """The organization, and those it owns that are to count with it (`members.queries.group_members`)."""
        return () if self.organization is None else tuple(sorted({self.organization, *self.with_owned}))

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """The rollup's rows of this scope; a commit in two repositories counts once for the whole."""
        return self.of(Rollup)

    def of(
        self, table: type[Rollup] | type[WorkSum], *, any_module: bool = False
    ) -> list[sa.ColumnElement[bool]]:
        """The rows of this scope in the rollup or its sums; `any_module`: those by module, of all modules."""
        found: list[sa.ColumnElement[bool]] = []
        if self.repository:
            found.append(table.repository_id == self.repository)
        else:
            found.append(Rollup.is_counted.is_(True) if table is Rollup else table.repository_id.is_(None))
        if any_module:
            found.append(table.module_key.is_not(None))
        else:
            found.append(table.module_key == self.module if self.module else table.module_key.is_(None))
        if self.organization:
            found.append(table.organization_id.in_(self.organizations))
        if self.person:
            found.append(table.person_id == self.person)
        return found


EVERYTHING = Scope()


def place_of(column: Any, firsts: Sequence[date]) -> sa.ColumnElement[int]:
    """The place of the last of these days that a day is not before (0 if it is before all): a few comparisons.

    Both databases compare days many times faster than they write them down as texts and cut these.
    """
    if len(firsts) < 2:  # a bare number in a GROUP BY would mean a column by its place
        return sa.case((column.is_(None), 0), else_=0)
    return _place_of(column, firsts, 0, len(firsts))


def _place_of(column: Any, firsts: Sequence[date], low: int, high: int) -> sa.ColumnElement[int]:
    if high - low <= 1:
        return sa.literal_column(str(low), sa.Integer)
    middle = (low + high) // 2
    return sa.case((column < firsts[middle], _place_of(column, firsts, low, middle)),
                   else_=_place_of(column, firsts, middle, high))  # fmt: skip


def buckets(window: Window) -> list[date]:
    """The first days of a window's periods: what `bucket_of` counts."""
    return [period.first for period in window.periods()]


def bucket_of(window: Window, column: Any = Rollup.day) -> sa.ColumnElement[int]:
    """In which of the window's periods a day lies, by its place among `buckets`."""
    return place_of(column, buckets(window))


def rows_of(session: Session, query: sa.Executable) -> Sequence[Any]:
    """The rows of a query for columns alone, without the ORM's care for objects: half the time where rows are many."""
    return session.connection().execute(query).all()
