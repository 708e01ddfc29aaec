"""Where counted work is read from: sums of whole years and months inside a window, and the rollup's days at its edges.

However it is cut, the parts hold the same work: a sum over `worked` is the sum over the rollup's days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import COMMITS, CONTRIBUTIONS
from app.contributions.models import Rollup, Stretch, WorkSum
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope, rows_of
from app.contributions.windows import Window, month_after

Part = tuple[Stretch | None, date, date]
"""Years, months or (None) days, with the first and the last day."""
Columns = Callable[[Any], Sequence[Any]]
_DAY = timedelta(days=1)


def worked(
    session: Session, scope: Scope, window: Window, *where: Any, coarsest: Stretch | None, any_module: bool = False
) -> Any:
    """The scope's work in the window, as a subquery to sum up: the rollup's columns, and the first and last day.

    `day` is the first of its stretch, and of days at the edges of months the first of theirs.

    `coarsest`: the longest stretch that the asker can do with; None for days. `where`: conditions on columns that the
    rollup and its sums share, given as functions of the table. `any_module`: the work by module, of all of them.
    """
    parts = _parts(session, scope, window, where, coarsest, any_module=any_module)
    return (sa.union_all(*parts) if len(parts) > 1 else parts[0]).subquery("worked")


def summed(
    session: Session, scope: Scope, window: Window, *where: Any, coarsest: Stretch | None, any_module: bool = False,
    by: Columns, sums: Columns,
) -> Sequence[Any]:  # fmt: skip
    """The rows of `worked` by some of its columns, with sums of others; both are functions of its columns.

    Each part is summed up by itself, in the order of its index where that has it, and nothing is sorted. So the same
    keys may come with two rows, from the edges of the window and from its middle: whoever asks adds them up.
    """
    parts = []
    for part in _parts(session, scope, window, where, coarsest, any_module=any_module):
        found = part.subquery("part").c
        keys = by(found)
        parts.append(sa.select(*keys, *sums(found)).group_by(*keys))
    return rows_of(session, sa.union_all(*parts) if len(parts) > 1 else parts[0])


def _parts(
    session: Session, scope: Scope, window: Window, where: Sequence[Any], coarsest: Stretch | None, *, any_module: bool
) -> list[sa.Select[Any]]:
    parts = []
    allowed = _allowed(scope, coarsest, any_module=any_module)
    for stretch, since, until in parts_of(widened(session, window), allowed):
        table: Any = Rollup if stretch is None else WorkSum
        day = Rollup.day if stretch is None else WorkSum.starts_on
        first, last = (Rollup.day, Rollup.day) if stretch is None else (WorkSum.first_on, WorkSum.last_on)
        is_edge = stretch is None and allowed == (Stretch.MONTH,) and since.replace(day=1) == until.replace(day=1)
        shown = sa.literal(since.replace(day=1), sa.Date) if is_edge else day
        query = sa.select(
            shown.label("day"), table.module_key, table.kind, table.organization_id, table.attribution, table.person_id,
            table.commits, table.added, table.deleted, table.without_lines, first.label("first_on"),
            last.label("last_on"),
        ).where(day.between(since, until), *scope.of(table, any_module=any_module))  # fmt: skip
        query = query.where(*(one(table) for one in where))
        parts.append(query if stretch is None else query.where(WorkSum.stretch == stretch))
    return parts


def has_months(scope: Scope, window: Window) -> bool:
    """Whether `worked` with `Stretch.MONTH` gives the first days of months alone: then no day need be placed in one."""
    is_long = any(stretch is Stretch.MONTH for stretch, _, _ in parts_of(window, (Stretch.MONTH,)))
    return is_long and Stretch.MONTH in _allowed(scope, Stretch.MONTH, any_module=False)


def committed(table: Any) -> Any:
    """A condition for `worked`: commits by people, merges with them."""
    return table.kind.in_(COMMITS)


def credited(table: Any) -> Any:
    """A condition for `worked`: all that stands beside the commits of people, commits of bots with it."""
    return table.kind.not_in(COMMITS)


def contributed(table: Any) -> Any:
    """A condition for `worked`: whatever makes somebody a contributor."""
    return table.kind.in_(CONTRIBUTIONS)


def parts_of(window: Window, stretches: tuple[Stretch, ...]) -> Iterator[Part]:
    """The window cut into whole stretches, the longest first, and what is left at either side.

    >>> some = Window(date(2024, 11, 29), date(2026, 1, 31))
    >>> [(what.value if what else "days", str(first), str(last)) for what, first, last in
    ...  parts_of(some, (Stretch.YEAR, Stretch.MONTH))]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('days', '2024-11-29', '2024-11-30'), ('month', '2024-12-01', '2024-12-31'),
     ('year', '2025-01-01', '2025-12-31'), ('month', '2026-01-01', '2026-01-31')]
    """
    since, until = window.since, window.until
    if since > until:
        return
    if not stretches:
        yield None, since, until
        return
    longest, rest = stretches[0], stretches[1:]
    begin = since if _first(longest, since) == since else _first(longest, _last(longest, since) + _DAY)
    end = until if _last(longest, until) == until else _first(longest, until) - _DAY
    if begin > end:
        yield from parts_of(window, rest)
        return
    yield from parts_of(Window(since, begin - _DAY), rest)
    yield longest, begin, end
    yield from parts_of(Window(end + _DAY, until), rest)


def ends(session: Session, *where: sa.ColumnElement[bool]) -> tuple[date, date] | None:
    """The first and the last day with any work at all: two looks at an index. `where` is about rows of the rollup."""
    found = []
    for order in ((Rollup.module_key, Rollup.day), (Rollup.module_key.desc(), Rollup.day.desc())):
        query = sa.select(Rollup.day).where(Rollup.module_key.is_(None), *where).order_by(*order).limit(1)
        found.append(session.scalar(query))
    return (found[0], found[1]) if found[0] is not None and found[1] is not None else None


@remembered
def _known_ends(session: Session) -> tuple[date, date] | None:
    return ends(session)


def widened(session: Session, window: Window) -> Window:
    """The window, with the rest of a year at a side beyond which there is nothing: then whole sums can be read."""
    known = _known_ends(session)
    if known is None:
        return window
    since = window.since.replace(month=1, day=1) if window.since <= known[0] else window.since
    return Window(since, _last(Stretch.YEAR, window.until) if window.until >= known[1] else window.until)


def _allowed(scope: Scope, coarsest: Stretch | None, *, any_module: bool) -> tuple[Stretch, ...]:
    """What sums there are for a scope, the longest first."""
    if coarsest is None or ((any_module or scope.module) and scope.repository):
        return ()
    there = (Stretch.YEAR,) if any_module or scope.module else (Stretch.YEAR, Stretch.MONTH)
    return there if coarsest is Stretch.YEAR else there[1:]


def _first(stretch: Stretch, day: date) -> date:
    return day.replace(day=1) if stretch is Stretch.MONTH else day.replace(month=1, day=1)


def _last(stretch: Stretch, day: date) -> date:
    if stretch is Stretch.YEAR:
        return day.replace(month=12, day=31)
    return month_after(day) - _DAY
