"""`python -m tests.speed`: ours beside PyTorch and NumPy, interleaved in one run (docs/performance.md)."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.speed.imports import import_cost
from tests.speed.limits import Limits
from tests.speed.plot import plot
from tests.speed.portal_rows import index_rows, ingest_rows
from tests.speed.report import ceiling_of, row_of, table
from tests.speed.rows import CEILINGS, ROWS, Measured, Row
from tests.speed.workers import ROOT, Worker


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    report: dict[str, Any] = {
        "schema": "flambeau-benchmark",
        "schema_version": 1,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "rounds": options.rounds,
        "machine": _machine(),
        "versions": {},
        "limits": [],
        "rows": [],
    }
    for threads in options.threads:
        rows = [row for row in ROWS if threads in row.threads and _wanted(row.name, options.only)]
        if rows:
            _measure_rows(report, rows, threads, options.rounds)
    if any(_wanted(ceiling.name, options.only) for ceiling in CEILINGS):
        costs = [import_cost("flambeau") for _ in range(options.rounds)]
        for ceiling, samples in zip(CEILINGS, zip(*costs, strict=True), strict=True):
            report["rows"].append(ceiling_of(ceiling, list(samples)))
    for name, rows_of in (("index", index_rows), ("ingest", ingest_rows)):
        if _wanted(name, options.only):
            report["rows"] += [row_of(measured) for measured in rows_of(options.rounds)]
    print(table(report))
    _print_machine(report)
    _write(report, options)
    return 1 if any(row["verdict"] == "not met" for row in report["rows"]) else 0


def _measure_rows(report: dict[str, Any], rows: list[Row], threads: int, rounds: int) -> None:
    limits = Limits()
    workers = {rival: Worker(rival, threads) for rival in sorted({rival for row in rows for rival in row.rivals})}
    # Again after every row, and the best counts: a figure of a busy moment is not the machine's limit.
    best = limits.measure(threads)
    measured = []
    try:
        for row in rows:
            measured.append(_measure_row(row, workers, threads, rounds))
            best = {key: max(value, limits.measure(threads)[key]) for key, value in best.items()}
        for name, worker in workers.items():
            if not worker.missing:
                worker.refresh_version()
            report["versions"][name] = worker.version or f"not run: {worker.missing}"
    finally:
        for worker in workers.values():
            worker.close()
    report["limits"].append({"threads": threads, **best})
    for row, found in zip(rows, measured, strict=True):
        if row.bytes_moved is not None:
            found.limit.update(amount=row.bytes_moved, per_s=best["bytes_per_s"])
        elif row.operations is not None:
            found.limit.update(amount=row.operations, per_s=best["operations_per_s"])
        report["rows"].append(row_of(found))


def _measure_row(row: Row, workers: dict[str, Worker], threads: int, rounds: int) -> Measured:
    notes: dict[str, str] = {}
    running: list[Worker] = []
    for rival in row.rivals:
        worker = workers[rival]
        reason = worker.missing or worker.prepare(row.name)
        if reason:
            notes[rival] = reason
        else:
            running.append(worker)
    samples: dict[str, list[float]] = {worker.rival: [] for worker in running}
    for turn in range(rounds):
        # Another goes first in each round, so that nobody always follows the same one.
        for i in range(len(running)):
            worker = running[(i + turn) % len(running)]
            samples[worker.rival].append(worker.sample())
    print(f"{row.title}, {threads} thread{'s' if threads > 1 else ''}: done", file=sys.stderr)
    return Measured(row.name, row.title, "s", threads, samples, "flambeau", "torch", row.target, notes=notes)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="samples of each rival (15 or more for a report)")
    parser.add_argument("--threads", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2])
    parser.add_argument("--only", nargs="*", default=[], help="names of rows; without them all")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "benchmark.json")
    parser.add_argument("--svg", type=Path, help="also draw it (docs/images/bench.svg is the README's)")
    return parser.parse_args(argv)


def _wanted(name: str, only: list[str]) -> bool:
    return not only or name in only


def _commit() -> str | None:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip() or None


def _machine() -> dict[str, Any]:
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor
    return {
        "processor": processor,
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _print_machine(report: dict[str, Any]) -> None:
    machine = report["machine"]
    print(f"\n{machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f} when it began")
    for limit in report["limits"]:
        rates = (limit["bytes_per_s"] / 1e9, limit["operations_per_s"] / 1e9)
        print("limit on {} thread(s): copy {:.0f} GB/s, float32 {:.0f} GFLOP/s".format(limit["threads"], *rates))
    for name, version in report["versions"].items():
        print(f"{name}: {version}")


def _write(report: dict[str, Any], options: argparse.Namespace) -> None:
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {options.json}")
    if options.svg:
        options.svg.parent.mkdir(parents=True, exist_ok=True)
        options.svg.write_text(plot(report))
        print(f"drawn: {options.svg}")


if __name__ == "__main__":
    sys.exit(main())
