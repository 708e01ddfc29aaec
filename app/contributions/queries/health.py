"""How reviews go: what waits longest now, waiting and lasting period by period, backlog and coverage over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import Spread, spread
from app.contributions.metrics.durations import Durations, add_up
from app.contributions.models import (
    Change,
    ChangeMeasure,
    ChangeState,
    Issue,
    IssueMeasure,
    IssueState,
    Repository,
)
from app.contributions.queries.flows import closings, counts, over_time
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope
from app.contributions.queries.timelines import (
    EVERYBODY,
    SIDES,
    Apart,
    Authors,
    By,
    Thing,
    concerned,
    joined,
    key_of,
    lasting,
    named,
    of_sides,
    waiting,
)
from app.contributions.windows import Window, in_periods, placing


@dataclass(frozen=True)
class Waiting:
    """A change or an issue that is open and that nobody but its author has answered."""

    public_id: str
    number: int | None
    title: str
    url: str
    repository: str
    author_id: int | None
    since: datetime


@dataclass(frozen=True)
class Coverage:
    """The merged changes of a period: how many, how many of them somebody reviewed, and reviewers in all."""

    merged: int
    reviewed: int
    reviewers: int


class Closed(NamedTuple):
    """Changes that were closed: how many, how many of them merged, how many of those reviewed before, and reviewers."""

    closed: int = 0
    merged: int = 0
    reviewed: int = 0
    reviewers: int = 0


@remembered
def longest_waiting(
    session: Session, thing: Thing, scope: Scope, *, authors: Authors = EVERYBODY, most: int = 20
) -> list[Waiting]:
    """What waits for a first response, the longest first; drafts that were never ready wait for nobody."""
    table = thing.measure
    what = Change if thing is Thing.CHANGES else Issue
    of = ChangeMeasure.change_id if thing is Thing.CHANGES else IssueMeasure.issue_id
    state = Change.state == ChangeState.OPEN if thing is Thing.CHANGES else Issue.state == IssueState.OPEN
    query = (
        sa.select(what.public_id, what.number, what.title, what.url, Repository.name, table.person_id,
                  table.starts_at)
        .select_from(table)
        .join(what, what.id == of)
        .join(Repository, Repository.id == table.repository_id)
        .where(*concerned(thing, scope, authors), state, Repository.private_since.is_(None),
               table.closed_on.is_(None), table.is_bot.is_(False), table.is_answered.is_(False),
               table.starts_at.is_not(None))
        .order_by(table.starts_at, of)
        .limit(most)
    )  # fmt: skip
    rows = session.execute(query)
    return [Waiting(public_id, number, title, url, repository, author_id, since)
            for public_id, number, title, url, repository, author_id, since in rows if since]  # fmt: skip


@remembered
def count_waiting(session: Session, thing: Thing, scope: Scope, *, authors: Authors = EVERYBODY) -> int:
    """How many wait for a first response now."""
    table = thing.measure
    return session.scalar(
        sa.select(sa.func.count()).where(
            *concerned(thing, scope, authors), table.closed_on.is_(None), table.is_bot.is_(False),
            table.is_answered.is_(False), table.starts_at.is_not(None))
    ) or 0  # fmt: skip


@remembered
def closed_by(
    session: Session, scope: Scope, window: Window, by: Apart, *, authors: Authors = EVERYBODY
) -> dict[Any, Closed]:
    """What became of the changes by people that were closed in the window, told apart by `by`."""
    if isinstance(by, By) and by in SIDES:
        sides = closed_by(session, scope, window, By.SIDE, authors=authors)
        return {key: Closed(*map(sum, zip(*parts, strict=True))) for key, parts in of_sides(sides, by).items()}
    table, merged = ChangeMeasure, sa.case((ChangeMeasure.merged_on.is_not(None), 1), else_=0)
    read = sa.select(key_of(table, by).label("key"), merged.label("merged"), table.reviewers.label("reviewers")).where(
        *concerned(Thing.CHANGES, scope, authors), *joined(by), table.is_bot.is_(False),
        table.closed_on.between(window.since, window.until)).subquery().c  # fmt: skip
    is_reviewed = sa.case((read.reviewers > 0, read.merged), else_=0)
    rows = session.execute(
        sa.select(read.key, sa.func.count(), sa.func.sum(read.merged), sa.func.sum(is_reviewed),
                  sa.func.sum(read.merged * read.reviewers)).group_by(read.key)
    )  # fmt: skip
    return {named(by, key): Closed(closed, *map(int, sums)) for key, closed, *sums in rows}


@remembered
def open_by(
    session: Session, scope: Scope, window: Window, by: Apart, *, authors: Authors = EVERYBODY
) -> dict[Any, int]:
    """The changes by people that were open at the end of the window, told apart by `by`."""
    table, day = ChangeMeasure, window.until
    key = key_of(table, by)
    found: dict[Any, int] = {}
    # Two narrow ranges of closing days, and opening days as a case that no database takes for its way in.
    was_opened = sa.case((table.opened_on <= day, 1), else_=0) == 1
    where = (*concerned(Thing.CHANGES, scope, authors), *joined(by), table.is_bot.is_(False), was_opened)
    for still in (table.closed_on.is_(None), table.closed_on > day):
        for value, number in session.execute(sa.select(key, sa.func.count()).where(*where, still).group_by(key)):
            found[named(by, value)] = found.get(named(by, value), 0) + number
    return found


def spreads_over(
    session: Session, thing: Thing, scope: Scope, window: Window, *, as_of: datetime, authors: Authors = EVERYBODY,
    is_lasting: bool = False,
) -> list[Spread]:  # fmt: skip
    """Waiting (or lasting) of what was opened in each period of the window."""
    ask = lasting if is_lasting else waiting
    found: Mapping[date, Durations] = ask(session, thing, scope, window, as_of=as_of, authors=authors, by=_by(window))
    return [spread(add_up(one for day, one in found.items() if period.first <= day <= period.last))
            for period in window.periods()]  # fmt: skip


def spread_of(
    session: Session, thing: Thing, scope: Scope, window: Window, *, as_of: datetime, authors: Authors = EVERYBODY,
    is_lasting: bool = False,
) -> Spread:  # fmt: skip
    """Waiting (or lasting) of all that was opened in the window, from the same answer as `spreads_over`."""
    ask = lasting if is_lasting else waiting
    found = ask(session, thing, scope, window, as_of=as_of, authors=authors, by=_by(window))
    return spread(add_up(found.values()))


def backlog_over(
    session: Session, thing: Thing, scope: Scope, window: Window, *, authors: Authors = EVERYBODY
) -> list[tuple[int, int, int]]:
    """(opened, closed, open at its end) of each period: counted back from what is open at the window's end."""
    days = over_time(session, thing, scope, window, authors=authors)
    still = counts(session, thing, scope, window, authors=authors).backlog
    found: list[tuple[int, int, int]] = []
    in_each = (in_periods(window.periods(), days[name].items()) for name in ("opened", "closed"))
    for opened, closed in reversed(list(zip(*in_each, strict=True))):
        found.append((opened, closed, still))
        still -= opened - closed
    return found[::-1]


@remembered
def coverage_over(
    session: Session, scope: Scope, window: Window, *, authors: Authors = EVERYBODY
) -> list[Coverage]:  # fmt: skip
    """Of what was merged in each period, how much was reviewed before, and by how many."""
    periods = window.periods()
    place = placing(periods)
    merged: list[list[tuple[int, int]]] = [[] for _ in periods]
    for _, merged_on, reviewers, number in closings(session, Thing.CHANGES, scope, window, authors=authors):
        if merged_on is not None and periods[0].first <= merged_on <= periods[-1].last:
            merged[place(merged_on)].append((reviewers, number))
    return [_coverage(rows) for rows in merged]


def _coverage(rows: Sequence[tuple[int, int]]) -> Coverage:
    return Coverage(
        sum(number for _, number in rows),
        sum(number for reviewers, number in rows if reviewers),
        sum(reviewers * number for reviewers, number in rows),
    )


def _by(window: Window) -> By:
    return By.DAY if window.is_weekly else By.MONTH
