"""Why a module may be fragile, said early and in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

ENOUGH = 10
"""Of fewer commits no share says anything."""


@dataclass(frozen=True)
class Concern:
    """One reason. `is_grave`: the module depends on one person or nobody; otherwise worth watching."""

    text: str
    is_grave: bool


def concerns(
    *, appointed: int, active: int, fewest: int, commits: int, absence_factor: int, elephant_factor: int | None
) -> tuple[Concern, ...]:
    """What speaks of fragility, the gravest first. `fewest`: with fewer active maintainers somebody must stand in.

    >>> [one.text for one in concerns(appointed=2, active=1, fewest=2, commits=40, absence_factor=1, elephant_factor=3)]
    ['1 of 2 maintainers is active', 'one person made half of the commits']
    >>> concerns(appointed=3, active=3, fewest=2, commits=40, absence_factor=4, elephant_factor=2)
    ()
    """
    found = []
    if not appointed:
        found.append(Concern("nobody maintains it", True))
    elif active < fewest:
        verb = "are" if active > 1 else "is"
        found.append(Concern(f"{active or 'none'} of {appointed} maintainers {verb} active", True))
    if commits >= ENOUGH and absence_factor == 1:
        found.append(Concern("one person made half of the commits", True))
    if commits >= ENOUGH and elephant_factor == 1:
        found.append(Concern("one organization’s people made half of what is attributed", False))
    if not commits:
        found.append(Concern("nothing was committed in these days", False))
    return tuple(found)
