"""One foundation for all tests of the pages: filled once, walked once, looked at many times."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from werkzeug.serving import make_server

from app import answers
from tests.app.pages.foundation import (
    BROKEN,
    Foundation,
    found,
    login_to_confirm,
    mailed_link,
    sign_in_link,
    statement_to_withdraw,
)
from tests.app.pages.walk import Page, look, routes_of, walk, worth_a_look
from tests.portal import Browser


@dataclass
class Gallery:
    """The pages of a portal, and its windows."""

    foundation: Foundation
    pages: list[Page]
    to_look_at: list[Page] = field(default_factory=list)

    @property
    def reached(self) -> set[str]:
        """The routes that links lead to."""
        return {page.endpoint for page in self.pages}


def gallery_of(foundation: Foundation) -> Gallery:
    """Walk this foundation as an administrator, then as a visitor, then send each kind of form empty."""
    app = foundation.app
    # A report's PDF has a link once somebody had it made.
    papers = ("/reports/2025/board.pdf", "/reports/2025/members/o_none.pdf")
    refused = ("/no-such-page", "/organizations/new", *papers, *BROKEN)
    # Links that go to an issuer, come from one, or were mailed are on no page that a walk could follow.
    doors = ("/sign-in/with/github", "/sign-in/with/github/back?state=none", "/sign-in/by-mail/sent")
    links = (sign_in_link(foundation), mailed_link(foundation))
    public = walk(app, foundation.visitor, "visitor", start=("/", *links, *doors, *refused), most=1)
    wanted = set(routes_of(app)) - {page.endpoint for page in public}
    start = ("/", "/simple/", "/healthz", "/style.css", "/account/add/github", login_to_confirm(foundation),
             statement_to_withdraw(foundation))  # fmt: skip
    pages = [*walk(app, foundation.administrator, "administrator", start=start, most=3, wanted=wanted), *public]
    chosen = list(worth_a_look(pages))
    forms = {page.endpoint: page for page in chosen if page.has_form}
    clients = {"administrator": foundation.administrator, "visitor": foundation.visitor}
    sent = [
        look(app, clients[page.who], page.who, endpoint, page.path, send_empty=True) for endpoint, page in forms.items()
    ]
    return Gallery(foundation, pages, [*chosen, *(page for page in sent if page.is_html)])


@pytest.fixture(scope="session")
def each_made() -> Iterator[None]:
    """Whoever walks sees each page made for them, by its own template."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "KEPT_S", 0.0)
        yield


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, each_made: None) -> Iterator[Gallery]:
    """The pages of a foundation with something on each of them."""
    home = tmp_path_factory.mktemp("foundation")
    shutil.copy(sqlite_template, home / "flambeau.db")
    made = gallery_of(found(home, f"sqlite:///{home / 'flambeau.db'}"))
    yield made
    made.foundation.db.close()


@pytest.fixture(scope="session")
def empty_foundation(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, each_made: None
) -> Iterator[Foundation]:
    """A portal in which nothing has happened."""
    home = tmp_path_factory.mktemp("empty")
    shutil.copy(sqlite_template, home / "flambeau.db")
    made = found(home, f"sqlite:///{home / 'flambeau.db'}", empty=True)
    yield made
    made.db.close()


@contextmanager
def serving(foundation: Foundation, chrome: Chrome, pictures: Path) -> Iterator[Browser]:
    """A window on this foundation."""
    server = make_server("127.0.0.1", 0, foundation.app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    browser = Browser(chrome, f"http://127.0.0.1:{server.server_port}", foundation.administrator, pictures)
    yield browser
    browser.leave()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: FLAMBEAU_PICTURES, if set, to be looked at."""
    return Path(os.environ.get("FLAMBEAU_PICTURES") or tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def window(gallery: Gallery, chromium: Chrome, pictures: Path) -> Iterator[Browser]:
    """A window on the gallery's foundation."""
    with serving(gallery.foundation, chromium, pictures) as browser:
        yield browser


@pytest.fixture(scope="module")
def empty_window(empty_foundation: Foundation, chromium: Chrome, pictures: Path) -> Iterator[Browser]:
    """A window on the portal in which nothing has happened."""
    with serving(empty_foundation, chromium, pictures) as browser:
        yield browser
