"""How many changes and issues were opened, closed, merged and reviewed, in all and day by day; for a scope and window.

Of a scope and window two ranges are read, once each: what was opened, and what was closed, by day. All else adds up
from there. Bots' changes and issues are in none of it but `Counts.by_bots`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.models import ChangeMeasure
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope, rows_of
from app.contributions.queries.timelines import (
    EVERYBODY,
    Apart,
    Authors,
    By,
    Standing,
    Thing,
    concerned,
    joined,
    key_of,
    named,
    standing_of,
)
from app.contributions.windows import Window


@dataclass(frozen=True)
class Counts:
    """How many in a window. `merged`, `reviewed` and the rest are of changes; an issue has none.

    `backlog`: how many were open at the end of the window's last day. `reviewers`: merged changes by how many people
    reviewed them: none, one, two or more.
    """

    opened: int
    closed: int
    merged: int
    reviewed: int
    reviewers: tuple[int, int, int]
    reviewers_in_all: int
    backlog: int
    by_bots: int

    @property
    def closure_ratio(self) -> float | None:
        """Closed by opened; None if none was opened."""
        return self.closed / self.opened if self.opened else None

    @property
    def coverage(self) -> float | None:
        """Of the merged, the share that somebody reviewed; None if none was merged."""
        return self.reviewed / self.merged if self.merged else None

    @property
    def reviewers_each(self) -> float | None:
        """Reviewers of a merged change, on average; None if none was merged."""
        return self.reviewers_in_all / self.merged if self.merged else None


class Closing(NamedTuple):
    """So many that were closed on one day: when they were merged (None: not, or it is an issue), and by how many people
    each of them was reviewed.
    """

    day: date
    merged_on: date | None
    reviewers: int
    number: int


@remembered
def opened_by_day(
    session: Session, thing: Thing, scope: Scope, window: Window, *, authors: Authors = EVERYBODY
) -> list[tuple[date, bool, Standing, int]]:
    """(day, whether by bots, for whom the authors worked, how many) of what was opened in the window."""
    table = thing.measure
    # As they stand in the index of opening days: so nothing has to be sorted.
    keys = (table.opened_on, table.is_bot, table.attribution, table.tier_key)
    rows = rows_of(
        session,
        sa.select(*keys, sa.func.count())
        .where(*concerned(thing, scope, authors), table.opened_on.between(window.since, window.until)).group_by(*keys),
    )  # fmt: skip
    return [(day, bool(is_bot), standing_of(attribution, tier), number)
            for day, is_bot, attribution, tier, number in rows]  # fmt: skip


@remembered
def closings(
    session: Session, thing: Thing, scope: Scope, window: Window, *, authors: Authors = EVERYBODY
) -> list[Closing]:
    """What by people was closed in the window, by day."""
    table = thing.measure
    is_change = thing is Thing.CHANGES
    # As they stand in the index of closing days, bots' among them: so nothing has to be sorted.
    keys = (table.closed_on, table.is_bot, *((ChangeMeasure.merged_on, ChangeMeasure.reviewers) if is_change else ()))
    rows = rows_of(
        session,
        sa.select(*keys, sa.func.count())
        .where(*concerned(thing, scope, authors), table.closed_on.between(window.since, window.until)).group_by(*keys),
    )  # fmt: skip
    return [Closing(day, *rest) if is_change else Closing(day, None, 0, *rest)
            for day, is_bot, *rest in rows if not is_bot]  # fmt: skip


@remembered
def counts(session: Session, thing: Thing, scope: Scope, window: Window, *, authors: Authors = EVERYBODY) -> Counts:
    """How many were opened, closed, merged and reviewed in the window, and how many were open at its end."""
    opened = by_bots = 0
    for _, is_bot, _, number in opened_by_day(session, thing, scope, window, authors=authors):
        opened, by_bots = (opened, by_bots + number) if is_bot else (opened + number, by_bots)
    closed = merged = reviewed = in_all = 0
    spread = [0, 0, 0]
    for _, merged_on, reviewers, number in closings(session, thing, scope, window, authors=authors):
        closed += number
        if merged_on is not None:
            merged += number
            reviewed += number if reviewers else 0
            spread[min(reviewers, 2)] += number
            in_all += reviewers * number
    backlog = _backlog(session, thing, concerned(thing, scope, authors), window.until)
    return Counts(opened, closed, merged, reviewed, (spread[0], spread[1], spread[2]), in_all, backlog, by_bots)


@remembered
def opened_and_merged(session: Session, scope: Scope, window: Window) -> tuple[int, int]:
    """How many changes by people were opened, and how many merged, in a window of which nothing else is shown."""
    if (known := counts.if_known(session, Thing.CHANGES, scope, window)) is not None:
        return known.opened, known.merged
    table = ChangeMeasure
    mine = sa.select(sa.func.count()).where(*concerned(Thing.CHANGES, scope, EVERYBODY), table.is_bot.is_(False))
    opened = mine.where(table.opened_on.between(window.since, window.until))
    merged = mine.where(table.closed_on.between(window.since, window.until), table.merged_on.is_not(None))
    return session.scalar(opened) or 0, session.scalar(merged) or 0


@remembered
def over_time(
    session: Session, thing: Thing, scope: Scope, window: Window, *, authors: Authors = EVERYBODY
) -> dict[str, dict[date, int]]:
    """Day by day, what was "opened" and "closed" and, of changes, "merged"; days with nothing are left out."""
    found: dict[str, dict[date, int]] = {"opened": {}, "closed": {}}
    if thing is Thing.CHANGES:
        found["merged"] = {}
    for day, is_bot, _, number in opened_by_day(session, thing, scope, window, authors=authors):
        if not is_bot:
            found["opened"][day] = found["opened"].get(day, 0) + number
    for day, merged_on, _, number in closings(session, thing, scope, window, authors=authors):
        for name in ("closed", "merged") if merged_on is not None else ("closed",):
            found[name][day] = found[name].get(day, 0) + number
    return found


@remembered
def opened_by(
    session: Session, thing: Thing, scope: Scope, window: Window, by: Apart, *, authors: Authors = EVERYBODY
) -> dict[Any, int]:
    """What was opened in the window, told apart by `by`; the parts add up to the whole."""
    if by is By.STANDING:
        found: dict[Any, int] = {}
        for _, is_bot, standing, number in opened_by_day(session, thing, scope, window, authors=authors):
            if not is_bot:
                found[standing] = found.get(standing, 0) + number
        return found
    table = thing.measure
    key = key_of(table, by)
    rows = session.execute(
        sa.select(key, sa.func.count())
        .where(*concerned(thing, scope, authors), *joined(by), table.is_bot.is_(False),
               table.opened_on.between(window.since, window.until))
        .group_by(key)
    )  # fmt: skip
    return {named(by, value): number for value, number in rows}


def _backlog(session: Session, thing: Thing, where: list[Any], day: date) -> int:
    """Open at the end of a day: two narrow ranges of closing days instead of all that was ever opened."""
    table = thing.measure
    # As a case, so that no database takes the much wider range of opening days for its way in.
    was_opened = sa.case((table.opened_on <= day, 1), else_=0) == 1
    mine = (*where, table.is_bot.is_(False), was_opened)
    still = session.scalar(sa.select(sa.func.count()).where(*mine, table.closed_on.is_(None)))
    later = session.scalar(sa.select(sa.func.count()).where(*mine, table.closed_on > day))
    return (still or 0) + (later or 0)
