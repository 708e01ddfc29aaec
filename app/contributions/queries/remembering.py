"""Answers kept in memory for as long as nothing that they rest on has changed.

Every write that can move a figure leaves a stamp in its own transaction (`app.contributions.stamps`), and an answer is
kept with the stamps that it was computed under. What people decide shows at once. What machines bring in (a commit, a
webhook) may show a little later where the answer is dear: on a busy day something arrives every minute, and counting
half a million changes for each of them would help nobody. Answers are shared between requests: nobody may change one.
"""

from __future__ import annotations

import functools
import inspect
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from sqlalchemy.orm import Session

from app.contributions.stamps import Stamps, stamps_once

PATIENCE_S = 30.0
"""So long a dear answer outlives what machines bring in."""
DEAR_S = 0.05
WAIT_S = 20.0
"""So long a thread waits for another that counts the same; after that, or if that failed, it counts itself."""
_KEPT = 400

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True)
class _Answer:
    value: Any
    under: Stamps
    made_at: float
    cost_s: float

    def holds(self, now: Stamps) -> bool:
        """Whether it may still be given."""
        if self.under == now:
            return True
        is_young = time.monotonic() - self.made_at < PATIENCE_S
        return self.under.by_people == now.by_people and self.cost_s >= DEAR_S and is_young


_answers: OrderedDict[Hashable, _Answer] = OrderedDict()
_making: dict[Hashable, threading.Event] = {}
_lock = threading.Lock()


class Remembered(Generic[_P, _R]):
    """A query `(session, ...)` whose answers are kept."""

    def __init__(self, function: Callable[Concatenate[Session, _P], _R]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._asked_of = inspect.signature(function).bind

    def __call__(self, session: Session, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The answer, computed unless it is kept."""
        if not _only_reads(session):
            return self._function(session, *args, **kwargs)
        place, now = self._place(session, *args, **kwargs), stamps_once(session)
        found = _find(place, now) or _find_once_made(place, now)
        if found is not None:
            kept: _R = found.value
            return kept
        begun = time.monotonic()
        try:
            value = self._function(session, *args, **kwargs)
            ended = time.monotonic()
            with _lock:
                _answers[place] = _Answer(value, now, ended, ended - begun)
                _answers.move_to_end(place)
                while len(_answers) > _KEPT:
                    _answers.popitem(last=False)
        finally:
            with _lock:
                made = _making.pop((place, now), None)
            if made is not None:
                made.set()
        return value

    def if_known(self, session: Session, /, *args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        """The answer if it is kept; None: nothing is read."""
        if not _only_reads(session):
            return None
        found = _find(self._place(session, *args, **kwargs), stamps_once(session))
        return found.value if found else None

    def _place(self, session: Session, /, *args: _P.args, **kwargs: _P.kwargs) -> Hashable:
        given = self._asked_of(session, *args, **kwargs)
        given.apply_defaults()  # who names a default and who leaves it out ask the same
        asked = tuple((name, _hour(value)) for name, value in given.arguments.items() if value is not session)
        return (str(session.get_bind().engine.url), self._function.__module__, self._function.__qualname__, asked)


def remembered(function: Callable[Concatenate[Session, _P], _R]) -> Remembered[_P, _R]:
    """Keep the answers of a query `(session, ...)` whose other arguments can be hashed.

    Moments among the arguments count by the hour. In a session that writes everything is computed: it must see what it
    wrote itself.
    """
    return Remembered(function)


def _only_reads(session: Session) -> bool:
    return session.get_bind().get_execution_options().get("flambeau_access") == "read"


def _find(place: Hashable, now: Stamps) -> _Answer | None:
    """The answer, if it may still be given."""
    with _lock:
        found = _answers.get(place)
        if found is None or not found.holds(now):
            return None
        _answers.move_to_end(place)
        return found


def _find_once_made(place: Hashable, now: Stamps) -> _Answer | None:
    """The answer of another thread that counts the same at this moment; None: count it (others wait for us)."""
    with _lock:
        made = _making.get((place, now))
        if made is None:
            _making[place, now] = threading.Event()
            return None
    made.wait(WAIT_S)
    return _find(place, now)


def forget_answers() -> None:
    """Begin anew: for measurements of what an answer costs."""
    with _lock:
        _answers.clear()


def _hour(value: Any) -> Any:
    return value.replace(minute=0, second=0, microsecond=0) if isinstance(value, datetime) else value
