"""How answers leave: compressed, and what is the same for everybody kept for a minute.

A kept page is given to whoever is not signed in and brings no session. What of a page is the same for every reader (its
`main` block) is kept as well, and put into a frame made for whoever asks. Where it differs by who reads, it is kept for
each reader alone. All are given for as long as nothing was decided or observed (the audit log has the same head, and
what the slice says beside it), within the same hour; after `KEPT_S` whoever asks first makes it anew. They lie in a
private folder, so that all processes of a machine share them.
"""

from __future__ import annotations

import gzip
import re
import secrets
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from flask import Blueprint, Flask, Response, current_app, g, render_template, request, session
from markupsafe import Markup

from app import marks
from app.auth import can, current_user
from app.clock import current_clock
from app.db import current_db
from app.shelf import Kept, Shelf

KEPT_S = 60.0
ANSWERS_S = 25 * 3600.0
"""So long lies what figures rest on (`app.contributions.queries.shelved`): windows end today."""
ANEW = "flambeau.anew"
"""In the environment of a request that wants the page made, not given again: no header can say this."""
_LEAST_BYTES = 600
_LEVEL, _LEVEL_ONCE = 5, 2
"""What is kept is packed well, what goes to one reader quickly."""
_TEXTS = ("text/", "application/json", "application/problem+json", "application/xml", "image/svg+xml",
          "application/javascript")  # fmt: skip
_OWN = re.compile(r"<!--own ([a-z.-]+)-->")
_CODE = ("*.py", "*.html", "*.css", "*.js")


@dataclass(frozen=True)
class _Own:
    """A part of a shared page that is the reader's own; without the permission (if there is one) it is empty."""

    make: Callable[[], str]
    only_with: str
    strangers_alike: bool

    @property
    def is_shown(self) -> bool:
        """Whether there may be anything in it for whoever asks."""
        return not self.only_with or can(current_user(), self.only_with).allowed


_own: dict[str, _Own] = {}


def init(app: Flask, home: Path) -> None:
    """Compress what leaves. Called before anything else registers, so that it comes last."""
    code, secret = _code(Path(app.root_path)), f"shelf {app.config['SECRET_KEY']}".encode()
    shelf = app.extensions["flambeau_pages"] = Shelf(home / "pages", made_by=code, secret=secret)
    app.extensions["flambeau"].db.info["flambeau_answers"] = Shelf(
        home / "answers", most=4000, most_bytes=256 * 1024 * 1024, oldest_s=ANSWERS_S, made_by=code, secret=secret
    )
    tidy_shelves(app)
    app.context_processor(lambda: {"own": _mark, "whole": _whole})

    @app.after_request
    def pack(response: Response) -> Response:
        is_text = (response.mimetype or "").startswith(_TEXTS)
        if not is_text or response.is_streamed or response.direct_passthrough or response.content_encoding:
            return response
        response.vary.add("Accept-Encoding")
        wants = request.accept_encodings.quality("gzip") > 0
        body = response.get_data()
        packed = None
        if "standing" in g and response.status_code == 200:
            if shared := g.get("shared"):
                part, title, content = shared
                shelf.keep(_place(part), g.standing, Kept({"title": title}, content.encode()))
            if g.get("may_keep") and not session.modified and _is_stranger():
                packed = _packed(body, _LEVEL)
                shelf.keep(_place("page"), g.standing, Kept({"type": response.content_type}, packed))
        if wants and len(body) >= _LEAST_BYTES:
            # A page with secrets of its reader gets a length that tells nothing: bytes in a header that nobody reads.
            pad = 0 if _is_stranger() else secrets.randbelow(100) + 1
            response.set_data(packed or _packed(body, _LEVEL_ONCE if pad else _LEVEL, pad=pad))
            response.headers["Content-Encoding"] = "gzip"
            etag, is_weak = response.get_etag()
            if etag and not is_weak:
                response.set_etag(etag, weak=True)
        return response


def keep_pages(
    blueprint: Blueprint,
    *under: str,
    only: Collection[str] = (),
    but_under: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Keep this room's pages that call `may_keep` or `may_share` (`only`: endpoints; others are not even looked for).

    They rest on the audit log and these marks; `but_under`: endpoints whose pages rest on other marks.
    """

    @blueprint.before_request
    def given_again() -> Response | str | None:
        if request.method != "GET" or (only and request.endpoint not in only):
            return None
        with current_db().read() as db_session:
            standing = marks.read(db_session, "log", *but_under.get(str(request.endpoint), under))
            current_user(within=db_session)
        hour = current_clock().now().replace(minute=0, second=0, microsecond=0)
        g.standing = (*standing, hour.isoformat())
        if ANEW in request.environ:
            return None
        if _is_stranger() and (found := _find("page")):
            return _unpacked(found)
        if found := _find("main") or (None if _is_stranger() else _find(_readers_part())):
            g.may_keep = True
            title = Markup(found.words["title"])  # noqa: S704 - as `_whole` kept it
            content = Markup(found.body.decode())  # noqa: S704 - as `_whole` kept it
            return render_template("base.html", kept_title=title, kept_main=content)
        return None


def tidy_shelves(app: Flask | None = None) -> int:
    """Take away what is kept and old, where nobody asks for pages; gives how many files went."""
    extensions = (app or current_app).extensions
    shelves: list[Shelf] = [extensions["flambeau_pages"], extensions["flambeau"].db.info["flambeau_answers"]]
    return sum(shelf.tidy() for shelf in shelves)


def may_keep(*, for_each: bool = False) -> None:
    """Say that this page is the same for every stranger, and shows nothing that moves without a line in the log.

    `for_each`: so it is for one and the same reader with the same seats, for whom alone its `main` block is then kept.
    """
    g.may_keep, g.may_keep_for_each = True, for_each


def may_share() -> None:
    """Say that all in this page's `main` block is the same for every reader, signed in or not, but what is `own`.

    It shows nothing that moves without a line in the audit log. A page with a part of one's own is put together for
    each reader; one without is kept whole for strangers.
    """
    g.may_keep = g.may_share = True


def own(
    name: str, *, only_with: str = "", strangers_alike: bool = False
) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Register what a shared page shows of its reader: `@own("contributions.mended")` over `() -> HTML`.

    The template says where: `{{ own("contributions.mended") }}`. `only_with` is the permission that one needs to be
    shown anything there. `strangers_alike` says that all strangers are shown the same, which rests on nothing but what
    the page rests on. With either the page is kept whole for strangers.
    """

    def register(make: Callable[[], str]) -> Callable[[], str]:
        _own[name] = _Own(make, only_with, strangers_alike)
        return make

    return register


def _mark(name: str) -> Markup:
    """Where a part of the reader's own comes; no text of anybody's can write this, for texts are escaped."""
    if name not in _own:
        raise KeyError(f"no part is called {name!r}; there are {', '.join(sorted(_own))}")
    return Markup("<!--own {}-->").format(name)


def _whole(title: Markup, content: Markup) -> Markup:
    """The `main` block as this reader sees it; `base.html` calls this of every page."""
    for_each = g.pop("may_keep_for_each", False) and not _is_stranger()
    part = "main" if g.pop("may_share", False) else _readers_part() if for_each else ""
    if part and "csrf_token" not in g and not session.modified:
        g.shared = (part, str(title), str(content))
    names = set(_OWN.findall(content))
    if not names:
        return content
    shown = {name: _own[name] for name in names if _own[name].is_shown}
    if any(not part.strangers_alike for part in shown.values()):
        g.may_keep = False
    filled = _OWN.sub(lambda match: shown[match[1]].make() if match[1] in shown else "", content)
    return Markup(filled)  # noqa: S704 - our templates rendered both


def _find(part: str) -> Kept | None:
    shelf: Shelf = current_app.extensions["flambeau_pages"]
    return shelf.find(_place(part), g.standing, fresh_s=KEPT_S)


def _place(part: str) -> Hashable:
    return (part, request.scheme, request.host, request.script_root, request.path, request.query_string)


def _readers_part() -> str:
    """The `main` block of whoever asks: who they are, and the seats that they hold today."""
    return f"main of {current_user()!r}"


def _unpacked(found: Kept) -> Response:
    """A kept page for whoever asks, compressed or not."""
    is_packed = request.accept_encodings.quality("gzip") > 0
    body = found.body if is_packed else gzip.decompress(found.body)
    answer = Response(body, content_type=found.words["type"])
    if is_packed:
        answer.headers["Content-Encoding"] = "gzip"
    answer.vary.add("Accept-Encoding")
    return answer


def _is_stranger() -> bool:
    """Whether the request brings no session: nobody signed in, no form begun, no message to show."""
    return not session


def _code(root: Path) -> int:
    """When the newest of our files was written: after an update nothing is given that an older one made."""
    return max(path.stat().st_mtime_ns for pattern in _CODE for path in root.rglob(pattern))


def _packed(body: bytes, level: int, *, pad: int = 0) -> bytes:
    whole = gzip.compress(body, level, mtime=0)
    if not pad:
        return whole
    # RFC 1952: flag FNAME, and a name that ends with a zero byte right after the ten bytes of the header.
    return whole[:3] + bytes([whole[3] | 8]) + whole[4:10] + b"a" * pad + b"\0" + whole[10:]
