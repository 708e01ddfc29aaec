"""What becomes of those who come: a second contribution, a fifth, regular work, reviews, a seat as maintainer. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

FIVE = 5
REGULAR = 3
"""Somebody is regular who contributed in so many different quarters."""


class Stage(Enum):
    """How far somebody came; whoever reached one stage need not have reached another."""

    FIRST = "first contribution"
    SECOND = "second contribution"
    FIVE = "five contributions"
    REGULAR = "regular"
    REVIEWER = "reviewer"
    MAINTAINER = "maintainer"


@dataclass(frozen=True)
class Came:
    """One person: the quarter of the first contribution, how many contributions, in how many quarters, and more."""

    quarter: int
    contributions: int
    quarters: int
    has_reviewed: bool = False
    has_maintained: bool = False

    @property
    def stages(self) -> frozenset[Stage]:
        """What this person reached.

        >>> sorted(stage.value for stage in Came(0, contributions=2, quarters=1, has_reviewed=True).stages)
        ['first contribution', 'reviewer', 'second contribution']
        """
        reached = {
            Stage.FIRST: True, Stage.SECOND: self.contributions >= 2, Stage.FIVE: self.contributions >= FIVE,
            Stage.REGULAR: self.quarters >= REGULAR, Stage.REVIEWER: self.has_reviewed,
            Stage.MAINTAINER: self.has_maintained,
        }  # fmt: skip
        return frozenset(stage for stage, is_reached in reached.items() if is_reached)


@dataclass(frozen=True)
class Intake:
    """Those who came in one quarter, and how many of them reached each stage; None: it is too early for it."""

    quarter: int
    reached: dict[Stage, int | None]

    @property
    def size(self) -> int:
        """How many came."""
        return self.reached[Stage.FIRST] or 0

    def share(self, stage: Stage) -> float | None:
        """Of those who came, the share that reached it."""
        number = self.reached[stage]
        return number / self.size if number is not None and self.size else None


def intakes(people: Iterable[Came], *, first: int, last: int) -> list[Intake]:
    """The intakes of the quarters `first` to `last`, which is the present one.

    >>> found = intakes([Came(8, 6, 3), Came(8, 1, 1), Came(9, 2, 1)], first=8, last=10)
    >>> [(one.quarter, one.size, one.reached[Stage.SECOND], one.reached[Stage.REGULAR]) for one in found]
    [(8, 2, 1, 1), (9, 1, 1, None), (10, 0, 0, None)]
    """
    by_quarter: dict[int, list[frozenset[Stage]]] = {quarter: [] for quarter in range(first, last + 1)}
    for one in people:
        if first <= one.quarter <= last:
            by_quarter[one.quarter].append(one.stages)
    return [
        Intake(quarter, {stage: None if stage is Stage.REGULAR and last - quarter < REGULAR - 1 else
                         sum(stage in one for one in group) for stage in Stage})
        for quarter, group in by_quarter.items()
    ]  # fmt: skip


def together(found: Sequence[Intake], stage: Stage) -> tuple[int, int]:
    """(how many reached it, of how many) over all intakes for which it is not too early.

    >>> together(intakes([Came(8, 6, 3), Came(10, 2, 1)], first=8, last=10), Stage.REGULAR)
    (1, 1)
    """
    counted = [one for one in found if one.reached[stage] is not None]
    return sum(one.reached[stage] or 0 for one in counted), sum(one.size for one in counted)


@dataclass(frozen=True)
class Turnover:
    """One quarter's people: new ones, those who were active in the quarter before too, who came back, who went quiet.

    `quiet`: active in the quarter before and not in this one.
    """

    quarter: int
    new: int
    staying: int
    returning: int
    quiet: int


def turnover(seen: Iterable[tuple[int, int]], came: dict[int, int], *, first: int, last: int) -> list[Turnover]:
    """Quarter by quarter, from (person, quarter in which they contributed) and each person's first quarter ever.

    `seen` must begin with the quarter before `first`.
    >>> turnover([(1, 7), (1, 8), (2, 8), (3, 8), (2, 9)], {1: 3, 2: 8, 3: 1}, first=8, last=9)[0]
    Turnover(quarter=8, new=1, staying=1, returning=1, quiet=0)
    """
    active: dict[int, set[int]] = {}
    for person, quarter in seen:
        active.setdefault(quarter, set()).add(person)
    found = []
    for quarter in range(first, last + 1):
        here, before = active.get(quarter, set()), active.get(quarter - 1, set())
        new = sum(came.get(person) == quarter for person in here)
        staying = len(here & before)
        found.append(Turnover(quarter, new, staying, len(here) - staying - new, len(before - here)))
    return found
