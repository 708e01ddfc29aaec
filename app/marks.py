"""Marks: what tells that something moved which pages show.

A page that is kept (`app.answers.keep_pages`) rests on the audit log (the mark "log") and on the marks that its room
names. Whoever writes rows that the log has no line for provides one; rooms below them name it without knowing them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

Mark = Callable[[], sa.Select[*tuple[Any, ...]]]
_M = TypeVar("_M", bound=Mark)
_marks: dict[str, Mark] = {}


def mark(name: str) -> Callable[[_M], _M]:
    """Register a mark: `@mark("jobs")` over `() -> SELECT` of one row (or none), another as soon as anything moved."""

    def register(make: _M) -> _M:
        _marks[name] = make
        _together.cache_clear()
        return make

    return register


def read(session: Session, *names: str) -> tuple[Any, ...]:
    """What these marks say now, all asked at once. Raises KeyError for a mark that nobody provides."""
    return tuple(session.execute(_together(names)).one())


@lru_cache
def _together(names: tuple[str, ...]) -> sa.Select[Any]:
    """The rows of these marks as one: asked apart they took two fifths of the time of a page that is kept."""
    for name in names:
        if name not in _marks:
            raise KeyError(f"nobody provides the mark {name!r}; there are {', '.join(sorted(_marks))}")
    rows = [_marks[name]().subquery(name) for name in names]
    beside: sa.FromClause = sa.select(sa.literal_column("1").label("one")).subquery("beside")
    for row in rows:
        beside = beside.outerjoin(row, sa.true())
    return sa.select(*(column for row in rows for column in row.c)).select_from(beside)
