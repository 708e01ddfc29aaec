"""How the figures follow from counted work: who did how much, for whom. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import NamedTuple, TypeVar

from app.contributions.windows import Period, placing

_K = TypeVar("_K")
_N = TypeVar("_N", int, int | None)


class Kind(Enum):
    """What somebody did: each commit is once a commit, a merge, or a bot's; the rest are credits on top."""

    COMMIT = "commit"
    MERGE = "merge"
    BOT = "bot"
    CO_AUTHORED = "co-authored"
    ASSISTED = "assisted"
    REVIEWED = "reviewed"


COMMITS = frozenset((Kind.COMMIT, Kind.MERGE))
CONTRIBUTIONS = COMMITS | {Kind.CO_AUTHORED, Kind.REVIEWED}


class Cell(NamedTuple):
    """Counted work: what a person did in a stretch of days, for whom. Organization None: independent, or unknown.

    `without_lines`: how many of the commits have no lines counted yet, or cannot have.
    """

    first: date
    kind: Kind
    person: int | None
    organization: int | None
    is_known: bool
    commits: int
    added: int = 0
    deleted: int = 0
    without_lines: int = 0


@dataclass(frozen=True)
class Summary:
    """The figures of a window. `elephant_factor` and shares are None where there is nothing to share out."""

    commits: int
    added: int
    deleted: int
    lines_counted: float | None
    contributors: int
    new_contributors: int
    retention: float | None
    absence_factor: int
    elephant_factor: int | None
    organizations: int
    unattributed: float | None
    reviews: int
    bot_commits: int
    assisted: int


def summarize(
    cells: Collection[Cell], *, first_days: Mapping[int, date], since: date, before: Collection[int]
) -> Summary:
    """Every figure of a window from its cells.

    `first_days`: each person's first contribution ever; `before`: who contributed in the window before.
    """
    work = [cell for cell in cells if cell.kind in COMMITS]
    people = contributors(cells)
    by_person = count(work, lambda cell: cell.person)
    by_organization = count(work, lambda cell: cell.organization)
    by_organization.pop(None, None)
    total = sum(by_person.values())
    return Summary(
        commits=total,
        added=sum(cell.added for cell in work),
        deleted=sum(cell.deleted for cell in work),
        lines_counted=lines_counted(work),
        contributors=len(people),
        new_contributors=sum(first_days.get(person, date.min) >= since for person in people),
        retention=len(people & set(before)) / len(before) if before else None,
        absence_factor=factor(by_person.values()),
        elephant_factor=factor(by_organization.values()) if by_organization else None,
        organizations=len(by_organization),
        unattributed=sum(cell.commits for cell in work if not cell.is_known) / total if total else None,
        reviews=sum(cell.commits for cell in cells if cell.kind is Kind.REVIEWED),
        bot_commits=sum(cell.commits for cell in cells if cell.kind is Kind.BOT),
        assisted=sum(cell.commits for cell in cells if cell.kind is Kind.ASSISTED),
    )


def lines_counted(cells: Iterable[Cell]) -> float | None:
    """The share of these commits (merges, which have no lines, left out) whose lines are counted; None of none.

    >>> day = date(2026, 1, 15)
    >>> own, merges = Cell(day, Kind.COMMIT, 1, None, True, 4, without_lines=3), Cell(day, Kind.MERGE, 1, None, True, 9)
    >>> lines_counted([own, merges])
    0.25
    """
    own = [cell for cell in cells if cell.kind is Kind.COMMIT]
    total = sum(cell.commits for cell in own)
    return 1 - sum(cell.without_lines for cell in own) / total if total else None


def grouped(cells: Iterable[Cell], groups: Mapping[int, int]) -> list[Cell]:
    """The same work, each company's counted for the one that owns it in the end (`groups`: company -> that one).

    >>> cell = Cell(date(2026, 1, 1), Kind.COMMIT, 7, 2, True, 3)
    >>> grouped([cell], {1: 1, 2: 1})[0].organization
    1
    """
    return [cell._replace(organization=_owner(cell.organization, groups)) for cell in cells]


def _owner(organization: int | None, groups: Mapping[int, int]) -> int | None:
    return None if organization is None else groups.get(organization, organization)


def contributors(cells: Iterable[Cell]) -> set[int]:
    """The people behind these cells."""
    return {cell.person for cell in cells if cell.person is not None and cell.kind in CONTRIBUTIONS}


def factor(counts: Collection[int], *, share: float = 0.5) -> int:
    """The smallest number of counts that together reach the share of their sum.

    >>> factor([5, 3, 1, 1]), factor([4, 3, 2, 1]), factor([1, 1, 1, 1]), factor([])
    (1, 2, 2, 0)
    """
    total, reached = sum(counts), 0
    for number, value in enumerate(sorted(counts, reverse=True), start=1):
        reached += value
        if total and reached >= total * share:
            return number
    return 0


def count(cells: Iterable[Cell], key: Callable[[Cell], _K]) -> Counter[_K]:
    """Commits by some key of the cells."""
    counted: Counter[_K] = Counter()
    for cell in cells:
        counted[key(cell)] += cell.commits
    return counted


def ranked(counted: Mapping[_N, int], most: int) -> list[tuple[_N, int]]:
    """The largest counts, equal ones in the order of their keys: the same on every database.

    >>> ranked({3: 1, 2: 5, 1: 1}, 2)
    [(2, 5), (1, 1)]
    """
    return sorted(counted.items(), key=lambda one: (-one[1], one[0] or 0))[:most]


@dataclass(frozen=True)
class Strand:
    """One series of a drawing over periods: an organization's number, or None with what it stands for."""

    organization: int | None
    name: str
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        """All its commits."""
        return sum(self.values)


def strands(cells: Iterable[Cell], periods: Sequence[Period], *, most: int = 7) -> list[Strand]:
    """Commits by organization over periods: the largest, then Others, Independent and Unattributed."""
    place = placing(periods)
    values: dict[tuple[int | None, str], list[int]] = {}
    for cell in cells:
        if cell.kind not in COMMITS:
            continue
        name = "organization" if cell.organization is not None else "Independent" if cell.is_known else "Unattributed"
        row = values.setdefault((cell.organization, name), [0] * len(periods))
        row[place(cell.first)] += cell.commits
    named = sorted((key for key in values if key[0] is not None), key=lambda key: (-sum(values[key]), key[0] or 0))
    found = [Strand(key[0], "", tuple(values[key])) for key in named[:most]]
    rest = [values[key] for key in named[most:]]
    if rest:
        found.append(Strand(None, "Others", tuple(map(sum, zip(*rest, strict=True)))))
    found += [Strand(None, name, tuple(values[None, name])) for name in ("Independent", "Unattributed")
              if (None, name) in values]  # fmt: skip
    return found


def lines_over(cells: Iterable[Cell], periods: Sequence[Period]) -> list[tuple[int, int]]:
    """(lines added, lines deleted) in each period, as far as they are counted."""
    place = placing(periods)
    found = [[0, 0] for _ in periods]
    for cell in cells:
        sums = found[place(cell.first)]
        sums[0] += cell.added
        sums[1] += cell.deleted
    return [(added, deleted) for added, deleted in found]
