"""What a list lacks is gone only if GitHub says so of it by itself; of many that are missing some are asked for.

A list may be short because GitHub answers nonsense, or because what it shows moved from page to page meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

MOST_ASKED = 10
_T = TypeVar("_T")


def spread(every: Sequence[_T], most: int) -> Sequence[_T]:
    """At most so many of these, from everywhere in the list.

    >>> spread([1, 2, 3, 4, 5, 6, 7], 3), spread([1, 2], 3)
    ([1, 4, 7], [1, 2])
    """
    return every[:: -(-len(every) // most) or 1]


@dataclass(frozen=True)
class Confirmed:
    """What is gone, how many were asked for, and whether there is nothing left to ask of what was missing."""

    gone: tuple[str, ...] = ()
    asked: int = 0
    is_whole: bool = True


def confirm(missing: Sequence[str], is_there: Callable[[str], bool], *, most: int = MOST_ASKED) -> Confirmed:
    """Ask for each of these, or for some where they are more than `most`: from everywhere in the list, evenly.

    Where most of those are there, the list was wrong and is not followed further; where most are gone, the rest is to
    be asked for in a next turn, from which these are gone.

    >>> confirm(["a", "b"], lambda one: one == "a")
    Confirmed(gone=('b',), asked=2, is_whole=True)
    >>> confirm([str(number) for number in range(9000)], lambda _one: True, most=4)
    Confirmed(gone=(), asked=4, is_whole=True)
    >>> confirm([str(number) for number in range(9000)], lambda _one: False, most=3)
    Confirmed(gone=('0', '3000', '6000'), asked=3, is_whole=False)
    """
    asked = spread(missing, most)
    gone = tuple(one for one in asked if not is_there(one))
    is_wrong = 2 * len(gone) < len(asked)
    return Confirmed(gone, len(asked), len(asked) == len(missing) or is_wrong)
