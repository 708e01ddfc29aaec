"""What is looked at: everything, or one repository, module, organization or person; and by which periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
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
    return _chosen(column, firsts, list(range(len(firsts))))


def bit_of(column: Any, firsts: Sequence[date]) -> sa.ColumnElement[int]:
    """The place of `place_of` as a power of two: 1, 2, 4 and so on. Of 63 days at most, as many bits as a row holds."""
    return _chosen(column, firsts, [1 << place for place in range(len(firsts))])


def _chosen(column: Any, firsts: Sequence[date], numbers: Sequence[int]) -> sa.ColumnElement[int]:
    if len(firsts) == 1:
        return sa.literal_column(str(numbers[0]), sa.BigInteger)
    middle = len(firsts) // 2
    return sa.case((column < firsts[middle], _chosen(column, firsts[:middle], numbers[:middle])),
                   else_=_chosen(column, firsts[middle:], numbers[middle:]))  # fmt: skip


class OfBoth(sa.sql.functions.FunctionElement[int]):
    """A function that SQLite and PostgreSQL have under names of their own, each up to its arguments."""

    sqlite: ClassVar[str]
    postgresql: ClassVar[str]


@compiles(OfBoth)
def _called(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"{getattr(element, compiler.dialect.name)}{compiler.process(element.clauses, **kwargs)})"


class Together(OfBoth):
    """All the bits that powers of two have together: of each, whether it is among them."""

    type = sa.BigInteger()
    inherit_cache = True
    name = "together"
    sqlite, postgresql = "sum(DISTINCT ", "bit_or("


def buckets(window: Window) -> list[date]:
    """The first days of a window's periods: what `bucket_of` counts."""
    return [period.first for period in window.periods()]


def bucket_of(window: Window, column: Any = Rollup.day) -> sa.ColumnElement[int]:
    """In which of the window's periods a day lies, by its place among `buckets`."""
    return place_of(column, buckets(window))


def each_of(column: Any, *where: Any) -> Any:
    """The values of a column, each once (`value`, at last NULL), from one to the next in an index that begins with what
    `where` says equals something, and then the column: some looks, and not every row.
    """
    # In the order of the whole index: below a column that is NULL PostgreSQL does not see that its first is the least.
    begun = [one.left for one in where]
    first = sa.select(column).where(*where, column.is_not(None)).order_by(*begun, column).limit(1)
    least = sa.select(first.scalar_subquery().label("value")).cte("each", recursive=True)
    following = first.where(column > least.c.value).scalar_subquery()
    return least.union_all(sa.select(following).where(least.c.value.is_not(None))).c


def rows_of(session: Session, query: sa.Executable) -> Sequence[Any]:
    """The rows of a query for columns alone, without the ORM's care for objects: half the time where rows are many."""
    return session.connection().execute(query).all()
