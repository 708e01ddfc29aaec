"""Who is there and what they may do: sessions kept by the server, permissions from the seats held at this moment.

No role is stored anywhere. A person may act because of a seat that they hold now; a permission is a rule over the
user and the thing, and what no rule allows is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ParamSpec, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, redirect, request, session, url_for
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from app import sessions
from app.audit import Actor
from app.db import clock_of, current_db
from app.sessions import issue_link as issue_link

_P = ParamSpec("_P")
_R = TypeVar("_R")
CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


# --- who -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeldSeat:
    """A seat that a person holds at this moment."""

    body: str
    seat: str
    kind: str
    module: str | None = None
    organization: str | None = None


@dataclass(frozen=True)
class User:
    """Whoever sent the request: a person with seats, or nobody in particular."""

    person: str | None
    person_id: int | None
    name: str
    seats: tuple[HeldSeat, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every public id whose sessions are this person's: their own, and those of accounts that became theirs."""
        return tuple(dict.fromkeys(one for one in (self.person, *self.also) if one is not None))

    @property
    def is_signed_in(self) -> bool:
        """Whether we know who it is."""
        return self.person is not None

    @property
    def is_administrator(self) -> bool:
        """Whether the person holds a seat of the administration now."""
        return self.holds("administrator")

    def holds(self, kind: str, *, module: str | None = None, body: str | None = None) -> bool:
        """Whether one of the seats is of this kind, and of this module or body where given."""
        return any(
            seat.kind == kind and module in (None, seat.module) and body in (None, seat.body) for seat in self.seats
        )

    @property
    def actor(self) -> Actor:
        """The user as the audit log names them. Raises: ValueError for an anonymous user, who cannot decide."""
        if self.person is None:
            raise ValueError("an anonymous visitor cannot decide anything; guard the view with @access")
        return Actor.person(self.person)


ANONYMOUS = User(person=None, person_id=None, name="")


@dataclass(frozen=True)
class KnownPerson:
    """What the house must know of a person to greet them; `also` are public ids of accounts that became theirs."""

    person_id: int
    name: str
    is_hidden: bool = False
    also: tuple[str, ...] = ()


SeatsOf = Callable[[Session, int, datetime], tuple[HeldSeat, ...]]
PersonOf = Callable[[Session, str], KnownPerson | None]
Veil = Callable[[str], str]
VeilOf = Callable[[Session], Veil]
FirstAdministrator = Callable[[Session, str, str, str], str]


@dataclass
class Directory:
    """Where persons and seats come from; people and bodies register themselves, a test hands in its own."""

    person_of: PersonOf = field(default=lambda _session, _public_id: None)
    seats_of: SeatsOf = field(default=lambda _session, _person_id, _at: ())
    first_administrator: FirstAdministrator | None = None
    veil_of: VeilOf = field(default=lambda _session: lambda text: text)


directory = Directory()


def provide_seats(function: SeatsOf) -> SeatsOf:
    """Register (as a decorator) where seats come from: (session, person_id, at) -> the seats held at that moment."""
    directory.seats_of = function
    return function


def provide_people(function: PersonOf) -> PersonOf:
    """Register where persons come from: (session, public_id) -> KnownPerson, or None when forgotten or unknown."""
    directory.person_of = function
    return function


def provide_veil(function: VeilOf) -> VeilOf:
    """Register how texts lose the names of people who asked to be hidden: session -> (text -> text)."""
    directory.veil_of = function
    return function


def provide_first_administrator(function: FirstAdministrator) -> FirstAdministrator:
    """Register how the first administrator comes to be: (session, name, email, reason) -> the person's public id."""
    directory.first_administrator = function
    return function


def current_directory() -> Directory:
    """The directory of the running application."""
    found: Directory = current_app.extensions["flambeau"].directory
    return found


def user_of(db_session: Session, person: str, *, within: Directory | None = None) -> User:
    """A person as a user, with the seats of this moment; anonymous when nobody has this public id."""
    within = within or current_directory()
    known = within.person_of(db_session, person)
    if known is None:
        return ANONYMOUS
    seats = within.seats_of(db_session, known.person_id, clock_of(db_session).now())
    return User(person=person, person_id=known.person_id, name=known.name, seats=tuple(seats), also=known.also)


def current_user(within: Session | None = None) -> User:
    """Who sent this request, read once per request from the server's session row; `within` a transaction that reads."""
    if "flambeau_user" not in g:
        g.flambeau_user = _read_user(within)
    user: User = g.flambeau_user
    return user


# --- what they may do ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    """Yes or no, and the sentence that a page can show."""

    allowed: bool
    because: str

    def __bool__(self) -> bool:
        return self.allowed


Rule = Callable[[User, Any], Decision]
Guard = Callable[[], Decision]
_rules: dict[str, Rule] = {}
_guards: dict[str, Guard] = {}


def permission(name: str) -> Callable[[Rule], Rule]:
    """Register a rule: `@permission("releases.publish")` over `(user, thing) -> Decision`.

    The rule is pure. `thing` is None when a route asks "may this user do it at all?", so a rule must answer that too.
    """

    def register(rule: Rule) -> Rule:
        if name in _rules and _rules[name].__qualname__ != rule.__qualname__:
            raise ValueError(f"the permission {name!r} has a rule already: {_rules[name].__qualname__}")
        _rules[name] = rule
        return rule

    return register


def guard(name: str) -> Callable[[Guard], Guard]:
    """Register who a machine is: `@guard("runner")` over `() -> Decision`, reading a token from the request.

    A route with `@access("runner")` is then open to such machines alone, without cookies and so without CSRF.
    """

    def register(check: Guard) -> Guard:
        _guards[name] = check
        return check

    return register


def guards() -> dict[str, Guard]:
    """Every guard of machines by name."""
    return _guards


def permissions() -> dict[str, Rule]:
    """Every named permission with its rule."""
    return dict(sorted(_rules.items()))


def can(user: User, action: str, thing: Any = None) -> Decision:
    """Whether the user may do it, with the reason. What no rule is written for is refused.

    >>> can(ANONYMOUS, "unheard.of").because
    'nobody may: no rule is written for unheard.of'
    """
    rule = _rules.get(action)
    if rule is None:
        return Decision(False, f"nobody may: no rule is written for {action}")
    return rule(user, thing)


def require(action: str, thing: Any = None) -> User:
    """The current user, if they may do it; otherwise the request ends with 403 and the rule's reason."""
    user = current_user()
    decision = can(user, action, thing)
    if not decision.allowed:
        abort(403, description=decision.because)
    return user


def administrators_only(user: User, _thing: Any = None) -> Decision:
    """A rule ready to use: administrators and nobody else."""
    return Decision(user.is_administrator, "administrators may" if user.is_administrator else "only administrators may")


def staff_only(user: User, _thing: Any = None) -> Decision:
    """A rule ready to use: whoever holds a seat of the administration."""
    allowed = user.is_administrator or user.holds("staff", body="administration")
    return Decision(allowed, "staff may" if allowed else "only staff of the foundation may")


def own_or_staff(what: str) -> Callable[[User, Any], Decision]:
    """A rule ready to use: staff may do it to anybody, everybody to themselves (`thing`: the person's row number)."""

    def rule(user: User, thing: Any = None) -> Decision:
        if thing is None:
            return Decision(user.is_signed_in, "signed-in people may, of themselves")
        if user.person_id == thing:
            return Decision(True, f"everybody may {what}")
        return staff_only(user)

    return rule


class _View(Protocol):
    flambeau_access: str


def access(name: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Declare who may use a route: "public", "signed-in", a permission's name, or a guard's. Goes below @route."""

    def mark(view: Callable[_P, _R]) -> Callable[_P, _R]:
        cast(_View, view).flambeau_access = name
        return view

    return mark


def access_of(app: Flask, endpoint: str) -> str | None:
    """What the route of an endpoint declares, or None."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return "public"
    return getattr(app.view_functions[endpoint], "flambeau_access", None)


def undeclared(app: Flask) -> list[str]:
    """Every route that declares nothing, or something that does not exist."""
    known = {"public", "signed-in", *_rules, *_guards}
    return sorted(
        f"{rule.rule} ({rule.endpoint}: {access_of(app, rule.endpoint) or 'nothing declared'})"
        for rule in app.url_map.iter_rules()
        if access_of(app, rule.endpoint) not in known
    )


# --- the request -----------------------------------------------------------------------------------------------------


def enter(token: str) -> None:
    """Put a session's token into the browser's cookie; whatever the cookie held before is dropped."""
    session.clear()
    session["token"] = token
    session.permanent = True
    g.pop("flambeau_user", None)


def own_session_id() -> str | None:
    """The public id of the session that sent this request."""
    current_user()
    found: str | None = g.get("flambeau_session")
    return found


def safe_next(target: str | None) -> str:
    """A path on this portal to go on to; anything that could lead elsewhere becomes the front page.

    >>> safe_next("/releases?page=2"), safe_next("//evil.example"), safe_next("https://evil.example")
    ('/releases?page=2', '/', '/')
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return "/"
    if "\\" in target or any(ord(letter) < 33 or ord(letter) == 127 for letter in target):
        return "/"
    parts = urlsplit(target)
    # No page of ours has two slashes in a row; something between us and the browser may make a host of what follows.
    return "/" if parts.scheme or parts.netloc or "//" in parts.path else target


def init(app: Flask) -> None:
    """Guard every request of an application."""
    app.config.setdefault("WTF_CSRF_CHECK_DEFAULT", False)
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    csrf = CSRFProtect(app)

    @app.before_request
    def admit() -> BaseResponse | None:
        if request.endpoint is None:
            return None
        needed = access_of(app, request.endpoint)
        if needed in _guards:
            decision = _guards[needed]()
            if not decision.allowed:
                abort(401, description=decision.because)
            return None
        if app.config.get("WTF_CSRF_ENABLED", True):
            csrf.protect()
        if needed == "public":
            return None
        user = current_user()
        if not user.is_signed_in:
            return _to_sign_in()
        if needed == "signed-in":
            return None
        decision = can(user, needed or "")
        if not decision.allowed:
            abort(403, description=decision.because)
        return None

    @app.after_request
    def protect_and_note(response: Response) -> Response:
        if seen := g.pop("flambeau_seen", None):
            with current_db().write() as db_session:
                sessions.note_seen(db_session, seen)
        response.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if app.config["SESSION_COOKIE_SECURE"]:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        # Also what a stranger alone may use: a form's token, the secret of a sign-in that was begun.
        if g.get("flambeau_user", ANONYMOUS).is_signed_in or "csrf_token" in g or session.modified:
            response.headers.setdefault("Cache-Control", "no-store")
        elif request.endpoint and access_of(app, request.endpoint) in _guards:
            response.headers["Cache-Control"] = "no-store"  # whoever shows no token gets nothing, from no cache either
        # A statement or a hidden name shows at once, whatever stands between us and the reader.
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


def _to_sign_in() -> BaseResponse:
    if request.method in ("GET", "HEAD"):
        path = request.full_path if request.query_string else request.path
        return redirect(url_for("house.sign_in", next=safe_next(path)))
    abort(401, description="You are not signed in, or your session has ended; sign in and send it again.")


def _read_user(within: Session | None) -> User:
    token = session.get("token")
    if not isinstance(token, str):
        return ANONYMOUS
    db = current_db()
    with nullcontext(within) if within else db.read() as db_session:
        row = sessions.session_by_token(db_session, token)
        user = user_of(db_session, row.person) if row else ANONYMOUS
    if row is None or not user.is_signed_in:
        session.pop("token", None)
        return ANONYMOUS
    if sessions.is_seen_long_ago(row, db.clock.now()):
        g.flambeau_seen = row  # noted when the request is answered: somebody else's transaction may be open here
    g.flambeau_session = row.public_id
    return user
