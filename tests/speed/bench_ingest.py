"""How fast a history becomes figures: commits a second of our ingest, beside `git log --raw` and `--numstat` alone.

    python -m tests.speed.bench_ingest [--repository PATH] [--rounds 5] [--json FILE]

Without a repository it takes the demo's largest (about 5,600 commits). The database is SQLite in a temporary folder;
`ingest` is everything from the list of commits to the settled rollup, without fetching.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from app import load_slices
from app.contributions.clones import Clone
from app.contributions.ingest import Reader, plan
from app.contributions.mailmaps import read_mailmap
from app.contributions.models import Repository
from app.contributions.settling import settle
from app.db import Database
from app.demo.cast import make_cast
from app.demo.history import PLANS, stream


def main() -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, help="a bare repository, or the .git folder of a work tree")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    load_slices(("models",))
    with tempfile.TemporaryDirectory() as folder:
        repository = options.repository or synthetic(Path(folder) / "demo.git")
        result = measure(repository, rounds=options.rounds)
    print(f"{result['commits']:,} commits, {options.rounds} rounds interleaved, load {result['load']}")
    for name, row in result["rows"].items():
        speed = f"{row['median_s']:8.2f} s {row['commits_per_s']:10,.0f} commits/s"
        print(f"{name:28} {speed}  ({row['times_raw']:.1f} x git log --raw)")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def measure(repository: Path, *, rounds: int) -> dict[str, object]:
    """Median seconds of each rival, all of them in each round."""
    head = git(repository, "rev-parse", "HEAD").strip()
    count = int(git(repository, "rev-list", "--count", head))
    rivals: dict[str, Callable[[], float]] = {
        "git log --raw": lambda: log(repository, head, "--raw"),
        "git log --numstat": lambda: log(repository, head, "--numstat"),
        "ingest, paths": lambda: ingest(repository, head, lines=False),
        "ingest, paths and lines": lambda: ingest(repository, head, lines=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, run in rivals.items():
            seconds[name].append(run())
    base = statistics.median(seconds["git log --raw"])
    rows = {}
    for name, values in seconds.items():
        median = statistics.median(values)
        rows[name] = {
            "median_s": round(median, 3),
            "commits_per_s": round(count / median),
            "times_raw": round(median / base, 2),
            "all_s": [round(value, 3) for value in values],
        }
    return {"benchmark": "ingest", "commits": count, "load": [round(value, 1) for value in os.getloadavg()],
            "processors": os.cpu_count(), "at": datetime.now(UTC).isoformat(), "rows": rows}  # fmt: skip


def log(repository: Path, head: str, kind: str) -> float:
    """Seconds of git alone, its output thrown away; where contents are missing, until it breaks off."""
    begun = time.perf_counter()
    command = ["git", f"--git-dir={repository}", "log", kind, "--no-renames", "-z", head]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=kind == "--raw")
    return time.perf_counter() - begun


def ingest(repository: Path, head: str, *, lines: bool) -> float:
    """Seconds of one whole ingest into a fresh database, whose tables are made before the clock starts."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/bench.db")
        db.upgrade("heads")
        clone = Clone(repository)
        with db.write() as session:
            row = Repository(name="bench", url=str(repository), added_at=datetime.now(UTC), head_sha=head)
            session.add(row)
        begun = time.perf_counter()
        with db.read() as session:
            todo = plan(session, clone, row)
        reader = Reader(clone=clone, repository_id=row.id, job="j_bench", source="r_bench", now=datetime.now(UTC),
                        writing=db.write, report=lambda _done, _all: None, lines=lines,
                        settle=lambda: settle(db.write))  # fmt: skip
        reader.run(todo)
        with db.write() as session:
            read_mailmap(session, session.merge(row), clone)
        settle(db.write)
        took = time.perf_counter() - begun
        db.close()
        return took


def synthetic(path: Path) -> Path:
    """The demo's largest repository."""
    today = date(2026, 1, 15)
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(path)], check=True)
    written = b"".join(stream(make_cast(7, today=today), PLANS[0], seed=7, today=today))
    subprocess.run(["git", f"--git-dir={path}", "fast-import", "--quiet", "--done"], input=written, check=True)
    return path


def git(repository: Path, *arguments: str) -> str:
    """What git prints."""
    done = subprocess.run(["git", f"--git-dir={repository}", *arguments], capture_output=True, check=True)
    return done.stdout.decode()


if __name__ == "__main__":
    main()
