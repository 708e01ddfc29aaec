"""Parameters that may be left out as conditions of a query."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa


def same(column: Any, value: Any) -> list[sa.ColumnElement[bool]]:
    """This value; any without one."""
    return [] if value is None else [column == value]


def begins(column: Any, day: date | None) -> list[sa.ColumnElement[bool]]:
    """On this day or later; no bound without a day."""
    return [] if day is None else [column >= datetime.combine(day, time.min, UTC)]


def ends(column: Any, day: date | None) -> list[sa.ColumnElement[bool]]:
    """On this day or before; no bound without a day."""
    return [] if day is None else [column <= datetime.combine(day, time.max, UTC)]
