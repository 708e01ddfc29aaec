"""Answers as files of the home, so that what was counted once on this machine is not counted again.

A process that begins, and gunicorn's second one, find what another counted, and a job counts what pages show before
anybody asks (`app.contributions.readying`). A file holds for as long as the answer would in memory, it is told by the
same stamps, and another version of the program finds nothing. In it are plain values and our own dataclasses, written
by pickle; a file is signed by this portal (`app.shelf`), and its reader knows no name but those of such classes.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, is_dataclass, replace
from enum import Enum
from typing import Any

from flask import Response, after_this_request, has_request_context
from sqlalchemy.orm import Session

from app.contributions.stamps import Stamps
from app.shelf import Kept, Shelf

SHELVED_S = 0.01
"""An answer that took less is counted as fast as it is read."""
_HOUSE, _PROTOCOL = "app.contributions.", 5
_PLAIN = {("builtins", "frozenset"), ("builtins", "set"), ("collections", "Counter"), ("datetime", "date"),
          ("datetime", "datetime"), ("datetime", "timedelta"), ("datetime", "timezone")}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What was counted, under which stamps, when (seconds since 1970) and how long that took.

    `was_made_ready`: before anybody asked.
    """

    value: Any
    under: Stamps
    made_at: float
    cost_s: float
    was_made_ready: bool = False


def put(session: Session, place: Hashable, answer: Answer) -> None:
    """Put an answer that took a while where other processes find it; in a request once the reader has the page."""
    shelf: Shelf | None = session.info.get("flambeau_answers")
    if shelf is None or answer.cost_s < SHELVED_S or not _tells_itself(place):
        return
    if not has_request_context():
        _write(shelf, place, answer)
        return

    @after_this_request
    def later(response: Response) -> Response:
        response.call_on_close(lambda: _write(shelf, place, answer))
        return response


def _stays(lies: Answer, comes: Answer) -> bool:
    """Whether an answer that lies at a place is left there where another comes.

    It is the same and was made ready, or it is newer and came while the other was counted. What lay there before was of
    no use to whoever counted then.
    """
    if lies.under == comes.under:
        return lies.was_made_ready or not comes.was_made_ready
    return lies.under.every > comes.under.every and lies.made_at > comes.made_at - comes.cost_s


def _write(shelf: Shelf, place: Hashable, answer: Answer) -> None:
    now = answer.under
    if shelf.find(place, now.by_people, fresh_s=shelf.oldest_s, wanted=lambda words: _stays(_head(words, now), answer)):
        return
    try:
        body = _dumped(answer.value)
    except Exception:
        return  # it holds something that lives in one process only
    words = {"every": " ".join(map(str, answer.under.every)), "made_at": repr(answer.made_at),
             "cost_s": repr(answer.cost_s), "ready": str(int(answer.was_made_ready))}  # fmt: skip
    shelf.keep(place, answer.under.by_people, Kept(words, body))


def take(session: Session, place: Hashable, now: Stamps, holds: Callable[[Answer], bool]) -> Answer | None:
    """What another process put at this place, if it `holds` (looked at before it is read)."""
    shelf: Shelf | None = session.info.get("flambeau_answers")
    if shelf is None or not _tells_itself(place):
        return None
    found = shelf.find(place, now.by_people, fresh_s=shelf.oldest_s, wanted=lambda words: holds(_head(words, now)))
    if found is None:
        return None
    try:
        return replace(_head(found.words, now), value=_Reader(io.BytesIO(found.body)).load())
    except Exception:
        return None


def _head(words: Mapping[str, str], now: Stamps) -> Answer:
    """What the words of a file say of its answer. Raises: ValueError, KeyError or TypeError of others' words."""
    highest, number, moments = map(int, str(words["every"]).split())
    made_at, cost_s = (float(str(words[name])) for name in ("made_at", "cost_s"))
    return Answer(None, Stamps((highest, number, moments), now.by_people), made_at, cost_s, words["ready"] == "1")


class _Reducers(dict[type, Callable[[Any], Any]]):
    """How values of each type are written: enums and named tuples as a call of their class, the same on every Python.

    (Enums of 3.11.2 are written as `getattr`, which no reader of ours knows.)
    """

    def __missing__(self, kind: type) -> Callable[[Any], Any]:
        if issubclass(kind, type):
            raise KeyError(kind)  # a class itself: by its name
        if issubclass(kind, Enum):
            self[kind] = lambda one: (kind, (one.value,))
        elif issubclass(kind, tuple):
            self[kind] = lambda one: (kind, tuple(one))
        else:
            self[kind] = lambda one: one.__reduce_ex__(_PROTOCOL)
        return self[kind]


class _Writer(pickle.Pickler):
    dispatch_table = _Reducers()


def _dumped(value: Any) -> bytes:
    file = io.BytesIO()
    _Writer(file, protocol=_PROTOCOL).dump(value)
    return file.getvalue()


class _Reader(pickle.Unpickler):
    """Reads values and our own classes of data; nothing that a file names is imported or called besides."""

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        found = vars(sys.modules[module]).get(name) if module.startswith(_HOUSE) and module in sys.modules else None
        is_data = isinstance(found, type) and (is_dataclass(found) or issubclass(found, (Enum, tuple)))
        if not is_data or found.__module__ != module:
            raise pickle.UnpicklingError(f"an answer holds no {module}.{name}")
        return found


def _tells_itself(place: Hashable) -> bool:
    """Whether the `repr` by which a file is named tells a place: not one of an object's address in memory."""
    return " at 0x" not in repr(place)
