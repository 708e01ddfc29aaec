"""Who is there period by period: how many contribute, how many of them are new, and how many are back. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
    there: Mapping[int, int], first_days: Mapping[int, date], periods: Sequence[Period], *, since: date
) -> list[Presence]:
    """The contributors of each period from the periods in which each person contributed, as bits: 1 stands for the one
    just before the first, so that those who stay can be told from those who return, 2 for the first, 4 for the second.

    `first_days`: the first day of each who came on `since` or later. `since` is the window's first day: whoever came in
    the first period, but before it, is not new in the window.

    >>> from app.contributions.windows import Window
    >>> months = Window(date(2025, 1, 1), date(2026, 2, 28)).periods()[-2:]
    >>> there = {1: 0b110, 2: 0b100, 3: 0b100}
    >>> firsts = {1: date(2020, 1, 1), 2: date(2026, 2, 6), 3: date(2019, 1, 1)}
    >>> presence(there, firsts, months, since=date(2026, 1, 1))
    [Presence(active=1, new=0, returning=1), Presence(active=3, new=1, returning=1)]
    """
    place = placing(periods)
    came = {person: place(day) for person, day in first_days.items() if day >= since}
    # Many of the thousands of people have the same course as others.
    courses = Counter((bits, came.get(person)) for person, bits in there.items())
    counted = [[0, 0, 0] for _ in periods]
    for (bits, first), number in courses.items():
        for at, sums in enumerate(counted):
            if bits & 2 << at:
                sums[0] += number
                if first == at:
                    sums[1] += number
                elif not bits & 1 << at:
                    sums[2] += number
    return [Presence(*sums) for sums in counted]
