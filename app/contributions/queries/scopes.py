"""What is looked at: everything, or one repository, module, organization or person; and by which periods."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

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


def bucket_of(window: Window, column: Any = Rollup.day) -> sa.ColumnElement[str]:
    """A day's bucket: the day itself (weeks are made later), or the month with which the window's period begins."""
    text = sa.cast(column, sa.String(10))
    if window.days <= 184:
        return text
    year, month = sa.func.substr(text, 1, 4), sa.func.substr(text, 6, 2)
    if window.days <= 5 * 366:
        return sa.func.substr(text, 1, 7)
    if window.days <= 15 * 366:
        return year + sa.case((month < "04", "-01"), (month < "07", "-04"), (month < "10", "-07"), else_="-10")
    return year + "-01"


@lru_cache(maxsize=8192)
def day_of(bucket: str | date) -> date:
    """The first day of a bucket."""
    if isinstance(bucket, date):
        return bucket
    return date.fromisoformat(bucket if len(bucket) == 10 else f"{bucket}-01")
