"""A database whose tables were not made or not brought up to date: a sentence with the way out, wherever it is met."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import sqlalchemy as sa
from alembic.config import Config
from flask import Flask

from app import create_app
from app.contributions.models import Change
from app.db import Database
from app.settings import Settings
from app.upgrading import BehindError, behind, newest

ROOT = Path(__file__).resolve().parents[3]
# These ask no tables, or make them.
_NEED_NONE = {"db upgrade", "db revision", "restore", "governance check", "run", "shell", "routes"}


def leaves(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from leaves(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


@pytest.fixture
def empty(settings: Settings, tmp_path: Path) -> Iterator[Flask]:
    """A portal whose database has no tables."""
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    made = create_app(settings.model_copy(update={"database_url": url}))
    yield made
    made.extensions["flambeau"].db.close()


def needed(command: click.Command, file: Path) -> list[str]:
    """Words that a command takes without complaint."""
    words = []
    for one in command.params:
        if not one.required:
            continue
        kind = one.type
        word = str(file) if isinstance(kind, click.Path) else kind.choices[0] if isinstance(kind, click.Choice) else "x"
        words += [one.opts[0], str(word)] if isinstance(one, click.Option) else [str(word)]
    return words


def test_every_command_says_what_the_database_lacks(empty: Flask, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("ada@example.org Acme\n")
    silent = []
    for name, command in leaves(empty.cli):
        if name in _NEED_NONE:
            continue
        new = [str(tmp_path / "new")] if name == "backup" else needed(command, file)
        answer = empty.test_cli_runner().invoke(args=[*name.split(), *new])
        if answer.exit_code != 1 or "has no tables yet; make them: flask db upgrade" not in answer.output:
            silent.append((name, answer.exit_code, answer.output[-300:], answer.exception))
    assert silent == []


def test_pages_and_interfaces_say_that_they_are_not_ready_and_nothing_of_where(empty: Flask) -> None:
    empty.testing = True
    client = empty.test_client()
    for path in ("/", "/contributions/", "/api/v1/people", "/simple/"):
        answer = client.get(path)
        assert (answer.status_code, "tables are not up to date" in answer.text) == (503, True)
        assert "empty.db" not in answer.text
    healthy = client.get("/healthz")
    assert (healthy.status_code, healthy.json) == (503, {"ok": False, "database": "behind: run flask db upgrade"})


def test_what_is_missing_of_older_tables_is_told_by_their_number(db_each: Database) -> None:
    with db_each.write() as session:
        session.execute(sa.text("ALTER TABLE change DROP COLUMN asked_sha"))
    with pytest.raises(sa.exc.DBAPIError), db_each.read() as session:
        session.scalars(sa.select(Change)).all()  # up to date by its number: a fault of ours is not explained away
    with db_each.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '0101'"))
    said = f"are at migration 0101 and this program needs {newest()};.*flask db upgrade"
    with pytest.raises(BehindError, match=said), db_each.read() as session:
        session.scalars(sa.select(Change)).all()
    with db_each.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert behind(db_each.engine) == "", "a newer one than this program knows may do"


def test_a_migration_that_lacks_a_table_itself_is_not_told_to_migrate(
    empty: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(config: Config, _revision: str) -> None:
        config.attributes["connection"].exec_driver_sql("SELECT name FROM nowhere")

    monkeypatch.setattr("app.db.command.upgrade", breaks)
    with pytest.raises(sa.exc.DBAPIError, match="nowhere"):
        empty.extensions["flambeau"].db.upgrade()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "said"), [({}, "has no tables yet"), ({"FLAMBEAU_BASE_URL": "nowhere"}, "'nowhere' is no web address")]
)
def test_a_server_that_cannot_begin_ends_and_is_not_started_for_ever(
    tmp_path: Path, setting: dict[str, str], said: str
) -> None:
    home = {"FLAMBEAU_HOME": str(tmp_path), "DATABASE_URL": "", "WEB_CONCURRENCY": "1", **setting}
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "wsgi:create_app()"]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ | home, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, said in ended.stderr, "Traceback" in ended.stderr) == (4, True, False)
