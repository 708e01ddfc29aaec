"""What the slices' tests share: a portal whose database holds our own governance/."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from app import answers, load_slices
from app.audit import Actor
from app.clock import FixedClock
from app.contributions.queries import remembering, shelved
from app.db import Database
from app.governance import sync
from app.governance_files import Governance, read
from tests.portal import copied

GOVERNANCE = Path(__file__).resolve().parents[2] / "governance"
SYSTEM = Actor.system("test")


@pytest.fixture(scope="session")
def governance() -> Governance:
    """Our own files, read once."""
    load_slices()
    return read(GOVERNANCE, today=date(2026, 1, 15)).require()


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine every answer is dear: none outlives what it rests on or its process, and no page is kept."""
    monkeypatch.setattr(remembering, "PATIENCE_S", 0.0)
    monkeypatch.setattr(shelved, "SHELVED_S", float("inf"))
    monkeypatch.setattr(answers, "KEPT_S", 0.0)


@pytest.fixture(scope="session")
def governed_sqlite(sqlite_template: Path, governance: Governance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SQLite file of a portal with governance/ synced, once."""
    path = tmp_path_factory.mktemp("governed") / "template.db"
    shutil.copy(sqlite_template, path)
    db = _synced(f"sqlite:///{path}", governance)
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return path


@pytest.fixture(scope="session")
def governed_postgres(postgres_server: str, postgres_template: str, governance: Governance) -> Iterator[str]:
    """The name of a database of a portal with governance/ synced, once."""
    with copied(postgres_server, postgres_template) as url:
        _synced(url, governance).close()
        yield url.rpartition("/")[2].partition("?")[0]


@pytest.fixture
def sqlite_start(request: pytest.FixtureRequest) -> Path:
    """A test that asks for `governed` begins with governance/ synced."""
    start: Path = request.getfixturevalue("governed_sqlite" if _is_governed(request) else "sqlite_template")
    return start


@pytest.fixture
def postgres_start(request: pytest.FixtureRequest) -> str:
    """A test that asks for `governed_each` begins with governance/ synced."""
    start: str = request.getfixturevalue("governed_postgres" if _is_governed(request) else "postgres_template")
    return start


@pytest.fixture
def governed(db: Database) -> Database:
    """A fresh portal on SQLite with governance/ synced."""
    return db


@pytest.fixture
def governed_each(db_each: Database) -> Database:
    """A fresh portal with governance/ synced, once on each kind of database."""
    return db_each


def _is_governed(request: pytest.FixtureRequest) -> bool:
    return bool({"governed", "governed_each"} & set(request.fixturenames))


def _synced(url: str, governance: Governance) -> Database:
    db = Database(url, clock=FixedClock())
    with db.write() as session:
        sync.apply(session, governance, actor=SYSTEM, reason="a test begins")
    return db
