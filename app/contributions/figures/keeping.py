"""Figures as drawn, kept for cards on records (made for each reader with a session), for CSV, JSON and the API.

A figure is given again for a minute at most, in the same hour, while the audit log has the same head and nothing that
figures rest on was written: names and links in it change with a line in that log. It says itself when it was taken.
"This is wrong" leads back to the page that it stands on, so each page has its own.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from flask import has_request_context, request
from sqlalchemy.orm import Session

from app import answers, audit
from app.contributions.figures.look import Look
from app.contributions.stamps import stamps_once

if TYPE_CHECKING:
    from app.contributions.figures.figure import Figure

_MOST = 400
_kept: OrderedDict[Hashable, tuple[Figure, Hashable, float]] = OrderedDict()
_lock = threading.Lock()


def kept(key: str, look: Look, make: Callable[[], Figure]) -> Figure:
    """The figure of this key and look, made unless it is kept. In a session that writes it is always made."""
    bind = look.session.get_bind()
    if bind.get_execution_options().get("flambeau_access") != "read":
        return make()
    page = (request.script_root, request.path) if has_request_context() else None
    place = (
        str(bind.engine.url), key, look.scope, look.window, tuple(look.arguments.items()),
        tuple(sorted(look.options.items())), tuple(one.id for one in look.beside), page,
        look.as_of.replace(minute=0, second=0, microsecond=0),
    )  # fmt: skip
    under = _standing(look.session)
    with _lock:
        found = _kept.get(place)
    if found is not None and found[1] == under and time.monotonic() < found[2]:
        return found[0]
    figure = make()
    with _lock:
        _kept[place] = (figure, under, time.monotonic() + answers.KEPT_S)
        _kept.move_to_end(place)
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
    return figure


def forget_figures() -> None:
    """Begin anew: for measurements of what a page costs of which nothing is kept."""
    with _lock:
        _kept.clear()


def _standing(session: Session) -> Hashable:
    """The head of the audit log and the stamps; a session that reads asks once."""
    if "figure_standing" not in session.info:
        session.info["figure_standing"] = (audit.head(session), stamps_once(session))
    found: Hashable = session.info["figure_standing"]
    return found
