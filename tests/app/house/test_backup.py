"""Backup and restore: the same rows and the same audit head, from either kind of database to either."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app import audit, sessions
from app.audit import Actor
from app.backup import BackupError, backup, restore
from app.db import Database
from app.jobs import JobLog, Workflow, claim, enqueue
from tests.architecture.test_migrations import _fill_empty_tables

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
# Debian 12's Python 3.11.2 knows no filters; Python 3.12 warns where none is named.
FILTER: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def furnish(db: Database, home: Path) -> None:
    workflow = Workflow("backup-test")
    workflow.remote_step("only")
    with db.write() as session:
        audit.record(session, actor=Actor.person("p_ada"), action="a", thing="t", reason="ä", personal={"p_ada": "Ada"})
        sessions.start_session(session, "p_ada", "test")
        enqueue(session, "backup-test", {"list": [1, None, {"x": "ü"}]}, actor=Actor.system("test"))
    lease = claim(db, queue="worker", worker="w")
    assert lease is not None
    lease.log("line one\nline two")
    lease.record({"wheel": "x.whl"})
    _fill_empty_tables(db)
    artefact = home / "artefacts/ab/abcd"
    artefact.parent.mkdir(parents=True)
    artefact.write_bytes(b"\x00wheel")


@pytest.mark.parametrize("to", KINDS)
def test_a_restored_portal_equals_the_one_backed_up(
    db_each: Database, to: str, empty_url: Callable[[str], str], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    furnish(db_each, old)
    made = backup(db_each, old, tmp_path / "portal.tar.gz")
    other = Database(empty_url(to))
    try:
        assert restore(other, new, tmp_path / "portal.tar.gz") == made
        with other.read() as session:
            assert audit.verify(session).head == made.audit_head
            assert session.scalar(sa.select(JobLog.text)) == "line one\nline two"
        again = backup(other, new, tmp_path / "again.tar.gz")
        assert again.rows == made.rows
        assert all(again.rows.values()), "every table was in it"
        assert (new / "artefacts/ab/abcd").read_bytes() == b"\x00wheel"
        with other.write() as session:
            more = enqueue(session, "backup-test", {}, actor=Actor.system("test"))
            assert more.id > 1, "new rows get numbers of their own"
    finally:
        other.close()


def test_a_portal_with_data_is_never_overwritten(db: Database, tmp_path: Path) -> None:
    furnish(db, tmp_path)
    backup(db, tmp_path, tmp_path / "portal.tar.gz")
    with pytest.raises(BackupError, match="has data already"):
        restore(db, tmp_path, tmp_path / "portal.tar.gz")


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("job_log", lambda lines: [], "row counts differ: job_log: 1 in the backup, 0 here"),
        ("audit_entry", lambda lines: [lines[0].replace("p_ada", "p_eve")], "the audit log is broken"),
    ],
)
def test_a_backup_that_was_changed_restores_nothing(
    db: Database,
    empty_url: Callable[[str], str],
    tmp_path: Path,
    table: str,
    change: Callable[[list[str]], list[str]],
    said: str,
) -> None:
    furnish(db, tmp_path)
    backup(db, tmp_path, tmp_path / "portal.tar.gz")
    with tarfile.open(tmp_path / "portal.tar.gz") as archive:
        archive.extractall(tmp_path / "open", **FILTER)
    path = tmp_path / "open/tables" / f"{table}.jsonl"
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    with tarfile.open(tmp_path / "forged.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "open", arcname=".")
    other = Database(empty_url("sqlite"))
    with pytest.raises(BackupError, match=said):
        restore(other, tmp_path, tmp_path / "forged.tar.gz")
    with other.read() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM job")) == 0
    other.close()


@pytest.mark.parametrize(("name", "kind"), [("../outside", tarfile.REGTYPE), ("/tmp/outside", tarfile.REGTYPE),
                                            ("link", tarfile.SYMTYPE), ("pipe", tarfile.FIFOTYPE)])  # fmt: skip
def test_a_backup_with_paths_that_lead_out_of_it_or_special_files_restores_nothing(
    empty_url: Callable[[str], str], tmp_path: Path, name: str, kind: bytes
) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc"
    with tarfile.open(tmp_path / "forged.tar.gz", "w:gz") as archive:
        archive.addfile(member)
    home = tmp_path / "home"
    home.mkdir()
    other = Database(empty_url("sqlite"))
    with pytest.raises(BackupError, match="which no backup of ours does"):
        restore(other, home, tmp_path / "forged.tar.gz")
    assert not list(home.iterdir())
    other.close()


def test_something_that_is_no_backup_is_named(empty_url: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text(json.dumps("hello"))
    other = Database(empty_url("sqlite"))
    with pytest.raises(BackupError, match="cannot be read as a backup"):
        restore(other, tmp_path, path)
    other.close()
