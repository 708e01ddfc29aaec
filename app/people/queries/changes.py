"""Tells other slices whose identities, role or employment changed; they register and need not be known here."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy.orm import Session

OnChange = Callable[[Session, Collection[int]], None]
_listeners: dict[str, OnChange] = {}
_name_listeners: dict[str, OnChange] = {}


def on_change(function: OnChange) -> OnChange:
    """Register (as a decorator) what to do, in the same transaction, when persons changed: (session, row numbers)."""
    _listeners[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def on_naming(function: OnChange) -> OnChange:
    """Register (as a decorator) what to do, in the same transaction, when persons were renamed, hidden or shown."""
    _name_listeners[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def tell_named(session: Session, persons: Collection[int]) -> None:
    """Call everyone who keeps names."""
    for _name, function in sorted(_name_listeners.items()):
        function(session, persons)


def tell(session: Session, persons: Collection[int]) -> None:
    """Call everyone registered, in the order of their names."""
    if persons:
        for _name, function in sorted(_listeners.items()):
            function(session, persons)
