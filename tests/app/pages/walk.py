"""Finds the portal's pages by following its links, as a reader does; what nothing leads to is missing then."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from flask import Flask, template_rendered
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from app import auth

MOST_PAGES = 800  # what is then still missing is not shown


@dataclass(frozen=True)
class Page:
    """What one address answered. `shapes` are the (element, class) pairs on it, `form` a form to be sent empty."""

    who: str
    endpoint: str
    path: str
    status: int
    is_html: bool
    text: str = field(repr=False)
    template: str = ""
    shapes: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False)
    links: tuple[str, ...] = field(default=(), repr=False)
    has_form: bool = False
    sends_empty_form: bool = False

    @property
    def name(self) -> str:
        """What a failing test calls it."""
        return f"{self.path} as {self.who}" + (", its form sent empty" if self.sends_empty_form else "")


def walk(
    app: Flask, client: FlaskClient, who: str, *, start: tuple[str, ...], most: int, wanted: Collection[str] = ()
) -> list[Page]:
    """Every page that links lead to, nearest first: `most` of one route, more while a wanted route is missing."""
    waiting, put_off, seen, found = deque(start), deque[str](), set(start), list[Page]()
    counts: Counter[str] = Counter()
    expected: Counter[str] = Counter()
    while waiting or (put_off and set(wanted) - set(counts) and len(found) < MOST_PAGES):
        path = (waiting or put_off).popleft()
        endpoint = endpoint_of(app, path)
        counts[endpoint] += 1
        page = look(app, client, who, endpoint, path)
        found.append(page)
        for link in [link for link in page.links if link not in seen]:
            seen.add(link)
            route = endpoint_of(app, link)
            expected[route] += 1
            (waiting if expected[route] <= most else put_off).append(link)
    return found


def look(app: Flask, client: FlaskClient, who: str, endpoint: str, path: str, *, send_empty: bool = False) -> Page:
    """Open one address; with `send_empty`, send the form there with nothing filled in."""
    templates: list[str] = []

    def note(_app: Flask, template: object, **_context: object) -> None:
        templates.append(str(getattr(template, "name", "")))

    with template_rendered.connected_to(note, app):
        answer = client.get(path)
        if send_empty:
            form = _Reader(path, answer.text).sendable[0]
            answer = client.post(form.action, data=form.hidden)
    is_html = answer.mimetype == "text/html" and not 300 <= answer.status_code < 400
    text = answer.text if is_html else ""
    answer.close()
    reader = _Reader(path, text)
    return Page(
        who, endpoint, path, answer.status_code, is_html, text,
        template=templates[-1] if templates and is_html else "", shapes=frozenset(reader.shapes),
        links=tuple(reader.links), has_form=bool(reader.sendable), sends_empty_form=send_empty,
    )  # fmt: skip


def fill_in(client: FlaskClient, path: str, values: dict[str, str]) -> TestResponse:
    """Open a page and send its first form with these values, and with what the form itself remembers."""
    form = _Reader(path, client.get(path).text).sendable[0]
    return client.post(form.action, data={**form.hidden, **values})


def routes_of(app: Flask) -> list[str]:
    """What people may open, as the map of addresses has it; machines have doors of their own."""
    return sorted(
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and auth.access_of(app, rule.endpoint) not in auth.guards()
        if rule.endpoint != "static"
    )


def endpoint_of(app: Flask, path: str) -> str:
    """The route that answers GET for this path, or "" if none does."""
    try:
        return str(app.url_map.bind("localhost").match(urlsplit(path).path, method="GET")[0])
    except HTTPException:
        return ""


def worth_a_look(pages: list[Page]) -> Iterator[Page]:
    """Of pages alike one is enough: the first of each route, and each that has an element none before it had."""
    routes: set[str] = set()
    shapes: set[tuple[str, str]] = set()
    for page in pages:
        if page.is_html and (page.endpoint not in routes or page.shapes - shapes):
            routes.add(page.endpoint)
            shapes |= page.shapes
            yield page


@dataclass
class _Form:
    action: str
    method: str
    hidden: dict[str, str] = field(default_factory=dict)
    filled: list[tuple[str, str]] = field(default_factory=list)
    needs_something: bool = False


def _number(form: _Form) -> str:
    """Numbers that grow from field to field, so that votes are fewer than voters."""
    return str(3 ** len(form.filled))


class _Reader(HTMLParser):
    """Links, forms and elements of a page."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__()
        self.path = path
        self.shapes: set[tuple[str, str]] = set()
        self.links: list[str] = []
        self.forms: list[_Form] = []
        self.feed(text)
        for form in self.forms:
            if form.method == "get" and form.filled:
                self._follow(f"{form.action}?{urlencode(form.filled)}")

    @property
    def sendable(self) -> list[_Form]:
        """Forms that can be sent with nothing filled in: to be refused, mostly."""
        posted = [form for form in self.forms if form.method == "post"]
        # A one-time link is used up by sending its form; other forms of a page's own have a page as their answer.
        own = [form for form in posted if form.action == self.path and not form.action.startswith("/sign-in/")]
        return [form for form in posted if form.needs_something] or own

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.shapes |= {(tag, one) for one in given.get("class", "").split() or [""]}
        if tag == "a" and "href" in given and "nofollow" not in given.get("rel", ""):
            self._follow(given["href"])
        elif tag == "form":
            action = urljoin(self.path, given.get("action") or urlsplit(self.path).path)
            self.forms.append(_Form(action, given.get("method", "get").lower()))
        elif tag in ("input", "select", "textarea") and self.forms and "name" in given:
            form, kind = self.forms[-1], given.get("type", "text")
            form.needs_something |= "required" in given
            if kind == "hidden":
                form.hidden[given["name"]] = given.get("value", "")
            elif tag == "input" and kind != "checkbox":
                form.filled.append((given["name"], given.get("value") or (_number(form) if kind == "number" else "")))

    def _follow(self, address: str) -> None:
        parts = urlsplit(urljoin(self.path, address))
        if not parts.scheme and not parts.netloc and not address.startswith("#"):
            self.links.append(parts.path + (f"?{parts.query}" if parts.query else ""))
