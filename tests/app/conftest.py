"""What the slices' tests share: a portal whose database holds our own governance/."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from app import answers, load_slices
from app.audit import Actor
from app.contributions.queries import remembering
from app.db import Database
from app.governance import sync
from app.governance_files import Governance, read

GOVERNANCE = Path(__file__).resolve().parents[2] / "governance"
SYSTEM = Actor.system("test")


@pytest.fixture(scope="session")
def governance() -> Governance:
    """Our own files, read once."""
    load_slices()
    return read(GOVERNANCE, today=date(2026, 1, 15)).require()


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine every answer is dear: none outlives what it rests on, and no page is kept."""
    monkeypatch.setattr(remembering, "PATIENCE_S", 0.0)
    monkeypatch.setattr(answers, "KEPT_S", 0.0)


@pytest.fixture
def governed(db: Database, governance: Governance) -> Database:
    """A fresh portal on SQLite with governance/ synced."""
    return _synced(db, governance)


@pytest.fixture
def governed_each(db_each: Database, governance: Governance) -> Database:
    """A fresh portal with governance/ synced, once on each kind of database."""
    return _synced(db_each, governance)


def _synced(db: Database, governance: Governance) -> Database:
    with db.write() as session:
        sync.apply(session, governance, actor=SYSTEM, reason="a test begins")
    return db
