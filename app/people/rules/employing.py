"""What follows from statements: whom a person worked for on which day, and for whom beside that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum

# The first day that an interval can begin: evidence without a beginning counts from here.
EVER = date(1970, 1, 1)
_A_DAY = timedelta(days=1)


class StatementSource(Enum):
    """Where a statement of employment comes from, the strongest first."""

    SELF = "self"
    STAFF = "staff"
    DOCUMENT = "document"
    IMPORT = "import"
    EMAIL_DOMAIN = "email-domain"

    @property
    def strength(self) -> int:
        """A larger number outranks a smaller one."""
        return len(StatementSource) - list(StatementSource).index(self)


@dataclass(frozen=True)
class Statement:
    """Evidence that a person worked for an organization (None: for nobody) from a day until a day, both included.

    `is_part`: beside another employer, whom it leaves the day's work (decision 0508).
    """

    organization: int | None
    starts_on: date
    ends_on: date | None
    source: StatementSource
    confidence: int
    stated_at: datetime
    is_part: bool = False

    @property
    def rank(self) -> tuple[bool, int, datetime, int, date]:
        """The larger wins: an employer before one beside it, a stronger source, the later word, the surer, the later
        beginning."""
        return (not self.is_part, self.source.strength, self.stated_at, self.confidence, self.starts_on)


@dataclass(frozen=True)
class Interval:
    """Days with one employer, both included."""

    organization: int | None
    starts_on: date
    ends_on: date | None
    source: StatementSource
    confidence: int


def employment(statements: Iterable[Statement]) -> list[Interval]:
    """Whom a person worked for on each day: the strongest statement of that day, as intervals without overlap.

    A person's own statement outranks every other source; the later of two equals replaces the earlier. Of several
    employers at one time it is the one that is no part; a part is it only where nothing else is known.
    """
    ranked = sorted(statements, key=lambda one: (one.rank, -1 if one.organization is None else one.organization))
    days = sorted(
        {one.starts_on for one in ranked}
        | {one.ends_on + _A_DAY for one in ranked if one.ends_on is not None and one.ends_on < date.max}
    )
    intervals: list[Interval] = []
    for index, day in enumerate(days):
        holding = [one for one in ranked if one.starts_on <= day and (one.ends_on is None or day <= one.ends_on)]
        if not holding:
            continue
        best = holding[-1]
        until = days[index + 1] - _A_DAY if index + 1 < len(days) else None
        last = intervals[-1] if intervals else None
        if last and last.ends_on == day - _A_DAY and _same_evidence(last, best):
            intervals[-1] = Interval(last.organization, last.starts_on, until, last.source, last.confidence)
        else:
            intervals.append(Interval(best.organization, day, until, best.source, best.confidence))
    return intervals


def side_employment(statements: Iterable[Statement]) -> list[Interval]:
    """For whom a person worked beside the employer of the day: parts, without the days on which that one is it.

    >>> from datetime import UTC
    >>> def said(organization, is_part, start, end=None):
    ...     days = (date(2026, 1, start), None if end is None else date(2026, 1, end))
    ...     moment = datetime(2026, 1, 1, tzinfo=UTC)
    ...     return Statement(organization, *days, StatementSource.SELF, 100, moment, is_part)
    >>> found = side_employment([said(1, False, 5, 9), said(2, True, 1)])
    >>> [(one.organization, one.starts_on.day, one.ends_on and one.ends_on.day) for one in found]
    [(2, 5, 9)]
    """
    listed = list(statements)
    parts: dict[int, list[Statement]] = {}
    for one in listed:
        if one.is_part and one.organization is not None:
            parts.setdefault(one.organization, []).append(one)
    if not parts:
        return []
    main = employment(listed)
    found = [
        kept
        for organization, said in sorted(parts.items())
        for interval in employment(said)
        for kept in _without(interval, [one for one in main if one.organization == organization])
    ]
    return sorted(found, key=lambda one: (one.starts_on, one.organization or 0))


def _without(interval: Interval, others: Sequence[Interval]) -> list[Interval]:
    """What is left of an interval without the days of others, which are in order and do not overlap."""
    found: list[Interval] = []
    first, last = interval.starts_on, interval.ends_on
    for other in others:
        if (other.ends_on is not None and other.ends_on < first) or (last is not None and other.starts_on > last):
            continue
        if first < other.starts_on:
            found.append(replace(interval, starts_on=first, ends_on=other.starts_on - _A_DAY))
        if other.ends_on is None or other.ends_on == date.max:
            return found
        first = other.ends_on + _A_DAY
    if last is None or first <= last:
        found.append(replace(interval, starts_on=first, ends_on=last))
    return found


def employer_on(day: date, intervals: Iterable[Interval]) -> Interval | None:
    """The interval that holds on the day, or None when nothing is known."""
    for interval in intervals:
        if interval.starts_on <= day and (interval.ends_on is None or day <= interval.ends_on):
            return interval
    return None


def _same_evidence(last: Interval, best: Statement) -> bool:
    return (last.organization, last.source, last.confidence) == (best.organization, best.source, best.confidence)
