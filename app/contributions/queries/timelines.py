"""The figures of changes and issues: how many, how long they wait and last, who reviews; for a scope and window.

Everything reads the measures (`app.contributions.models.derived`). Bots' changes and issues are in none of it but
`Counts.by_bots`. What has no end yet is counted as going on until `as_of`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import Comparison, compare, factor
from app.contributions.metrics.durations import Durations, add_up, seconds_of, step_of
from app.contributions.models import Attribution, ChangeMeasure, ChangeModule, ChangeReviewer, IssueMeasure
from app.contributions.queries.folders import Folders
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import OfBoth, Scope, place_of, rows_of
from app.contributions.windows import Window, month_after

_T = TypeVar("_T")
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
    """Whose changes or issues; None asks for everybody's. `organizations`: people who worked for one of these."""

    standing: Standing | None = None
    tier: str | None = None
    is_first: bool | None = None
    organizations: frozenset[int] | None = None


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
    SIDE = "side"
    """Standing, and whether it is the author's first: what both are told from, read once."""


SIDES = {By.STANDING: 0, By.FIRST: 1}
"""Told from By.SIDE, and where in its keys they stand."""


Apart = By | Folders
"""What tells changes apart: one of a fixed list, or the folders below one. Of folders as of modules, a change that
touches two is in both."""


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
    if isinstance(by, By) and by in SIDES:
        sides = waiting(session, thing, scope, window, as_of=as_of, authors=authors, by=By.SIDE)
        return {key: add_up(parts) for key, parts in of_sides(sides, by).items()}
    return _durations(session, thing, scope, window, as_of, authors, by, lasting=False)


@remembered
def lasting(
    session: Session, thing: Thing, scope: Scope, window: Window, *, as_of: datetime, authors: Authors = EVERYBODY,
    by: Apart = By.NOTHING,
) -> dict[Any, Durations]:  # fmt: skip
    """Durations until closing of what was opened in the window, told apart by `by`."""
    if isinstance(by, By) and by in SIDES:
        sides = lasting(session, thing, scope, window, as_of=as_of, authors=authors, by=By.SIDE)
        return {key: add_up(parts) for key, parts in of_sides(sides, by).items()}
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
def review_load(session: Session, scope: Scope, window: Window) -> Load:
    """Who began to review how many changes in the window; of an organization, its people (on that day)."""
    table = ChangeReviewer
    number = sa.func.count()
    rows = rows_of(
        session,
        sa.select(table.person_id, number).where(*_begun(scope, window)).group_by(table.person_id)
        .order_by(number.desc(), table.person_id),
    )  # fmt: skip
    return Load({person: begun for person, begun in rows})


@remembered
def reviews_by_organization(
    session: Session, scope: Scope, window: Window, organizations: frozenset[int]
) -> dict[int, int]:
    """Changes that the people of each of these organizations began to review."""
    number = ChangeReviewer.organization_id
    rows = session.execute(
        sa.select(number, sa.func.count()).where(*_begun(scope, window), number.in_(sorted(organizations)))
        .group_by(number)
    )  # fmt: skip
    return {organization: begun for organization, begun in rows if organization is not None}


def _durations(
    session: Session, thing: Thing, scope: Scope, window: Window, as_of: datetime, authors: Authors, by: Apart, *,
    lasting: bool,
) -> dict[Any, Durations]:  # fmt: skip
    table = thing.measure
    key = key_of(table, by)
    length, step = (table.lasted_s, table.lasted_step) if lasting else (table.waited_s, table.waited_step)
    since = table.opened_at if lasting else table.starts_at
    has_ended: Any = sa.true() if lasting else table.is_answered
    of_all = [*concerned(thing, scope, authors), *joined(by), table.is_bot.is_(False)]
    where = [*of_all, table.opened_on.between(window.since, window.until)]
    # Of all organizations together: what is told of one must not hang on which others it stands beside.
    every = [*concerned(thing, scope, replace(authors, organizations=None)), *joined(by), table.is_bot.is_(False),
             table.opened_on.between(window.since, window.until)]  # fmt: skip
    some = sa.select(sa.literal(1)).where(*every, step.is_not(None)).limit(EXACT + 1).subquery()
    is_exact = (session.scalar(sa.select(sa.func.count()).select_from(some)) or 0) <= EXACT
    ended: list[tuple[Any, Any, Any, int]]
    if is_exact:
        known = sa.select(key, has_ended, length).where(*where, length.is_not(None))
        ended = [(named(by, group), is_over, seconds, 1) for group, is_over, seconds in rows_of(session, known)]
    else:
        packed = step * 2 + (1 if lasting else sa.case((table.is_answered, 1), else_=0))
        ended = [(group, one % 2, seconds_of(one // 2), number) for group, one, number in
                 _by_step(session, [*of_all, step.is_not(None)], packed, table, scope, by, window)]  # fmt: skip
    found: dict[Any, dict[float, tuple[int, int]]] = {}
    for group, is_over, seconds, number in ended:
        _add(found.setdefault(group, {}), seconds, number, is_over=bool(is_over))
    still_open = (length.is_(None), since.is_not(None), table.closed_on.is_(None))
    open_ones = sa.select(key, _Epoch(since)).where(*where, *still_open)
    going_on: dict[Any, list[int]] = {}
    for group, begun in rows_of(session, open_ones):
        going_on.setdefault(group, []).append(int(begun))
    now = int(as_of.timestamp())
    for group, moments in going_on.items():
        lasting_so_far = [max(0, now - begun) for begun in moments]
        of_group = found.setdefault(named(by, group), {})
        for at, number in Counter(lasting_so_far if is_exact else map(step_of, lasting_so_far)).items():
            _add(of_group, at if is_exact else seconds_of(at), number, is_over=False)
    return dict(found)


class _Epoch(OfBoth):
    """A moment as seconds since 1970, as text or a float: thousands are read in a fraction of the time of datetimes."""

    inherit_cache = True
    name = "epoch"
    sqlite, postgresql = "strftime('%s', ", "date_part('epoch', "


_ROOM = 4096
"""A step of 2,047 would be 2**64 seconds: twice a step and one more stay below this."""


def _by_step(
    session: Session, where: list[Any], packed: Any, table: Any, scope: Scope, by: Apart, window: Window
) -> list[tuple[Any, int, int]]:
    """(group, twice the step and one if it has ended, how many) of very many durations; the window is told here.

    All of it in one whole number: databases sort very many rows by one number much faster than by several columns.
    """
    if by is By.MONTH and not scope.module:
        return _by_month(session, where, packed, table, window)
    where = [*where, table.opened_on.between(window.since, window.until)]
    coded = _coded(table, by, window)
    if coded is None:
        key = key_of(table, by)
        rows = rows_of(session, sa.select(key, packed, sa.func.count()).where(*where).group_by(key, packed))
        return [(named(by, group), one, number) for group, one, number in rows]
    code, told = coded
    whole = code * _ROOM + packed
    numbers = rows_of(session, sa.select(whole, sa.func.count()).where(*where).group_by(whole))
    return [(told(one // _ROOM), one % _ROOM, number) for one, number in numbers]


_MOST_MONTHS = 61


def _by_month(
    session: Session, where: list[Any], packed: Any, table: Any, window: Window
) -> list[tuple[date, int, int]]:
    """`_by_step` month by month: each is a range of an index, and of no row is it asked in which month it lies."""
    months = window.months()
    found: list[tuple[date, int, int]] = []
    for begin in range(0, len(months), _MOST_MONTHS):
        some = months[begin : begin + _MOST_MONTHS]
        parts = [
            sa.select(sa.literal_column(str(at), sa.Integer).label("month"), packed.label("packed"),
                      sa.func.count().label("number"))
            .where(*where, table.opened_on.between(max(first, window.since), min(last, window.until))).group_by(packed)
            for at, first in enumerate(some) for last in [month_after(first) - timedelta(days=1)]
        ]  # fmt: skip
        every = sa.union_all(*parts) if len(parts) > 1 else parts[0]
        found += [(some[at], one, number) for at, one, number in rows_of(session, every)]
    return found


def _coded(table: Any, by: Apart, window: Window) -> tuple[Any, Callable[[int], Any]] | None:
    """What tells groups apart as a whole number, and which group such a number means; None where it is no number."""
    if by is By.MONTH:
        months = window.months()
        return place_of(table.opened_on, months), months.__getitem__
    if by is By.SIDE:
        return key_of(table, by), lambda number: named(by, number)
    if by is By.NOTHING:
        return sa.literal_column("0", sa.Integer), lambda _: None
    if by in (By.ORGANIZATION, By.REPOSITORY, By.PERSON):
        return sa.func.coalesce(key_of(table, by), 0), lambda number: number or None
    return None


def _add(counted: dict[float, tuple[int, int]], at: float, number: int, *, is_over: bool) -> None:
    ended, going_on = counted.get(at, (0, 0))
    counted[at] = (ended + number, going_on) if is_over else (ended, going_on + number)


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
    if authors.organizations is not None:
        found.append(table.organization_id.in_(sorted(authors.organizations)))
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
        By.STANDING: _standing(table, *(one.value for one in Standing)),
        By.SIDE: _standing(table, *range(0, 2 * len(Standing), 2)) + sa.case((table.is_first, 1), else_=0),
    }[by]  # fmt: skip


def _standing(table: type[ChangeMeasure] | type[IssueMeasure], *told: Any) -> Any:
    """What is told of members, others, independents and the unknown: the order of Standing."""
    member, other, independent, unknown = told
    return sa.case((table.tier_key.is_not(None), member), (table.attribution == Attribution.ORGANIZATION, other),
                   (table.attribution == Attribution.INDEPENDENT, independent), else_=unknown)  # fmt: skip


def of_sides(sides: Mapping[Any, _T], by: By) -> dict[Any, list[_T]]:
    """What By.SIDE tells apart, put together again by standing or by whether it is the first."""
    found: dict[Any, list[_T]] = {}
    for key, one in sides.items():
        found.setdefault(key[SIDES[by]], []).append(one)
    return found


def standing_of(attribution: Attribution, tier: str | None) -> Standing:
    """As `key_of` has it of By.STANDING."""
    if tier is not None:
        return Standing.MEMBER
    return Standing.OTHER if attribution is Attribution.ORGANIZATION else Standing(attribution.value)


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
    if by is By.SIDE:
        return tuple(Standing)[value // 2], bool(value % 2)
    return Standing(value) if by is By.STANDING else bool(value) if by is By.FIRST else value
