"""A worker that is killed in the middle of reading a history leaves nothing half-done and nothing counted twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.audit import Actor, AuditEntry, verify
from app.contributions.metrics import Kind
from app.contributions.models import Repository, RepositoryCommit, RepositoryState, Rollup, RollupDue
from app.contributions.registry import ensure_repository
from app.db import Database
from app.demo.cast import make_cast
from app.demo.history import PLANS, stream
from app.jobs import Job

ROOT = Path(__file__).resolve().parents[3]
KILLS = int(os.environ.get("FLAMBEAU_INGEST_KILLS", "2"))


@pytest.mark.slow
def test_a_reading_killed_again_and_again_counts_every_commit_once(app, db: Database, settings, tmp_path: Path):
    source = tmp_path / "source.git"
    today = date(2026, 1, 15)
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(source)], check=True)
    written = b"".join(stream(make_cast(7, today=today), PLANS[0], seed=7, today=today))
    subprocess.run(["git", f"--git-dir={source}", "fast-import", "--quiet", "--done"], input=written, check=True)
    with db.write() as session:
        ensure_repository(session, str(source), name="one", actor=Actor.system("test"), reason="a test")
    own = {"FLAMBEAU_HOME": str(settings.home), "DATABASE_URL": settings.database_url, "PYTHONPATH": str(ROOT)}
    environment = os.environ | own
    command = [sys.executable, "-m", "flask", "--app", "app", "worker", "--once", "--lease", "1"]

    for _ in range(KILLS):
        before = count(db)
        worker = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(partial(has_moved_on, db, before, worker))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        time.sleep(1.5)  # its lease runs out
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, timeout=120)

    with db.read() as session:
        repository = session.scalars(sa.select(Repository)).one()
        assert (repository.state, repository.ingested_sha) == (RepositoryState.READY, repository.head_sha)
        assert session.scalar(sa.select(RollupDue.id)) is None
        rolled = session.scalar(sa.select(sa.func.sum(Rollup.commits)).where(
            Rollup.module_key.is_(None), Rollup.kind.in_((Kind.COMMIT, Kind.MERGE, Kind.BOT))))  # fmt: skip
        readers = [f"job:{job}" for job in session.scalars(sa.select(Job.public_id).where(Job.workflow == "ingest"))]
        batches = sa.select(AuditEntry).where(AuditEntry.action == "observe", AuditEntry.actor_id.in_(readers))
        observed = session.scalars(batches).all()
        assert verify(session).ok
    of_git = int(subprocess.run(["git", f"--git-dir={source}", "rev-list", "--count", "main"], capture_output=True,
                                check=True).stdout)  # fmt: skip
    assert count(db) == rolled == of_git
    assert sum(entry.values["rows"] for entry in observed) == of_git


def has_moved_on(db: Database, before: int, worker: subprocess.Popen[bytes]) -> bool:
    return count(db) > before or worker.poll() is not None


def count(db: Database) -> int:
    with db.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(RepositoryCommit)) or 0


def wait_for(happened, *, timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end, "nothing happened in a minute"
        time.sleep(0.01)
