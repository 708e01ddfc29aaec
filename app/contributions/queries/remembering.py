"""Answers kept, in memory and in files (`shelved`), for as long as nothing that they rest on has changed.

Every write that can move a figure leaves a stamp in its own transaction (`app.contributions.stamps`), and an answer is
kept with the stamps that it was computed under. What people decide shows at once. What machines bring in (a commit, a
webhook) may show a little later where the answer is dear: on a busy day something arrives every minute, and counting
half a million changes for each of them would help nobody; figures say as of when they are (`behind_since`). Answers are
shared between requests: nobody may change one.
"""

from __future__ import annotations

import functools
import inspect
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from sqlalchemy.orm import Session

from app.contributions.queries import shelved
from app.contributions.queries.shelved import Answer
from app.contributions.stamps import Stamps, missing_since, stamps_once

PATIENCE_S = 30.0
"""So long a dear answer outlives the first thing that machines bring in after it."""
PATIENCE_WITH_READY_S = 600.0
"""So long one that was made ready, of a foundation where all is dear: until the next one is, which takes a while."""
DEAR_S = 0.05
WAIT_S = 20.0
"""So long a thread waits for another that counts the same; after that, or if that failed, it counts itself."""
_KEPT = 400

_P = ParamSpec("_P")
_R = TypeVar("_R")


_answers: OrderedDict[Hashable, Answer] = OrderedDict()
_making: dict[Hashable, threading.Event] = {}
_lock = threading.Lock()
_makes_ready: ContextVar[bool] = ContextVar("makes_ready", default=False)
_BEHIND = "figures_behind"


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
        found = _find(session, place, now) or _find_once_made(session, place, now)
        if found is None:
            try:
                found = _find_shelved(session, place, now) or self._made(session, place, now, *args, **kwargs)
            finally:
                with _lock:
                    made = _making.pop((place, now), None)
                if made is not None:
                    made.set()
        elif _makes_ready.get():
            _keep(session, place, found)  # for ten minutes, where it lay for half of one, or in memory alone
        elif found.under != now:
            found = _find_shelved(session, place, now, newer_than=found) or found
        return self._given(session, found, now)

    def if_known(self, session: Session, /, *args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        """The answer if it is kept; None: nothing is counted."""
        if not _only_reads(session):
            return None
        place, now = self._place(session, *args, **kwargs), stamps_once(session)
        found = _find(session, place, now) or _find_shelved(session, place, now)
        return self._given(session, found, now) if found else None

    def _made(self, session: Session, place: Hashable, now: Stamps, /, *args: _P.args, **kwargs: _P.kwargs) -> Answer:
        """The answer as it is now; what it takes from an answer that is behind, it is itself behind by."""
        before = session.info.pop(_BEHIND, None)
        begun = time.monotonic()
        try:
            value = self._function(session, *args, **kwargs)
        finally:
            oldest: Stamps | None = session.info.pop(_BEHIND, None)
            if before is not None:
                session.info[_BEHIND] = before
        answer = Answer(value, oldest or now, time.time(), time.monotonic() - begun)
        _keep(session, place, answer)
        return answer

    @staticmethod
    def _given(session: Session, answer: Answer, now: Stamps) -> _R:
        if answer.under != now:
            oldest: Stamps = session.info.get(_BEHIND, answer.under)
            session.info[_BEHIND] = min(oldest, answer.under, key=lambda stamps: stamps.every)
        value: _R = answer.value
        return value

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


def behind_since(session: Session) -> datetime | None:
    """When something was written first that an answer lacks which this session was given; None: they lack nothing."""
    oldest: Stamps | None = session.info.get(_BEHIND)
    return datetime.fromtimestamp(missing_since(session, oldest), UTC) if oldest else None


@contextmanager
def making_ready() -> Iterator[None]:
    """Within the block no answer is given that anything was written after, and what is counted is given for longer."""
    token = _makes_ready.set(True)
    try:
        yield
    finally:
        _makes_ready.reset(token)


def _only_reads(session: Session) -> bool:
    return session.get_bind().get_execution_options().get("flambeau_access") == "read"


def _holds(session: Session, answer: Answer, now: Stamps) -> bool:
    """Whether an answer may still be given."""
    if answer.under == now:
        return True
    if answer.under.by_people != now.by_people or answer.cost_s < DEAR_S or _makes_ready.get():
        return False
    patience_s = PATIENCE_WITH_READY_S if answer.was_made_ready else PATIENCE_S
    return 0 <= time.time() - missing_since(session, answer.under) < patience_s


def _find(session: Session, place: Hashable, now: Stamps) -> Answer | None:
    """The answer in memory, if it may still be given."""
    with _lock:
        found = _answers.get(place)
        if found is not None:
            _answers.move_to_end(place)
    return found if found is not None and _holds(session, found, now) else None


def _find_shelved(
    session: Session, place: Hashable, now: Stamps, *, newer_than: Answer | None = None
) -> Answer | None:
    """The answer of another process, if it may still be given; from then on it is in memory."""

    def is_wanted(answer: Answer) -> bool:
        is_newer = newer_than is None or answer.under.every > newer_than.under.every
        return is_newer and _holds(session, answer, now)

    found = shelved.take(session, place, now, is_wanted)
    if found is not None:
        if _makes_ready.get():
            _keep(session, place, found)
        else:
            _remember(place, found)
    return found


def _keep(session: Session, place: Hashable, answer: Answer) -> None:
    """Keep an answer for this process and for all others."""
    answer = replace(answer, was_made_ready=_makes_ready.get())
    _remember(place, answer)
    shelved.put(session, place, answer)


def _remember(place: Hashable, answer: Answer) -> None:
    with _lock:
        _answers[place] = answer
        _answers.move_to_end(place)
        while len(_answers) > _KEPT:
            _answers.popitem(last=False)


def _find_once_made(session: Session, place: Hashable, now: Stamps) -> Answer | None:
    """The answer of another thread that counts the same at this moment; None: count it (others wait for us)."""
    with _lock:
        made = _making.get((place, now))
        if made is None:
            _making[place, now] = threading.Event()
            return None
    made.wait(WAIT_S)
    return _find(session, place, now)


def forget_answers() -> None:
    """Begin anew: for measurements of what an answer costs."""
    with _lock:
        _answers.clear()


def _hour(value: Any) -> Any:
    return value.replace(minute=0, second=0, microsecond=0) if isinstance(value, datetime) else value
