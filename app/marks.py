"""Marks: what tells that something moved which pages show and the audit log has no line for.

A page that is kept (`app.answers.keep_pages`) rests on the log and on the marks that its room names. Whoever writes
such rows provides the mark; rooms below them name it without knowing them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from sqlalchemy.orm import Session

Mark = Callable[[Session], Hashable]
_M = TypeVar("_M", bound=Mark)
_marks: dict[str, Mark] = {}


def mark(name: str) -> Callable[[_M], _M]:
    """Register a mark: `@mark("jobs")` over `session -> plain values`, other ones as soon as anything of it moved."""

    def register(read: _M) -> _M:
        _marks[name] = read
        return read

    return register


def of(*names: str) -> Mark:
    """These marks together, for `keep_pages`. Raises, when it is read: KeyError for a mark that nobody provides."""

    def read(session: Session) -> Hashable:
        for name in names:
            if name not in _marks:
                raise KeyError(f"nobody provides the mark {name!r}; there are {', '.join(sorted(_marks))}")
        return tuple(_marks[name](session) for name in names)

    return read
