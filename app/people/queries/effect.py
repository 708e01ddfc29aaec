"""What a statement changes: how many commits of a person count for whom, before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy.orm import Session

from app.people.queries.organizations import organization_names

AttributedTo = Callable[[Session, int], Mapping[int | None, int]]
_attributed_to: list[AttributedTo] = []
INDEPENDENT = 0


def provide_attributions(function: AttributedTo) -> AttributedTo:
    """Register (as a decorator) for whom a person's commits count: (session, person) -> organization -> commits.

    0 is "independent, says the person", None that nobody knows.
    """
    _attributed_to[:] = [function]
    return function


def attributed_to(session: Session, person: int) -> dict[str, int]:
    """For whom a person's commits count, by name."""
    if not _attributed_to:
        return {}
    names = organization_names(session)

    def called(number: int | None) -> str:
        if number is None:
            return "no known employer"
        return "nobody (independent)" if number == INDEPENDENT else names[number].name

    return {called(number): commits for number, commits in _attributed_to[0](session, person).items()}


def told_effect(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """The difference as a sentence.

    >>> told_effect({"no known employer": 12}, {"Acme": 10, "no known employer": 2})
    'It counts at once: now 10 commits count for Acme (0 before) and 2 for no known employer (12 before).'
    >>> told_effect({}, {})
    'It counts at once; no figure of today changes by it.'
    """
    changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name, 0) != after.get(name, 0)]
    if not changed:
        return "It counts at once; no figure of today changes by it."
    parts: list[str] = []
    for name in changed:
        number = after.get(name, 0)
        noun = "" if parts else " commit counts" if number == 1 else " commits count"
        parts.append(f"{number:,}{noun} for {name} ({before.get(name, 0):,} before)")
    told = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"It counts at once: now {told}."
