"""Every page of the portal, found by its links: no barrier, nothing cut off, all of it by keyboard and on paper."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from app import create_app
from app.settings import Settings
from tests.app.pages.conftest import Gallery
from tests.app.pages.eyes import COLOURS, barriers, does_not_fit, unreachable
from tests.app.pages.foundation import Foundation
from tests.app.pages.walk import Page, routes_of, walk
from tests.portal import Browser, until

# The pages are filled and walked once: one process does them all.
A4_PX = 718  # between the margins that Chromium leaves
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("pages")]


def routes() -> list[str]:
    """Each route is a test; the portal that names them opens no page and writes nothing."""
    home = Path(tempfile.gettempdir())
    url = f"sqlite:///{home / 'never-opened.db'}"
    app = create_app(Settings(home=home, database_url=url, session_key=SecretStr("x" * 32), log_json=False))
    app.extensions["flambeau"].db.close()
    return routes_of(app)


def open_page(window: Browser, page: Page) -> Chrome:
    """The page in the window, as whoever sees it; its form sent empty if that is what to look at."""
    chrome = window.chrome
    if page.who == "visitor":
        chrome.delete_all_cookies()
    elif not window.is_signed_in:
        window.use_session()
    window.open(page.path)
    if page.sends_empty_form:
        chrome.execute_script(_SEND_EMPTY)
        until(chrome, lambda one: one.execute_script(_HAS_ANSWER))
    return chrome


_HAS_ANSWER = "return !window.before && document.readyState === 'complete'"
_SEND_EMPTY = """
const forms = [...document.querySelectorAll('form[method=post]')];
const form = forms.find((one) => one.querySelector('[required]')) || forms.find((one) => one.action === location.href);
for (const one of form.querySelectorAll('input:not([type=hidden]), select, textarea')) one.disabled = true;
window.before = true;
HTMLFormElement.prototype.submit.call(form);
"""


@pytest.mark.parametrize("route", routes())
def test_nobody_is_shut_out_of(route: str, gallery: Gallery, window: Browser) -> None:
    assert route in gallery.reached, f"no link leads to {route}: show it somewhere, or it is dead"
    found: list[str] = []
    for page in [one for one in gallery.to_look_at if one.endpoint == route]:
        found += [f"{page.name}, {where}: {what}" for where, what in look_at(window, page)]
    assert found == [], "\n".join(found)


def test_a_portal_in_which_nothing_happened_shuts_nobody_out(
    empty_foundation: Foundation, empty_window: Browser
) -> None:
    found: list[str] = []
    public = walk(empty_foundation.app, empty_foundation.visitor, "visitor", start=("/",), most=1)
    assert {page.status for page in public if page.is_html} == {200, 503}  # what needs governance/ says so
    for page in [one for one in public if one.is_html]:
        empty_window.show()
        chrome = open_page(empty_window, page)
        found += [f"{page.name}: {what}" for what in barriers(chrome)]
        empty_window.show(width=375, dark=True)
        barred = barriers(chrome, rules=COLOURS, of_alike=2)
        found += [f"{page.name}, 375 px: {what}" for what in (*barred, *does_not_fit(chrome))]
    assert found == [], "\n".join(found)


def test_every_template_is_looked_at(gallery: Gallery, empty_foundation: Foundation) -> None:
    empty = walk(empty_foundation.app, empty_foundation.visitor, "visitor", start=("/",), most=1)
    seen = {page.template for page in (*gallery.to_look_at, *empty)}
    templates = Path(gallery.foundation.app.root_path) / "templates"
    pages = {
        path.relative_to(templates).as_posix()
        for path in templates.rglob("*.html")
        if '{% extends "base.html" %}' in path.read_text(encoding="utf-8")
    }
    assert pages <= seen


def test_what_somebody_is_writing_stays_while_the_page_goes_on(gallery: Gallery, window: Browser) -> None:
    page = next(one for one in gallery.pages if one.template == "releases/one.html" and 'name="reason"' in one.text
                and "data-live" in one.text)  # fmt: skip
    window.show()
    chrome = open_page(window, page)
    chrome.find_element(By.CSS_SELECTOR, "[data-live=asks] [name=reason]").send_keys("Read and")
    chrome.execute_script("document.querySelector('[data-live=state]').dataset.old = 'yes'")
    is_fresh = "return !('old' in document.querySelector('[data-live=state]').dataset)"
    until(chrome, lambda one: one.execute_script(is_fresh))
    assert chrome.find_element(By.NAME, "reason").get_attribute("value") == "Read and"


def look_at(window: Browser, page: Page) -> Iterator[tuple[str, str]]:
    """What is wrong with one page, in every size and light, and on paper."""
    window.show()
    chrome = open_page(window, page)
    for width, dark in ((1280, False), (1280, True), (375, True), (375, False)):
        where = f"{width} px {'dark' if dark else 'light'}"
        window.show(width=width, dark=dark)
        # What is built alike has the same colours in the dark, too.
        found = barriers(chrome, rules=COLOURS, of_alike=2) if dark else barriers(chrome)
        yield from ((where, one) for one in found)
        yield from ((where, one) for one in does_not_fit(chrome))
    window.show(dark=True, paper=True, width=A4_PX)
    yield from (("on paper", one) for one in (*barriers(chrome, rules=COLOURS[:1], of_alike=2), *does_not_fit(chrome)))
    window.show()
    yield from (("by keyboard", one) for one in unreachable(chrome))


_HIDDEN = """
    SELECT person.name, identity.email FROM person
    JOIN identity_person ON identity_person.person_id = person.id
    JOIN identity ON identity.id = identity_person.identity_id WHERE person.hidden_at IS NOT NULL
"""


def test_whoever_asked_to_be_hidden_is_named_on_no_page_that_a_visitor_sees(gallery: Gallery) -> None:
    with gallery.foundation.db.read() as session:
        rows = session.execute(sa.text(_HIDDEN)).all()
        others = set(session.scalars(sa.text("SELECT name FROM person WHERE hidden_at IS NULL")))
    texts = ({row.name for row in rows} - others) | {row.email for row in rows if row.email}
    assert texts
    told = [f"{page.name}: {page.text[page.text.index(text) - 60 :][:120]}" for page in gallery.pages for text in texts
            if page.who == "visitor" and text in page.text]  # fmt: skip
    assert told == []
