"""What sums and figures of commits must be: the rollup's days added up in plain Python."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app import create_app
from app.clock import Clock
from app.contributions.metrics import CONTRIBUTIONS, Cell, Summary, contributors, summarize
from app.contributions.models import Attribution, Rollup, Stretch, WorkSum
from app.contributions.queries import Scope
from app.contributions.windows import Period, Window
from app.db import Database
from app.demo.scale.foundation import Scale
from app.demo.scale.generating import generate
from app.settings import Settings

SMALL = Scale(60, 8, 3, 2500)
EVER = Window(date(1970, 1, 1), date(2100, 1, 1))


def generated(settings: Settings, clock: Clock, db: Database, seed: int, scale: Scale = SMALL) -> Flask:
    """The portal over a database that is now filled with a synthetic foundation."""
    app = create_app(settings.model_copy(update={"synthetic": True}), clock=clock, db=db)
    generate(app, scale, seed=seed, say=lambda _text: None)
    return app


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


def days_of(session: Session, scope: Scope, window: Window) -> list[Any]:
    """The rollup's rows themselves: what every figure of commits must be made of."""
    where = (*scope.conditions(), Rollup.day.between(window.since, window.until))
    return list(session.scalars(sa.select(Rollup).where(*where)))


def cells_of(rows: list[Any]) -> list[Cell]:
    """These rows as cells of one day."""
    return [Cell(one.day, one.kind, one.person_id, one.organization_id, one.attribution is not Attribution.UNKNOWN,
                 one.commits, one.added, one.deleted, one.without_lines) for one in rows]  # fmt: skip


def first_days_of(cells: list[Cell]) -> dict[int, date]:
    """Each contributor's first day."""
    found: dict[int, date] = {}
    for cell in cells:
        if cell.kind in CONTRIBUTIONS and cell.person is not None:
            found[cell.person] = min(found.get(cell.person, cell.first), cell.first)
    return found


def bits_of(seen: list[tuple[int, date]], periods: list[Period]) -> dict[int, int]:
    """Person -> the periods in which they were there, as bits; 1 stands for what was before the first."""
    found: dict[int, int] = {}
    for person, day in seen:
        place = next((at for at, period in enumerate(periods, 1) if period.first <= day <= period.last), 0)
        found[person] = found.get(person, 0) | 1 << place
    return found


def summarized(session: Session, scope: Scope, window: Window) -> Summary:
    """The figures of a window from its days, one by one."""
    firsts = first_days_of(cells_of(days_of(session, scope, EVER)))
    before = contributors(cells_of(days_of(session, scope, window.before)))
    return summarize(cells_of(days_of(session, scope, window)), first_days=firsts, since=window.since, before=before)
