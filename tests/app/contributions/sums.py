"""What the sums by month and year must be: the rollup added up in plain Python."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.models import Rollup, Stretch, WorkSum


def written_sums(session: Session) -> Counter[tuple[Any, ...]]:
    """The rows of the sums, without their numbers."""
    columns = [column for column in WorkSum.__table__.columns if column.name != "id"]
    return Counter(tuple(row) for row in session.execute(sa.select(*columns)))


def added_up(session: Session) -> Counter[tuple[Any, ...]]:
    """The rows that there should be."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in session.scalars(sa.select(Rollup)):
        month, year = row.day.replace(day=1), row.day.replace(month=1, day=1)
        places = [] if row.module_key else [(Stretch.MONTH, month, row.repository_id), (Stretch.YEAR, year,
                                                                                       row.repository_id)]  # fmt: skip
        if row.is_counted:
            places.append((Stretch.YEAR, year, None))
            places += [] if row.module_key else [(Stretch.MONTH, month, None)]
        for place in places:
            key = (*place, row.module_key, row.kind, row.attribution, row.organization_id, row.person_id)
            sums = found.setdefault(key, [0, 0, 0, 0, row.day, row.day])
            for at, value in enumerate((row.commits, row.added, row.deleted, row.without_lines)):
                sums[at] += value
            sums[4], sums[5] = min(sums[4], row.day), max(sums[5], row.day)
    return Counter((*key, *sums) for key, sums in found.items())
