"""Kills workers (SIGKILL) at random points of reading GitHub, and compares what stands with an undisturbed reading.

    python -m tests.kill_reading [--kills 50] [--database sqlite | postgresql] [--seed 7]

The double of GitHub answers. Whenever a reading ends, days pass there: things are opened, changed and deleted, so that
there is always something to be killed in: pages, comments on lines, releases, the look for what is gone, numbers that
a webhook asked for.
Ends with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.audit import verify
from app.clock import FixedClock
from app.contributions.models import Repository
from app.db import Database
from app.github.asking import ask_to_read
from app.jobs import JobState
from app.settings import Settings, session_key
from tests.app.github.world import World, busy, world
from tests.doubles.github import GitHub, running
from tests.doubles.github.server import TOKEN
from tests.kill_ingest import postgresql

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "flask", "--app", "app", "worker", "--once", "--lease", "1"]
MORE = 120  # pull requests, so that a page does not hold all
REQUESTS = 16  # about what a reading asks for


class Victim:
    """A portal beside the double, whose workers are processes of their own and are killed."""

    def __init__(self, github: GitHub, made: World, home: Path, chance: random.Random) -> None:
        self.github, self.world, self.chance = github, made, chance
        (home / "token").write_text(TOKEN)
        self._own = {
            "FLAMBEAU_HOME": str(home), "DATABASE_URL": made.db.url.render_as_string(hide_password=False),
            "FLAMBEAU_GITHUB_URL": github.url, "FLAMBEAU_GITHUB_TOKEN_FILE": str(home / "token"),
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        self._job = made.ask()

    def kill_one(self) -> str:
        """Let a worker begin, kill it a moment after one of its requests; the step it was in."""
        while True:
            if self.world.job(self._job).state.is_finished:
                self.days_pass()
            worker = self._begun()
            self._kill_after(worker, requests=self.chance.randint(1, REQUESTS), wait_s=self.chance.uniform(0, 0.3))
            status = worker.wait(timeout=120)
            self.github.before = lambda _request: None
            if status > 0:
                raise SystemExit(f"a worker ended by itself with status {status}: {' '.join(COMMAND[1:])}")
            if not self.world.job(self._job).state.is_finished:
                step = str(self.world.job(self._job).step)
                self.world.lease_runs_out(self._job)
                if status < 0:
                    return step

    def _kill_after(self, worker: subprocess.Popen[bytes], *, requests: int, wait_s: float) -> None:
        left = requests

        def count(_request: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                threading.Timer(wait_s, worker.kill).start()

        self.github.before = count

    def days_pass(self) -> None:
        """Things happen, and some of what was goes without a word; it is time for everything to be looked at."""
        self.world.a_day_passes()
        self.world.clock.advance(days=8)
        place = self.github.repositories[0]
        lines = place.lines()
        place.take_back_line(lines[self.chance.randrange(len(lines))])
        commented = [one for thing in place.things.values() for one in thing.timeline if one.kind == "IssueComment"]
        place.take_back(self.chance.choice(commented))
        issues = [one for one in place.things.values() if not one.is_pull]
        if len(issues) > 1:
            place.delete(self.chance.choice(issues[1:]))
        place.releases = place.releases[:-1] if len(place.releases) > 3 else place.releases
        self.is_time()
        self._job = self.world.ask()

    def is_time(self) -> None:
        """The weekly look is due, and a webhook has asked for some numbers."""
        with self.world.db.write() as session:
            session.execute(sa.text("UPDATE github_stream SET read_at = '2020-01-01' WHERE kind LIKE '% again'"))
            place = session.scalars(sa.select(Repository.id)).one()
            for number in self.chance.sample(range(1, MORE), 5):
                ask_to_read(session, place, number, because="a webhook")

    def finish(self) -> None:
        """Let workers end what is under way, and read once more undisturbed."""
        for again in (False, True):
            if again:
                self.is_time()
                self._job = self.world.ask()
            while not self.world.job(self._job).state.is_finished:
                self._begun().wait(timeout=120)
                self.world.lease_runs_out(self._job)
            if self.world.job(self._job).state is not JobState.SUCCEEDED:
                raise SystemExit(f"the reading stopped: {self.world.job(self._job).error}")

    def _begun(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(COMMAND, env=os.environ | self._own, cwd=ROOT, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)  # fmt: skip


def kill(urls: tuple[str, ...], folder: Path, *, kills: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Where workers were killed, and what differs from a portal that read all of it at once in the end."""
    clock, where, trouble = FixedClock(), Counter[str](), []
    with running(clock.now) as github:
        github.checks = False  # the other tests hold every answer to GitHub's description
        worlds = []
        for name, url in zip(("killed", "whole"), urls, strict=True):
            home = folder / name
            home.mkdir()
            db = Database(url, clock=clock)
            db.upgrade()
            settings = Settings(home=home, database_url=url, session_key=session_key(home), log_json=False)
            worlds.append(world(github, db, clock, settings))
        killed, whole = worlds
        killed.a_day_passes = busy(github, clock)
        for number in range(MORE):
            clock.advance(minutes=1)
            github.repositories[0].pull(f"More {number}", github.account("eve"))
        victim = Victim(github, killed, folder / "killed", random.Random(seed))
        for _ in range(kills):
            where[victim.kill_one()] += 1
        victim.finish()
        whole.read(patience=400)
        here, there = killed.rows(), whole.rows()
        for what in there:
            lost, more = [one for one in there[what] if one not in here[what]], [
                one for one in here[what] if one not in there[what]]  # fmt: skip
            if lost or more:
                trouble.append(f"{what}: {lost[:3]} are missing, {more[:3]} are too much")
        for one in worlds:
            with one.db.read() as session:
                if not verify(session).ok:
                    trouble.append("the audit log's chain is broken")
            one.db.close()
        trouble += github.refusals
    return where, trouble


def main() -> None:
    """Kill, and say where and what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = nullcontext((f"sqlite:///{folder}/killed.db", f"sqlite:///{folder}/whole.db"))
        with here if given.database == "sqlite" else postgresql("killed", "whole") as urls:
            where, trouble = kill(urls, Path(folder), kills=given.kills, seed=given.seed)
    told = ", ".join(f"{count} in {step}" for step, count in sorted(where.items()))
    sys.stdout.write(f"{given.database}: {where.total()} kills: {told}\n" + "".join(f"{one}\n" for one in trouble))
    sys.exit(bool(trouble))


if __name__ == "__main__":
    main()
