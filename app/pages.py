"""What every page has: navigation, cards of the front page, problems of a form, lists in pages, and error pages."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, g, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError

from app import parameters, wording
from app.auth import User, access_of, can, current_directory, current_user
from app.checks import Problem as Problem
from app.db import current_db
from app.governance_files import GovernanceError
from app.log import log
from app.upgrading import BehindError


@dataclass(frozen=True)
class Audience:
    """One of the four kinds of people who come here every week: the name of their room, and what they come for."""

    title: str
    comes_for: str


AUDIENCES = {
    "users": Audience("Framework", "Install it, see what is new, and which hardware it runs on."),
    "maintainers": Audience("Maintainers", "What waits for you, the state of your modules, releases to sign off."),
    "members": Audience("Members", "Your organization's people, contributions and seats."),
    "staff": Audience("Foundation", "Who decides what, by which rule, and what was decided."),
}


@dataclass(frozen=True)
class Nav:
    """A line of the navigation, in the room of one of the four kinds of people."""

    audience: str
    label: str
    endpoint: str
    order: int = 50

    def __post_init__(self) -> None:
        if self.audience not in AUDIENCES:
            raise ValueError(f"navigation for {self.audience!r}; it must be one of {', '.join(AUDIENCES)}")


@dataclass(frozen=True)
class Card:
    """A card of the front page: a template of the slice and what it needs."""

    title: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    url: str | None = None
    wide: bool = False


CardMaker = Callable[[Session, User], Card | None]
_cards: dict[str, tuple[int, CardMaker]] = {}


def card(*, order: int) -> Callable[[CardMaker], CardMaker]:
    """Register a card: `@card(order=10)` over `(session, user) -> Card | None`; None shows nothing."""

    def register(maker: CardMaker) -> CardMaker:
        _cards[f"{maker.__module__}.{maker.__qualname__}"] = (order, maker)
        return maker

    return register


def cards(session: Session, user: User) -> list[Card]:
    """The cards that this user sees, in order."""
    made = (maker(session, user) for _order, maker in sorted(_cards.values(), key=lambda pair: pair[0]))
    return [one for one in made if one is not None]


SlotMaker = Callable[[Session, User, Any], Card | None]
_slots: dict[str, dict[str, tuple[int, SlotMaker]]] = {}


def fill(slot: str, *, order: int) -> Callable[[SlotMaker], SlotMaker]:
    """Register a card of another slice's page: `@fill("organization", order=10)` over `(session, user, thing)`.

    Slots: "person", "organization", "module", "repository" (the thing is the row), "body" (a roster as of its day),
    "sign-in" (where to go on to), "account" (None: the user's own), "quality" (None: the page of the data's quality).
    """

    def register(maker: SlotMaker) -> SlotMaker:
        _slots.setdefault(slot, {})[f"{maker.__module__}.{maker.__qualname__}"] = (order, maker)
        return maker

    return register


def filled(slot: str, session: Session, user: User, thing: Any) -> list[Card]:
    """The cards that slices above put on a page of this thing, in order."""
    makers = sorted(_slots.get(slot, {}).values(), key=lambda pair: pair[0])
    made = (maker(session, user, thing) for _order, maker in makers)
    return [one for one in made if one is not None]


def problems(found: Iterable[Any]) -> list[Problem]:
    """Problems of a form for the page, all at once; takes Problems, (where, text) pairs, or pydantic's error dicts.

    >>> problems([("name", "is empty; write the organization's name")])
    [Problem(where='name', text="is empty; write the organization's name")]
    """
    listed = []
    for one in found:
        if isinstance(one, Mapping):
            text = str(one["msg"]).removeprefix("Value error, ")
            listed.append(Problem(".".join(str(part) for part in one["loc"]), text))
        else:
            where, text = one
            listed.append(Problem(str(where), str(text)))
    return listed


@dataclass(frozen=True)
class Page:
    """One page of a long list.

    >>> Page(number=2, size=50, total=120).last
    3
    """

    number: int
    size: int
    total: int

    @classmethod
    def from_request(cls, total: int, *, size: int = 50) -> Page:
        """The page that `?page=` asks for; the last one where there are fewer by now."""
        last = max(1, -(-total // size))
        return cls(number=min(parameters.number("page", default=1, least=1), last), size=size, total=total)

    @property
    def last(self) -> int:
        """The number of the last page."""
        return max(1, -(-self.total // self.size))

    @property
    def offset(self) -> int:
        """How many rows lie before this page."""
        return (self.number - 1) * self.size


def init(app: Flask) -> None:
    """Give an application its pages' common parts."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(wording.FILTERS)
    app.jinja_env.filters["veiled"] = veiled
    app.context_processor(_context)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(SecurityError, _foreign_host)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(StaleDataError, _changed_meanwhile)
    app.register_error_handler(GovernanceError, _not_ready)
    app.register_error_handler(BehindError, _behind)
    app.register_error_handler(Exception, _unexpected)

    @app.before_request
    def begin() -> None:
        g.request_id = secrets.token_hex(6)
        g.began = time.monotonic()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = _request_id()
        if response.mimetype == "text/html" and not response.is_streamed and not response.content_encoding:
            _show_what_steers(response)
        began = g.get("began")
        user: User | None = g.get("flambeau_user")
        fields = {
            "request_id": _request_id(),
            "method": request.method,
            "path": _path_for_the_log(),
            "status": response.status_code,
            "ms": round((time.monotonic() - began) * 1000, 1) if began else None,
            "person": user.person if user else None,
        }
        log.info("request", extra={"fields": fields})
        return response


# Bytes that no text needs, and the UTF-8 of what turns the direction of all that follows it (U+202A to 202E, 2066 to
# 2069): in a name or a message of somebody else's they would make a page say what it does not.
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_MARKED = bytes.maketrans(_CONTROLS, b"\x1a" * len(_CONTROLS))
_TURNS = re.compile(rb"\xe2(?:\x80[\xaa-\xae]|\x81[\xa6-\xa9])")


def _show_what_steers(response: Response) -> None:
    """Put U+FFFD in the place of control characters and of those that turn the direction of text."""
    body = response.get_data()
    shown = body.translate(_MARKED)
    if shown != body or _TURNS.search(body):
        mark = "\ufffd".encode()
        response.set_data(_TURNS.sub(mark, shown.replace(b"\x1a", mark)))


def _path_for_the_log() -> str:
    """The path of the request without a sign-in link's token, which whoever reads the log could use first."""
    token = (request.view_args or {}).get("token")
    return request.path.replace(token, "...") if token else request.path


def navigation(app: Flask, user: User) -> list[tuple[Audience, list[Nav]]]:
    """Each audience with the lines that this user may open."""
    found: list[Nav] = app.extensions["flambeau"].nav
    rooms = []
    for key, audience in AUDIENCES.items():
        lines = [
            line
            for line in sorted(found, key=lambda line: (line.order, line.label))
            if line.audience == key and _may_open(app, user, line.endpoint)
        ]
        if lines:
            rooms.append((audience, lines))
    return rooms


def _may_open(app: Flask, user: User, endpoint: str) -> bool:
    needed = access_of(app, endpoint)
    if needed == "public":
        return True
    if needed == "signed-in":
        return user.is_signed_in
    return can(user, needed or "").allowed


# --- errors ----------------------------------------------------------------------------------------------------------

_TITLES = {
    400: "That request could not be read",
    401: "Please sign in first",
    403: "That is not yours to do",
    404: "There is no such page",
    405: "That cannot be done here",
    409: "Somebody changed it meanwhile",
    413: "That is too large",
    429: "Too many attempts",
    500: "Something broke on our side",
    503: "Not ready yet",
}
_DEFAULT_TEXTS = {
    403: "You are signed in, but none of your seats allows this.",
    404: "The address may be mistyped, or what was there has moved or was never there.",
    413: "Send a smaller file.",
}


def _error_page(status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> tuple[str, int, dict[str, str]]:
    kept = {name: value for name, value in headers if name.lower() not in ("content-type", "content-length")}
    title = _TITLES.get(status, "That did not work")
    if request.accept_mimetypes.best == "application/json" or request.path.startswith("/api/"):
        return problem(status, text or title, kept)
    page = render_template("error.html", status=status, title=title, text=text, request_id=_request_id())
    return page, status, kept


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> tuple[str, int, dict[str, str]]:
    """An error for programs, as RFC 9457 writes one; `members` may be a `type` of its own and what belongs to it."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
            "instance": request.path, "request_id": _request_id(), **members}  # fmt: skip
    return json.dumps(body), status, {**(headers or {}), "Content-Type": "application/problem+json"}


def _request_id() -> str:
    return str(g.get("request_id", ""))


def _http_error(error: HTTPException) -> Any:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error
    if isinstance(error, InternalServerError):
        text = "The fault is noted with the number below; tell it to an administrator if it happens again."
    else:
        is_default = error.description == type(error).description
        text = _DEFAULT_TEXTS.get(status, "") if is_default else (error.description or "")
    return _error_page(status, text, error.get_headers())


def _foreign_host(error: SecurityError) -> Any:
    # No page: its links would be made from the very name that is not ours.
    text = f"{error.description}\nAdd the name to FLAMBEAU_TRUSTED_HOSTS if it is this portal's.\n"
    if request.path.startswith("/api/"):
        return problem(400, text)
    return Response(text, 400, content_type="text/plain; charset=utf-8")


def _csrf_error(_error: CSRFError) -> Any:
    text = "The form was too old or came from elsewhere. Go back, reload the page, and send it again."
    return _error_page(400, text)


def _changed_meanwhile(_error: StaleDataError) -> Any:
    text = "While you were editing, somebody else saved the same thing. Go back, reload, and see their change first."
    return _error_page(409, text)


def _not_ready(error: GovernanceError) -> Any:
    return _error_page(503, f"The portal is not set up yet: {error}.")


def _behind(error: BehindError) -> Any:
    # No page: it would ask the tables once more. Who runs the portal finds the way out in its log.
    log.error("the database is behind", extra={"fields": {"request_id": _request_id(), "error": error.message}})
    text = "The portal’s tables are not up to date. Whoever runs it finds in its log what to do; come back later."
    if request.path.startswith("/api/"):
        return problem(503, text)
    return Response(f"{text}\n", 503, content_type="text/plain; charset=utf-8")


def _unexpected(error: Exception) -> Any:
    wanted = current_app.config["PROPAGATE_EXCEPTIONS"]
    if wanted or (wanted is None and current_app.testing):
        raise error
    log.exception("unexpected", extra={"fields": {"request_id": _request_id(), "path": _path_for_the_log()}})
    return _http_error(InternalServerError())


# --- templates -------------------------------------------------------------------------------------------------------


def asset(name: str) -> str:
    """The address of a static file, with a part of its hash so that a new version is fetched at once."""
    path = Path(current_app.static_folder or "") / name
    return url_for("static", filename=name, v=_fingerprint(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=32)
def _fingerprint(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


STYLES = ("base", "frame", "parts", "charts", "house", "people", "contributions", "modules", "paper")
"""The stylesheets in `static/` in the order in which they count: where two say as much, the later one wins."""


def style() -> tuple[str, str]:
    """All stylesheets as one, which a browser fetches once, and a part of its hash."""
    paths = tuple(Path(current_app.static_folder or "") / f"{name}.css" for name in STYLES)
    return _joined(paths, tuple(path.stat().st_mtime_ns for path in paths))


@lru_cache(maxsize=2)
def _joined(paths: tuple[Path, ...], _changed: tuple[int, ...]) -> tuple[str, str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    return text, hashlib.sha256(text.encode()).hexdigest()[:10]


def slug(text: str) -> str:
    """A class name or anchor out of any text.

    >>> slug("Needs a person!")
    'needs-a-person'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def veiled(text: str) -> str:
    """A text as a source wrote it, without the names and addresses of people who asked to be hidden."""
    if "flambeau_veil" not in g:
        with current_db().read() as session:
            g.flambeau_veil = current_directory().veil_of(session)
    return str(g.flambeau_veil(text))


def page_url(number: int) -> str:
    """This very page with another `?page=`."""
    arguments: dict[str, Any] = {**asked(), **(request.view_args or {}), "page": number}
    return url_for(request.endpoint or "house.front", **arguments)


def asked() -> dict[str, list[str]]:
    """What this address asks for, to be asked of `url_for` again: without what that would take for an order to itself.

    Somebody else may have written the address: `?_scheme=javascript` must not become a link.
    """
    own = {"endpoint", *(request.view_args or {})}
    return {name: values for name, values in request.args.lists() if name not in own and not name.startswith("_")}


def _context() -> dict[str, Any]:
    house = current_app.extensions["flambeau"]
    return {
        "settings": house.settings,
        "user": current_user(),
        "now": house.clock.now(),
        "rooms": lambda: navigation(current_app, current_user()),
        "asset": asset,
        "style_url": lambda: url_for("house.style", v=style()[1]),
        "may": lambda action, thing=None: can(current_user(), action, thing).allowed,
        "slug": slug,
        "page_url": page_url,
    }
