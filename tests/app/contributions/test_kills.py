"""A worker killed while it reads a history leaves nothing half-done and nothing counted twice, on both databases."""

from __future__ import annotations

import os
import random
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
COMMAND = [sys.executable, "-m", "flask", "--app", "app", "worker", "--once", "--lease", "1"]
STANDING = (
    """SELECT c.sha, i.name, i.email, c.subject, c.parents, c.paths, c.added, c.deleted FROM "commit" c
       JOIN identity i ON i.id = c.author_identity_id""",
    """SELECT c.sha, t.key, t.value FROM commit_trailer t JOIN "commit" c ON c.id = t.commit_id""",
    """SELECT c.sha, p.path, p.status, coalesce(p.added, -1), coalesce(p.deleted, -1) FROM change_path p
       JOIN "commit" c ON c.id = p.commit_id""",
    """SELECT r.day, coalesce(r.module_key, ''), r.kind, r.attribution, coalesce(p.name, ''), r.is_counted, r.commits,
              r.added, r.deleted FROM rollup r LEFT JOIN person p ON p.id = r.person_id""",
)
KILLS = int(os.environ.get("FLAMBEAU_INGEST_KILLS", "2"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_reading_killed_at_random_ends_as_an_undisturbed_one(kind: str, empty_url, settings, tmp_path: Path):
    source = tmp_path / "source.git"
    today = date(2026, 1, 15)
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(source)], check=True)
    written = b"".join(stream(make_cast(7, today=today), PLANS[0], seed=7, today=today))
    subprocess.run(["git", f"--git-dir={source}", "fast-import", "--quiet", "--done"], input=written, check=True)
    chance = random.Random(7)
    ends = []
    for kills in (0, KILLS):
        home = tmp_path / f"killed-{kills}-times"
        home.mkdir()
        url = empty_url(kind)
        db = Database(url)
        db.upgrade()
        with db.write() as session:
            ensure_repository(session, str(source), name="one", actor=Actor.system("test"), reason="a test")
        own = {"FLAMBEAU_HOME": str(home), "DATABASE_URL": url, "PYTHONPATH": str(ROOT)}
        for _ in range(kills):
            before = count(db)
            worker = subprocess.Popen(
                COMMAND, env=os.environ | own, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            wait_for(partial(has_moved_on, db, before, worker))
            time.sleep(chance.uniform(0, 0.2))
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            time.sleep(1.5)  # its lease runs out
        subprocess.run(COMMAND, env=os.environ | own, cwd=ROOT, check=True, capture_output=True, timeout=120)
        ends.append(what_stands(db))
        if kills:
            check_nothing_is_half_done(db, source)
        db.close()
    assert ends[0] == ends[1]


def what_stands(db: Database) -> list[list[tuple[object, ...]]]:
    """Commits with their authors and trailers, changed paths and rollups, without the numbers of rows."""
    with db.read() as session:
        return [sorted(map(tuple, session.execute(sa.text(query)))) for query in STANDING]


def check_nothing_is_half_done(db: Database, source: Path) -> None:
    """Every commit of git's is counted once, in rows, in rollups and in the audit log, and nothing is due."""
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
