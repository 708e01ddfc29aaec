"""Whose turn an open change is: whoever knows registers at import and never needs to be known here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from sqlalchemy.orm import Session

Turns = Callable[[Session, Collection[str]], Mapping[str, str]]
_known_by: dict[str, Turns] = {}


def provide_turns(function: Turns) -> Turns:
    """Register (as a decorator) who says whose turn it is: (session, changes' public ids) -> a sentence for each."""
    _known_by[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def turns(session: Session, changes: Collection[str]) -> dict[str, str]:
    """What is known of whose turn these open changes are; nothing of those that nobody knows."""
    found: dict[str, str] = {}
    for _name, function in sorted(_known_by.items()):
        found |= function(session, changes)
    return found
