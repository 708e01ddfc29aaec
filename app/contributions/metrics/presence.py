"""Who is there period by period: how many contribute, how many of them are new, and how many are back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.contributions.windows import Period, placing


@dataclass(frozen=True)
class Presence:
    """The contributors of a period: all of them, those who are new, and those who had paused the period before."""

    active: int
    new: int
    returning: int

    @property
    def staying(self) -> int:
        """Those who contributed in the period just before, too."""
        return self.active - self.new - self.returning


def presence(
    seen: Iterable[tuple[int, date]], first_days: Mapping[int, date], periods: Sequence[Period], *, since: date
) -> list[Presence]:
    """The contributors of each period from (person, a day on which they contributed).

    `seen` begins one period before the first, so that those who stay can be told from those who return. `since` is the
    window's first day: whoever came in the first period, but before it, is not new in the window.

    >>> from app.contributions.windows import Window
    >>> months = Window(date(2025, 1, 1), date(2026, 2, 28)).periods()[-2:]
    >>> seen = [(1, date(2026, 1, 5)), (1, date(2026, 2, 5)), (2, date(2026, 2, 6)), (3, date(2026, 2, 7))]
    >>> firsts = {1: date(2020, 1, 1), 2: date(2026, 2, 6), 3: date(2019, 1, 1)}
    >>> presence(seen, firsts, months, since=date(2026, 1, 1))
    [Presence(active=1, new=0, returning=1), Presence(active=3, new=1, returning=1)]
    """
    place, begin = placing(periods), periods[0].first
    people: list[set[int]] = [set() for _ in range(len(periods) + 1)]
    for person, day in seen:
        people[0 if day < begin else place(day) + 1].add(person)
    found = []
    for period, before, here in zip(periods, people, people[1:], strict=False):
        new = {one for one in here if first_days.get(one, date.min) >= max(period.first, since)}
        found.append(Presence(len(here), len(new), len(here - before - new)))
    return found
