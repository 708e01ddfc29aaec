"""Which modules a path belongs to, and who of a module's maintainers is active. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from app.rulebook.paths import owners


@dataclass(frozen=True)
class ModulePaths:
    """A module and its globs."""

    key: str
    paths: tuple[str, ...]


def modules_of(path: str, modules: Iterable[ModulePaths]) -> tuple[str, ...]:
    """Keys of the modules that a path belongs to: those with the most specific glob that matches.

    >>> modules_of("csrc/ops/add.h", [ModulePaths("core", ("csrc/**",)), ModulePaths("ops", ("csrc/ops/**",))])
    ('ops',)
    """
    return owners(path, {module.key: module.paths for module in modules})


def touched(paths: Iterable[str], modules: Collection[ModulePaths]) -> dict[str, tuple[str, ...]]:
    """Module -> the paths that it owns among these; under "" those that nobody owns."""
    globs = {module.key: module.paths for module in modules}
    found: dict[str, list[str]] = {}
    for path in paths:
        for key in owners(path, globs) or ("",):
            found.setdefault(key, []).append(path)
    return {key: tuple(listed) for key, listed in sorted(found.items())}


def active(
    day: date, since: Mapping[int, date], last_seen: Mapping[int, date] | None, *, within_days: int
) -> frozenset[int]:
    """Of the maintainers (person -> appointed since), those active: seen, or appointed, within so many days.

    `last_seen` None: nobody keeps track of activity, so every maintainer counts.

    >>> appointed = {1: date(2020, 1, 1), 2: date(2020, 1, 1), 3: date(2026, 1, 1)}
    >>> sorted(active(date(2026, 2, 1), appointed, {1: date(2025, 12, 1), 2: date(2024, 1, 1)}, within_days=183))
    [1, 3]
    """
    if last_seen is None:
        return frozenset(since)
    earliest = date.fromordinal(max(1, day.toordinal() - within_days))
    return frozenset(
        person
        for person, appointed in since.items()
        if appointed >= earliest or last_seen.get(person, date.min) >= earliest
    )


def too_few(appointed: int, active: int) -> str:
    """What to say of a module with too few active maintainers.

    >>> too_few(0, 0), too_few(3, 1)
    ('Nobody maintains it.', 'One of 3 maintainers is active.')
    """
    if appointed == 0:
        return "Nobody maintains it."
    if appointed == active == 1:
        return "It has one maintainer."
    if active == 0:
        return f"None of its {appointed} maintainers is active." if appointed > 1 else "Its maintainer is not active."
    return f"{'One' if active == 1 else active} of {appointed} maintainers {'is' if active == 1 else 'are'} active."
