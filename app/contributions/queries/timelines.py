"""The figures of changes and issues: how many, how long they wait and last, who reviews; for a scope and window.

Everything reads the measures (`app.contributions.models.derived`). Bots' changes and issues are in none of it but
`Counts.by_bots`. What has no end yet is counted as going on until `as_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import Comparison, compare, factor
from app.contributions.metrics.durations import Durations, add_up, seconds_of, step_of
from app.contributions.models import Attribution, ChangeMeasure, ChangeModule, ChangeReviewer, IssueMeasure
from app.contributions.queries.folders import Folders
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope
from app.contributions.windows import Window

EXACT = 5000
"""Up to so many durations each counts as it is; of more, each is first rounded down to its step."""


class Thing(Enum):
    """What is asked about."""

    CHANGES = "changes"
    ISSUES = "issues"

    @property
    def measure(self) -> type[ChangeMeasure] | type[IssueMeasure]:
        """Its measures."""
        return ChangeMeasure if self is Thing.CHANGES else IssueMeasure


class Standing(Enum):
    """Whom an author worked for on the day of opening: a member (or one owned by it), another, nobody; or unknown."""

    MEMBER = "member"
    OTHER = "other"
    INDEPENDENT = "independent"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Authors:
    """Whose changes or issues; None asks for everybody's."""

    standing: Standing | None = None
    tier: str | None = None
    is_first: bool | None = None


EVERYBODY = Authors()


class By(Enum):
    """What figures can be told apart by.

    By all but MODULE the parts add up to the whole: a change that touches two modules is in both, one that touches none
    is left out, and an issue touches no path.
    """

    NOTHING = "nothing"
    STANDING = "standing"
    FIRST = "first"
    TIER = "tier"
    ORGANIZATION = "organization"
    REPOSITORY = "repository"
    PERSON = "person"
    MODULE = "module"
    DAY = "day"
    MONTH = "month"


Apart = By | Folders
"""What tells changes apart: one of a fixed list, or the folders below one. Of folders as of modules, a change that
touches two is in both."""


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


@dataclass(frozen=True)
class Load:
    """Reviews by person: who began to review how many changes, and on how few people half of them rest."""

    by_person: Mapping[int, int]

    @property
    def reviews(self) -> int:
        """All of them."""
        return sum(self.by_person.values())

    @property
    def rests_on(self) -> int:
        """The smallest number of people who together began at least half of them."""
        return factor(list(self.by_person.values()))


@remembered
def waiting(
    session: Session, thing: Thing, scope: Scope, window: Window, *, as_of: datetime, authors: Authors = EVERYBODY,
    by: Apart = By.NOTHING,
) -> dict[Any, Durations]:  # fmt: skip
    """Times to first response of what was opened in the window, told apart by `by` (key None for NOTHING)."""
    return _durations(session, thing, scope, window, as_of, authors, by, lasting=False)


@remembered
def lasting(
    session: Session, thing: Thing, scope: Scope, window: Window, *, as_of: datetime, authors: Authors = EVERYBODY,
    by: Apart = By.NOTHING,
) -> dict[Any, Durations]:  # fmt: skip
    """Durations until closing of what was opened in the window, told apart by `by`."""
    return _durations(session, thing, scope, window, as_of, authors, by, lasting=True)


@remembered
def outsiders(session: Session, scope: Scope, window: Window, *, as_of: datetime) -> Comparison:
    """Do changes by people of no member wait longer for a response than members' do?

    Those of whom nobody knows for whom they work are on neither side.
    """
    found = waiting(session, Thing.CHANGES, scope, window, as_of=as_of, by=By.STANDING)
    outside = add_up(found.get(key, {}) for key in (Standing.OTHER, Standing.INDEPENDENT))
    return compare(found.get(Standing.MEMBER, {}), outside)


@remembered
def first_timers(session: Session, scope: Scope, window: Window, *, as_of: datetime) -> Comparison:
    """Do changes by first-timers wait longer for a response than others' do?"""
    found = waiting(session, Thing.CHANGES, scope, window, as_of=as_of, by=By.FIRST)
    return compare(found.get(False, {}), found.get(True, {}))


@remembered
def counts(session: Session, thing: Thing, scope: Scope, window: Window, *, authors: Authors = EVERYBODY) -> Counts:
    """How many were opened, closed, merged and reviewed in the window, and how many were open at its end."""
    table = thing.measure
    where = concerned(thing, scope, authors)
    opened = by_bots = 0
    rows = session.execute(
        sa.select(table.is_bot, sa.func.count()).where(*where, table.opened_on.between(window.since, window.until))
        .group_by(table.is_bot)
    )  # fmt: skip
    for is_bot, number in rows:
        opened, by_bots = (opened, number) if is_bot else (number, by_bots)
    closed = merged = reviewed = in_all = 0
    spread = [0, 0, 0]
    for was_merged, reviewers, number in session.execute(_closings(thing, where, window)):
        closed += number
        if was_merged:
            merged += number
            reviewed += number if reviewers else 0
            spread[min(reviewers, 2)] += number
            in_all += reviewers * number
    return Counts(opened, closed, merged, reviewed, (spread[0], spread[1], spread[2]), in_all,
                  _backlog(session, thing, where, window.until), by_bots)  # fmt: skip


@remembered
def over_time(
    session: Session, thing: Thing, scope: Scope, window: Window, *, authors: Authors = EVERYBODY
) -> dict[str, dict[date, int]]:
    """Day by day, what was "opened" and "closed" and, of changes, "merged"; days with nothing are left out."""
    table = thing.measure
    where = [*concerned(thing, scope, authors), table.is_bot.is_(False)]
    asked: dict[str, tuple[Any, list[Any]]] = {"opened": (table.opened_on, []), "closed": (table.closed_on, [])}
    if thing is Thing.CHANGES:
        asked["merged"] = (table.closed_on, [ChangeMeasure.merged_on.is_not(None)])
    found = {}
    for name, (day, which) in asked.items():
        within = day.between(window.since, window.until)
        query = sa.select(day, sa.func.count()).where(*where, *which, within).group_by(day)
        found[name] = {on: number for on, number in session.execute(query)}
    return found


@remembered
def review_load(session: Session, scope: Scope, window: Window) -> Load:
    """Who began to review how many changes in the window; of an organization, its people (on that day)."""
    table = ChangeReviewer
    rows = session.execute(
        sa.select(table.person_id, sa.func.count()).where(*_begun(scope, window)).group_by(table.person_id)
        .order_by(sa.func.count().desc(), table.person_id)
    )  # fmt: skip
    return Load({person: number for person, number in rows})


@remembered
def reviews_by_organization(
    session: Session, scope: Scope, window: Window
) -> dict[tuple[int | None, Attribution], int]:
    """Changes that each organization's people began to review (None: independent, or unknown)."""
    table = ChangeReviewer
    rows = session.execute(
        sa.select(table.organization_id, table.attribution, sa.func.count()).where(*_begun(scope, window))
        .group_by(table.organization_id, table.attribution)
    )  # fmt: skip
    return {(organization, attribution): number for organization, attribution, number in rows}


@remembered
def opened_by(
    session: Session, thing: Thing, scope: Scope, window: Window, by: Apart, *, authors: Authors = EVERYBODY
) -> dict[Any, int]:
    """What was opened in the window, told apart by `by`; the parts add up to the whole."""
    table = thing.measure
    key = key_of(table, by)
    rows = session.execute(
        sa.select(key, sa.func.count())
        .where(*concerned(thing, scope, authors), *joined(by), table.is_bot.is_(False),
               table.opened_on.between(window.since, window.until))
        .group_by(key)
    )  # fmt: skip
    return {named(by, value): number for value, number in rows}


def _durations(
    session: Session, thing: Thing, scope: Scope, window: Window, as_of: datetime, authors: Authors, by: Apart, *,
    lasting: bool,
) -> dict[Any, Durations]:  # fmt: skip
    table = thing.measure
    key = key_of(table, by)
    length, step = (table.lasted_s, table.lasted_step) if lasting else (table.waited_s, table.waited_step)
    since = table.opened_at if lasting else table.starts_at
    has_ended: Any = sa.true() if lasting else table.is_answered
    where = [*concerned(thing, scope, authors), *joined(by), table.is_bot.is_(False),
             table.opened_on.between(window.since, window.until)]  # fmt: skip
    some = sa.select(sa.literal(1)).where(*where, step.is_not(None)).limit(EXACT + 1).subquery()
    is_exact = (session.scalar(sa.select(sa.func.count()).select_from(some)) or 0) <= EXACT
    ended: list[tuple[Any, Any, Any, int]]
    if is_exact:
        known = sa.select(key, has_ended, length).where(*where, length.is_not(None))
        ended = [(*row, 1) for row in session.execute(known)]
    else:
        # Step and end in one whole number: databases sort very many rows by one number much faster than by two columns.
        packed = step * 2 + (1 if lasting else sa.case((table.is_answered, 1), else_=0))
        columns = (packed,) if by is By.NOTHING else (key, packed)
        rows = session.execute(sa.select(*columns, sa.func.count()).where(*where, step.is_not(None)).group_by(*columns))
        ended = [(row[0], row[-2] % 2 == 1, seconds_of(row[-2] // 2), row[-1]) for row in rows]
    found: dict[Any, dict[float, tuple[int, int]]] = {}
    for group, is_over, seconds, number in ended:
        _add(found.setdefault(named(by, group), {}), seconds, number, is_over=bool(is_over))
    open_ones = sa.select(key, since).where(*where, length.is_(None), since.is_not(None), table.closed_on.is_(None))
    for group, begun in session.execute(open_ones):
        seconds = max(0, int((as_of - begun).total_seconds()))
        at = seconds if is_exact else seconds_of(step_of(seconds))
        _add(found.setdefault(named(by, group), {}), at, 1, is_over=False)
    return dict(found)


def _add(counted: dict[float, tuple[int, int]], at: float, number: int, *, is_over: bool) -> None:
    ended, going_on = counted.get(at, (0, 0))
    counted[at] = (ended + number, going_on) if is_over else (ended, going_on + number)


def _closings(thing: Thing, where: list[Any], window: Window) -> sa.Select[Any, Any, int]:
    table = thing.measure
    mine = (*where, table.is_bot.is_(False), table.closed_on.between(window.since, window.until))
    if thing is Thing.ISSUES:
        return sa.select(sa.false(), sa.literal(0), sa.func.count()).where(*mine)
    was_merged = ChangeMeasure.merged_on.is_not(None)
    return sa.select(was_merged, ChangeMeasure.reviewers, sa.func.count()).where(*mine).group_by(
        was_merged, ChangeMeasure.reviewers)  # fmt: skip


def _backlog(session: Session, thing: Thing, where: list[Any], day: date) -> int:
    """Open at the end of a day: two narrow ranges of closing days instead of all that was ever opened."""
    table = thing.measure
    # As a case, so that no database takes the much wider range of opening days for its way in.
    was_opened = sa.case((table.opened_on <= day, 1), else_=0) == 1
    mine = (*where, table.is_bot.is_(False), was_opened)
    still = session.scalar(sa.select(sa.func.count()).where(*mine, table.closed_on.is_(None)))
    later = session.scalar(sa.select(sa.func.count()).where(*mine, table.closed_on > day))
    return (still or 0) + (later or 0)


def _begun(scope: Scope, window: Window) -> list[sa.ColumnElement[bool]]:
    """Reviews of this scope that were begun in the window."""
    table = ChangeReviewer
    found: list[sa.ColumnElement[bool]] = [table.first_on.between(window.since, window.until)]
    for column, value in ((table.repository_id, scope.repository), (table.person_id, scope.person)):
        if value:
            found.append(column == value)
    if scope.organization:
        found.append(table.organization_id.in_(scope.organizations))
    if scope.module:
        found.append(table.change_id.in_(_in_module(scope.module)))
    return found


def concerned(thing: Thing, scope: Scope, authors: Authors) -> list[sa.ColumnElement[bool]]:
    """The measures of a scope and of these authors."""
    return [*_where(thing, scope), *_of(thing.measure, authors)]


def _where(thing: Thing, scope: Scope) -> list[sa.ColumnElement[bool]]:
    table = thing.measure
    found: list[sa.ColumnElement[bool]] = []
    for column, value in ((table.repository_id, scope.repository), (table.person_id, scope.person)):
        if value:
            found.append(column == value)
    if scope.organization:
        found.append(table.organization_id.in_(scope.organizations))
    if scope.module:
        # An issue touches no path.
        in_it = ChangeMeasure.change_id.in_(_in_module(scope.module)) if thing is Thing.CHANGES else sa.false()
        found.append(in_it)
    return found


def _in_module(key: str) -> sa.Select[Any]:
    return sa.select(ChangeModule.change_id).where(ChangeModule.module_key == key)


def _of(table: type[ChangeMeasure] | type[IssueMeasure], authors: Authors) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if authors.standing is Standing.MEMBER:
        found.append(table.tier_key.is_not(None))
    elif authors.standing is Standing.OTHER:
        found += [table.attribution == Attribution.ORGANIZATION, table.tier_key.is_(None)]
    elif authors.standing is not None:
        found.append(table.attribution == Attribution(authors.standing.value))
    if authors.tier is not None:
        found.append(table.tier_key == authors.tier)
    if authors.is_first is not None:
        found.append(table.is_first.is_(authors.is_first))
    return found


def key_of(table: type[ChangeMeasure] | type[IssueMeasure], by: Apart) -> Any:
    """By what the measures are grouped."""
    if isinstance(by, Folders):
        return by.rows.folder
    return {
        By.NOTHING: table.is_bot, By.FIRST: table.is_first, By.TIER: table.tier_key,
        By.ORGANIZATION: table.organization_id, By.REPOSITORY: table.repository_id, By.PERSON: table.person_id,
        By.MODULE: ChangeModule.module_key, By.DAY: table.opened_on,
        By.MONTH: sa.func.substr(sa.cast(table.opened_on, sa.String(10)), 1, 7),
        By.STANDING: sa.case((table.tier_key.is_not(None), Standing.MEMBER.value),
                             (table.attribution == Attribution.ORGANIZATION, Standing.OTHER.value),
                             (table.attribution == Attribution.INDEPENDENT, Standing.INDEPENDENT.value),
                             else_=Standing.UNKNOWN.value),
    }[by]  # fmt: skip


def joined(by: Apart) -> list[sa.ColumnElement[bool]]:
    """What ties the rows of `key_of` to the measures of changes, where these stand in another table."""
    if isinstance(by, Folders):
        return [by.rows.change_id == ChangeMeasure.change_id]
    return [ChangeModule.change_id == ChangeMeasure.change_id] if by is By.MODULE else []


def named(by: Apart, value: Any) -> Any:
    """A group's key as answers have it."""
    if isinstance(by, Folders):
        return value
    if by is By.NOTHING:
        return None
    if by is By.MONTH:
        return date.fromisoformat(f"{value}-01")
    return Standing(value) if by is By.STANDING else bool(value) if by is By.FIRST else value
