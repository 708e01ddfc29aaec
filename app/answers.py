"""How answers leave: compressed, and pages that are the same for every stranger kept for a minute.

A kept page is given to whoever is not signed in and brings no session, for as long as nothing was decided or observed
(the audit log has the same head, and what the slice says beside it) and at most `KEPT_S`. Pages are kept compressed.
"""

from __future__ import annotations

import gzip
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, Flask, Response, current_app, g, request, session
from sqlalchemy.orm import Session

from app.audit import AuditEntry
from app.clock import current_clock
from app.db import current_db

KEPT_S = 60.0
_MOST = 300
_LEAST_BYTES = 600
_LEVEL = 5
_TEXTS = ("text/", "application/json", "application/problem+json", "application/xml", "image/svg+xml",
          "application/javascript")  # fmt: skip
Under = Callable[[Session], Hashable]


@dataclass(frozen=True)
class _Kept:
    packed: bytes
    content_type: str
    under: Hashable
    until: float


class Pages:
    """What is kept in this process."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, place: Hashable, under: Hashable) -> _Kept | None:
        """A page that still holds."""
        with self._lock:
            found = self._pages.get(place)
            if found is None or found.under != under or found.until < time.monotonic():
                return None
            self._pages.move_to_end(place)
            return found

    def keep(self, place: Hashable, page: _Kept) -> None:
        """Keep a page; the one asked for longest ago goes."""
        with self._lock:
            self._pages[place] = page
            self._pages.move_to_end(place)
            while len(self._pages) > _MOST:
                self._pages.popitem(last=False)


def init(app: Flask) -> None:
    """Compress what leaves. Called before anything else registers, so that it comes last."""
    app.extensions["flambeau_pages"] = Pages()

    @app.after_request
    def pack(response: Response) -> Response:
        is_text = (response.mimetype or "").startswith(_TEXTS)
        if not is_text or response.is_streamed or response.direct_passthrough or response.content_encoding:
            return response
        response.vary.add("Accept-Encoding")
        wants = request.accept_encodings.quality("gzip") > 0
        body = response.get_data()
        packed = None
        if "keep_as" in g and response.status_code == 200 and not session.modified and g.get("may_keep"):
            packed = _packed(body, pad=0)
            place, under = g.keep_as
            kept = _Kept(packed, response.content_type, under, time.monotonic() + KEPT_S)
            app.extensions["flambeau_pages"].keep(place, kept)
        if wants and len(body) >= _LEAST_BYTES:
            # A page with secrets of its reader gets a length that tells nothing: bytes in a header that nobody reads.
            response.set_data(packed or _packed(body, pad=0 if _is_stranger() else secrets.randbelow(100) + 1))
            response.headers["Content-Encoding"] = "gzip"
            etag, is_weak = response.get_etag()
            if etag and not is_weak:
                response.set_etag(etag, weak=True)
        return response


def keep_pages(blueprint: Blueprint, under: Under, *, only: Collection[str] = ()) -> None:
    """Keep this room's pages that call `may_keep` (`only`: endpoints, where the others are not even looked for).

    `under` says what they rest on besides the audit log.
    """

    @blueprint.before_request
    def given_again() -> Response | None:
        if request.method != "GET" or (only and request.endpoint not in only) or not _is_stranger():
            return None
        with current_db().read() as db_session:
            head = db_session.scalar(sa.select(sa.func.max(AuditEntry.number)))
            now = (head, under(db_session))
        hour = current_clock().now().replace(minute=0, second=0, microsecond=0)
        place = (request.host, request.full_path, hour)
        found = _pages().find(place, now)
        if found is None:
            g.keep_as = (place, now)
            return None
        if request.accept_encodings.quality("gzip") > 0:
            answer = Response(found.packed, content_type=found.content_type)
            answer.headers["Content-Encoding"] = "gzip"
        else:
            answer = Response(gzip.decompress(found.packed), content_type=found.content_type)
        answer.vary.add("Accept-Encoding")
        return answer


def may_keep() -> None:
    """Say that this page shows nothing of who reads it, and nothing that moves without a line in the audit log."""
    g.may_keep = True


def _pages() -> Pages:
    found: Pages = current_app.extensions["flambeau_pages"]
    return found


def _is_stranger() -> bool:
    """Whether the request brings no session: nobody signed in, no form begun, no message to show."""
    return not session


def _packed(body: bytes, *, pad: int) -> bytes:
    whole = gzip.compress(body, _LEVEL, mtime=0)
    if not pad:
        return whole
    # RFC 1952: flag FNAME, and a name that ends with a zero byte right after the ten bytes of the header.
    return whole[:3] + bytes([whole[3] | 8]) + whole[4:10] + b"a" * pad + b"\0" + whole[10:]
