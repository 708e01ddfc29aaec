"""The span of days that a page looks at, as its address says, and the periods into which its drawings cut it. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

NAMED = {"90d": "90 days", "1y": "one year", "3y": "three years", "all": "all time"}
_DAYS = {"90d": 90, "1y": 365, "3y": 1096}
# So many days are drawn by weeks, months and quarters at most; more by years. So many periods,
# and the one before, fit into the bits of a number (`queries.scopes.bit_of`): 62 at most, by years until 2031.
_WEEKS_TO, _MONTHS_TO, _QUARTERS_TO = 184, 5 * 366, 15 * 366
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class Period:
    """One step of a drawing: a week, a month, a quarter or a year; both days included."""

    label: str
    first: date
    last: date


@dataclass(frozen=True)
class Window:
    """Both days included. `name` is one of `NAMED`, or "custom"."""

    since: date
    until: date
    name: str = "custom"

    @property
    def days(self) -> int:
        """How many days it spans."""
        return (self.until - self.since).days + 1

    @property
    def is_weekly(self) -> bool:
        """Whether its periods are weeks."""
        return self.days <= _WEEKS_TO

    @property
    def is_monthly(self) -> bool:
        """Whether its periods are months."""
        return _WEEKS_TO < self.days <= _MONTHS_TO

    @property
    def text(self) -> str:
        """For captions: `1 Jan 2025 to 31 Dec 2025`."""
        return f"{_day(self.since)} to {_day(self.until)}"

    @property
    def before(self) -> Window:
        """The window of the same length just before."""
        return Window(self.since - timedelta(days=self.days), self.since - timedelta(days=1))

    @property
    def arguments(self) -> dict[str, str]:
        """What an address must carry to show the same window."""
        if self.name in NAMED:
            return {"window": self.name}
        return {"since": self.since.isoformat(), "until": self.until.isoformat()}

    @property
    def prelude(self) -> date:
        """The first day of the period just before the first of `periods`."""
        return _start(_start(self.since, self.days) - timedelta(days=1), self.days)

    def periods(self) -> list[Period]:
        """Weeks up to half a year, months up to five years, quarters up to fifteen, then years.

        >>> [period.label for period in Window(date(2025, 11, 5), date(2026, 6, 1)).periods()][:3]
        ['Nov 2025', 'Dec 2025', 'Jan 2026']
        """
        first, found = _start(self.since, self.days), []
        while first <= self.until:
            following = _next(first, self.days)
            found.append(Period(_label(first, self.days), first, following - timedelta(days=1)))
            first = following
        return found

    def months(self) -> list[date]:
        """The first days of the months that it touches.

        >>> [str(day) for day in Window(date(2025, 12, 5), date(2026, 1, 1)).months()]
        ['2025-12-01', '2026-01-01']
        """
        found = [self.since.replace(day=1)]
        while (following := month_after(found[-1])) <= self.until:
            found.append(following)
        return found

    @property
    def cut(self) -> str:
        """Which of the periods count in part alone, so that nobody takes a short month for a fall; "" where none does.

        >>> Window(date(2025, 11, 23), date(2026, 11, 22)).cut
        'Nov 2025 counts from 23 Nov 2025, Nov 2026 until 22 Nov 2026.'
        >>> Window(date(2026, 3, 1), date(2026, 3, 29)).cut, Window(date(2024, 1, 1), date(2025, 12, 31)).cut
        ('23 Feb 2026 counts from 1 Mar 2026.', '')
        """
        periods = self.periods()
        begins = [f"{periods[0].label} counts from {_day(self.since)}"] if periods[0].first < self.since else []
        is_one, ends = len(periods) == 1, []
        if periods[-1].last > self.until:
            last = "" if begins and is_one else f"{periods[-1].label} " if begins else f"{periods[-1].label} counts "
            ends = [f"{last}until {_day(self.until)}"]
        return f"{(' ' if is_one else ', ').join(begins + ends)}." if begins or ends else ""


def month_after(day: date, months: int = 1) -> date:
    """The first day of the next month, or of a later one.

    >>> str(month_after(date(2025, 12, 31))), str(month_after(date(2025, 10, 1), 3))
    ('2026-01-01', '2026-01-01')
    """
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def placing(periods: Sequence[Period]) -> Callable[[date], int]:
    """Tells of a day that lies in one of these periods, in which (by its place among them)."""
    firsts = [period.first for period in periods]
    return cache(lambda day: max(bisect_right(firsts, day) - 1, 0))


def in_periods(periods: Sequence[Period], by_day: Iterable[tuple[date, int]]) -> list[int]:
    """What is counted by days (or by the first days of weeks and months), summed up over the periods.

    >>> weeks = Window(date(2026, 1, 1), date(2026, 1, 14)).periods()
    >>> in_periods(weeks, [(date(2026, 1, 1), 2), (date(2026, 1, 5), 1), (date(2026, 1, 11), 1)])
    [2, 2, 0]
    """
    place, found = placing(periods), [0] * len(periods)
    for day, number in by_day:
        found[place(day)] += number
    return found


def read_window(
    arguments: Mapping[str, str], *, today: date, first: date | None
) -> tuple[Window, list[tuple[str, str]]]:
    """The window that an address asks for and every problem with it; what is wrong falls back to one year.

    `first` is the first day on which anything happened, for "all time".
    >>> read_window({"window": "90d"}, today=date(2026, 1, 31), first=None)[0].since
    datetime.date(2025, 11, 3)
    """
    problems: list[tuple[str, str]] = []
    since, until = (_read_day(arguments, name, problems) for name in ("since", "until"))
    if since or until:
        until = min(until or today, today)
        since = since or date.fromordinal(max(1, until.toordinal() - 364))
        if since <= until and since.year >= 1970:
            return Window(since, until), problems
        problems.append(("since", f"{since} is after {until} or before 1970; give an earlier day first"))
    name = arguments.get("window", "1y")
    if name not in NAMED:
        problems.append(("window", f"{name!r} is none of {', '.join(NAMED)}"))
        name = "1y"
    if name == "all":
        return Window(min(first or today, today), today, name), problems
    return Window(today - timedelta(days=_DAYS[name] - 1), today, name), problems


def _read_day(arguments: Mapping[str, str], name: str, problems: list[tuple[str, str]]) -> date | None:
    text = arguments.get(name, "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        problems.append((name, f"{text!r} is no day; write it like 2026-01-31"))
        return None


def _start(day: date, days: int) -> date:
    if days <= _WEEKS_TO:
        return day - timedelta(days=day.weekday())
    if days <= _MONTHS_TO:
        return day.replace(day=1)
    if days <= _QUARTERS_TO:
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1)


def _next(first: date, days: int) -> date:
    if days <= _WEEKS_TO:
        return first + timedelta(days=7)
    months = 1 if days <= _MONTHS_TO else 3 if days <= _QUARTERS_TO else 12
    return month_after(first, months)


def _label(first: date, days: int) -> str:
    if days <= _WEEKS_TO:
        return f"{first.day} {_MONTHS[first.month - 1]} {first.year}"
    if days <= _MONTHS_TO:
        return f"{_MONTHS[first.month - 1]} {first.year}"
    return f"{first.year} Q{(first.month + 2) // 3}" if days <= _QUARTERS_TO else str(first.year)


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
