"""For whom a person counts in rolls and caps: the employer of the day and, for a while, one named before.

The record is what was known: on each day it names the employer by the strongest word that was known on that very day.
So somebody counts for an employer until so many days after the last day on which the record named it, whether they left
on that day or said so only then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Word:
    """That a person works for an employer (None: for nobody), both days included, and when the record knew it.

    The larger `rank` wins a day. `known_until` is the day on which the word was taken back; `confirms`: it is staff's.
    """

    employer: int | None
    starts_on: date
    ends_on: date | None
    rank: tuple[Any, ...]
    known_from: date
    known_until: date | None = None
    confirms: bool = False

    def is_known(self, day: date) -> bool:
        """Whether the record had it at the end of the day."""
        return self.known_from <= day and (self.known_until is None or day < self.known_until)

    def holds_on(self, day: date) -> bool:
        """Whether it says something of the day."""
        return self.starts_on <= day and (self.ends_on is None or day <= self.ends_on)


@dataclass(frozen=True)
class Named:
    """Days, both included, on which the record named one employer (None: "nobody"); `last` None: it still does."""

    employer: int | None
    first: date
    last: date | None


@dataclass(frozen=True)
class Counted:
    """An employer for whom somebody counts: the one of the day, or until a day (included) one named before."""

    employer: int
    until: date | None = None


@dataclass(frozen=True)
class Counting:
    """For whom a person counts on a day, the employer of the day first; `confirmed` on which day by staff."""

    day: date
    window_days: int
    counted: tuple[Counted, ...]
    confirmed: date | None = None
    left: tuple[Named, ...] = ()

    @property
    def employers(self) -> tuple[int, ...]:
        """All of them."""
        return tuple(one.employer for one in self.counted)

    def derivation(self, names: Mapping[int, str]) -> list[str]:
        """How it follows, a sentence a step; `names`: employer -> name."""
        steps = [f"On {self.day} the record names {names[one.employer]}." for one in self.counted if one.until is None]
        steps = steps or [f"On {self.day} the record names no employer."]
        for named in self.left:
            if named.employer is None or named.last is None:
                continue
            until = named.last + timedelta(days=self.window_days)
            text = f"Until {named.last} it named {names[named.employer]}. A change counts for both for"
            steps.append(f"{text} {self.window_days} days (charter 3.3): until {until}.")
        if self.confirmed is not None and self.left:
            steps.append(f"Staff confirmed the change on {self.confirmed}, so only the employer of the day counts.")
        return steps


def strongest(words: Iterable[Word], *, on: date, known: date) -> Word | None:
    """The word that names the employer of a day, of those known at the end of another; None: nothing is known."""
    fitting = [word for word in words if word.is_known(known) and word.holds_on(on)]
    return max(fitting, key=lambda word: (word.rank, -1 if word.employer is None else word.employer), default=None)


def as_recorded(words: Sequence[Word], *, until: date) -> tuple[Named, ...]:
    """Whom the record named on each day up to one, each day by what was known on it; days without a word are left out.

    >>> acme = Word(1, date(2025, 1, 1), None, (1,), known_from=date(2025, 1, 1))
    >>> blu = Word(2, date(2025, 6, 1), None, (2,), known_from=date(2025, 7, 10))
    >>> [(one.employer, str(one.last)) for one in as_recorded([acme, blu], until=date(2025, 8, 1))]
    [(1, '2025-07-09'), (2, 'None')]
    """
    turns = {word.starts_on for word in words} | {word.known_from for word in words}
    turns |= {word.ends_on + _A_DAY for word in words if word.ends_on is not None and word.ends_on < date.max}
    turns |= {word.known_until for word in words if word.known_until is not None}
    days = sorted(day for day in turns if day <= until)
    found: list[Named] = []
    for index, day in enumerate(days):
        word = strongest(words, on=day, known=day)
        last = days[index + 1] - _A_DAY if index + 1 < len(days) else None
        before = found[-1] if found else None
        if word is None:
            continue
        if before and before.last == day - _A_DAY and before.employer == word.employer:
            found[-1] = Named(word.employer, before.first, last)
        else:
            found.append(Named(word.employer, day, last))
    return tuple(found)


def counting(words: Sequence[Word], day: date, *, window_days: int) -> Counting:
    """For whom a person counts on a day, by what was known then; what came later only where nothing was known.

    Raises: ValueError for a negative window.

    >>> acme = Word(1, date(2025, 1, 1), None, (1,), known_from=date(2025, 1, 1))
    >>> blu = Word(2, date(2025, 6, 1), None, (2,), known_from=date(2025, 7, 10))
    >>> [str(one.until) for one in counting([acme, blu], date(2025, 8, 1), window_days=90).counted]
    ['None', '2025-10-07']
    >>> counting([acme, blu], date(2025, 10, 8), window_days=90).employers
    (2,)
    """
    if window_days < 0:
        raise ValueError(f"a window of {window_days} days; it must be 0 or more")
    named = as_recorded(words, until=day)
    now = named[-1] if named and named[-1].last is None else None
    if now is None:
        later = strongest([word for word in words if word.known_until is None], on=day, known=date.max)
        current = later.employer if later else None
    else:
        current = now.employer
    left = tuple(
        one
        for one in named
        if one.last is not None and one.employer not in (None, current) and (day - one.last).days <= window_days
    )
    since = now.first if now else None
    confirmed = min((word.known_from for word in words if _confirms(word, current, since, day)), default=None)
    until = {
        one.employer: one.last + timedelta(days=window_days)
        for one in left
        if one.employer is not None and one.last is not None and confirmed is None
    }
    counted = [] if current is None else [Counted(current)]
    counted += [
        Counted(employer, last) for employer, last in sorted(until.items(), key=lambda pair: (pair[1], pair[0]))
    ]
    return Counting(day, window_days, tuple(counted), confirmed, left)


def _confirms(word: Word, current: int | None, since: date | None, day: date) -> bool:
    is_after = since is not None and word.known_from >= since
    return word.confirms and is_after and word.employer == current and word.is_known(day) and word.holds_on(day)
