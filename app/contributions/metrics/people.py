"""Who comes, stays, comes back and drifts away, and what became of those who came together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.contributions.metrics.work import factor


@dataclass(frozen=True)
class Flow:
    """A window's contributors by what they did before. `active` = `new` + `staying` + `returning`."""

    active: frozenset[int]
    new: frozenset[int]
    staying: frozenset[int]
    returning: frozenset[int]
    drifting: frozenset[int]

    @property
    def retention(self) -> float | None:
        """Of the contributors of the window before, the share who contributed again; None if there were none."""
        before = len(self.staying) + len(self.drifting)
        return len(self.staying) / before if before else None


def flow(
    active: Collection[int], before: Collection[int], *, first_days: Mapping[int, date], since: date
) -> Flow:  # fmt: skip
    """Who is new (first contribution in the window), stays (contributed in the window before, too), returns (before
    that, but not in the window before) and drifts away (in the window before, not in this one).

    >>> days = {1: date(2026, 1, 5), 2: date(2020, 1, 1), 3: date(2019, 1, 1), 4: date(2020, 1, 1)}
    >>> found = flow({1, 2, 3}, {2, 4}, first_days=days, since=date(2026, 1, 1))
    >>> [sorted(group) for group in (found.new, found.staying, found.returning, found.drifting)]
    [[1], [2], [3], [4]]
    """
    here, earlier = frozenset(active), frozenset(before)
    new = frozenset(one for one in here - earlier if first_days.get(one, date.min) >= since)
    return Flow(here, new, here & earlier, here - earlier - new, earlier - here)


@dataclass(frozen=True)
class Cohort:
    """The people whose first contribution lies in one period, and how many of them contributed in each period since.

    `active[0]` is the period itself, so it equals `size`.
    """

    period: int
    size: int
    active: tuple[int, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """`active` as shares of `size`."""
        return tuple(one / self.size for one in self.active)


def cohorts(seen: Iterable[tuple[int, int]], *, last: int) -> list[Cohort]:
    """Retention cohorts from (person, period in which they contributed); periods are counted up to `last`.

    >>> [(one.period, one.active) for one in cohorts([(1, 0), (1, 2), (2, 0), (3, 1)], last=2)]
    [(0, (2, 0, 1)), (1, (1, 0))]
    """
    periods: dict[int, set[int]] = {}
    for person, period in seen:
        periods.setdefault(person, set()).add(period)
    by_first: dict[int, list[set[int]]] = {}
    for active in periods.values():
        by_first.setdefault(min(active), []).append(active)
    return [
        Cohort(first, len(group), tuple(sum(at in one for one in group) for at in range(first, last + 1)))
        for first, group in sorted(by_first.items())
    ]


def factor_at(work: Iterable[tuple[int | None, date, int]], ends: Sequence[date]) -> list[tuple[int, int]]:
    """(absence factor, commits) of the twelve months up to each end, from (person, first of a month, commits).

    The month in which an end lies counts as far as it is in `work`.

    >>> work = [(1, date(2025, 3, 1), 9), (1, date(2026, 1, 1), 1), (2, date(2026, 1, 1), 1), (3, date(2026, 2, 1), 1)]
    >>> factor_at(work, [date(2026, 1, 31), date(2026, 3, 31)])
    [(1, 11), (2, 3)]
    """
    by_month: dict[int, list[tuple[int | None, int]]] = {}
    for person, first, commits in work:
        by_month.setdefault(first.year * 12 + first.month, []).append((person, commits))
    # From one end to the next few months come and go, of very many people.
    found, inside, people = [], range(0), Counter[int | None]()
    for end in ends:
        last = end.year * 12 + end.month
        asked = range(last - 11, last + 1)
        for month in {*inside} ^ {*asked}:
            sign = 1 if month in asked else -1
            for person, commits in by_month.get(month, ()):
                people[person] += sign * commits
        inside = asked
        made = [commits for commits in people.values() if commits]
        found.append((factor(made), sum(made)))
    return found
