"""`python -m tests.speed`: ours beside PyTorch, NumPy and JAX, interleaved in one run (docs/performance.md)."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.speed.footprint import CEILINGS, samples_of
from tests.speed.measure import measure
from tests.speed.plot import plot
from tests.speed.portal_rows import index_rows, ingest_rows, page_rows, people_rows
from tests.speed.report import ceiling_of, contention_of, lowest_of, mean_of, row_of
from tests.speed.rows import CONTENTION, OURS, SUITE_LOWEST, SUITE_MEAN, Measured, wanted
from tests.speed.table import markdown, not_run, table
from tests.speed.workers import ROOT
from tests.speed.works import GROUPS, MEANS


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    report: dict[str, Any] = {
        "schema": "flambeau-benchmark",
        "schema_version": 2,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "rounds": options.rounds,
        "machine": _machine(),
        "versions": {},
        "limits": [],
        "rows": [],
    }
    for stop in (signal.SIGINT, signal.SIGTERM):  # `timeout` ends a run as Ctrl-C does; a script's may be deaf to that
        signal.signal(stop, signal.default_int_handler)
    stopped = False
    try:
        _measure_all(report, options)
    except KeyboardInterrupt:
        stopped = True
    order = [*GROUPS, "suite", "ceilings", "portal"]
    report["rows"].sort(key=lambda row: order.index(row["group"]))
    print(table(report))
    _print_machine(report)
    _write(report, options)
    if stopped:
        print("stopped before the end: what was done is above", file=sys.stderr)
        return 130
    return 1 if any(row["verdict"] == "not met" or OURS in row["notes"] for row in report["rows"]) else 0


def _measure_all(report: dict[str, Any], options: argparse.Namespace) -> None:
    for threads in options.threads:
        _measure_works(report, threads, options)
    for ceiling in CEILINGS:
        if wanted(ceiling.name, "ceilings", options.only):
            samples, note = samples_of(ceiling, options.rounds)
            report["rows"].append(ceiling_of(ceiling, samples, note=note))
    of_the_portal = {"index": index_rows, "ingest": ingest_rows, "people": people_rows, "pages": page_rows}
    for name, rows_of in of_the_portal.items():
        if wanted(name, "portal", options.only):
            report["rows"] += [row_of(measured) for measured in rows_of(options.rounds)]


def _measure_works(report: dict[str, Any], threads: int, options: argparse.Namespace) -> None:
    """The groups on so many threads, their geometric means, and the suite's where nothing was left out."""
    every = [(group, row) for group, rows in GROUPS.items() for row in rows if threads in row.threads]
    rows = [(group, row) for group, row in every if wanted(row.name, group, options.only)]
    if not rows:
        return
    rivals = {OURS, *(options.rivals or ())}
    run = measure(rows, threads, options.rounds, lambda rival: not options.rivals or rival in rivals)
    found = run.rows
    report["versions"] |= run.versions
    report["limits"].append(run.limits)
    report["rows"] += map(row_of, found)
    for group, means in MEANS.items():
        for mean in means:
            of = [measured for measured in found if measured.name in mean.rows]
            if len(of) == len(mean.rows):
                report["rows"].append(mean_of(mean, of, group, threads))
    if run.stopped:
        raise KeyboardInterrupt
    if rows == every:
        report["rows"] += _suite(found, threads)


def _suite(found: list[Measured], threads: int) -> list[dict[str, Any]]:
    rows = [
        mean_of(SUITE_MEAN, found, "suite", threads),
        lowest_of(SUITE_LOWEST, found, "suite", threads),
    ]
    return rows + ([contention_of(CONTENTION, found, threads)] if any(row.busy for row in found) else [])


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="samples of each rival (15 or more for a report)")
    parser.add_argument("--threads", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2])
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="NAME",
        help=f"rows or groups ({', '.join(GROUPS)}, ceilings, portal); without them all",
    )  # fmt: skip
    parser.add_argument("--rivals", nargs="*", metavar="NAME", help="only these beside ours, as the JSON names them")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "benchmark.json")
    parser.add_argument("--markdown", type=Path, help="also write the tables for docs/performance.md")
    parser.add_argument("--svg", type=Path, help="also draw it (docs/images/bench.svg is the README's)")
    return parser.parse_args(argv)


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
        rates = [
            f"copy {limit['bytes_per_s'] / 1e9:.0f} GB/s",
            f"float32 {limit['operations_per_s'] / 1e9:.0f} GFLOP/s",
        ]
        if "bfloat16_operations_per_s" in limit:
            rates.append(f"bfloat16 {limit['bfloat16_operations_per_s'] / 1e9:.0f} GFLOP/s")
        print(f"limit on {limit['threads']} thread(s): {', '.join(rates)}")
    for name, version in report["versions"].items():
        print(f"{name}: {version}")
    for line in not_run(report):
        print(line)


def _write(report: dict[str, Any], options: argparse.Namespace) -> None:
    written = {options.json: json.dumps(report, indent=1) + "\n"}
    if options.markdown:
        written[options.markdown] = markdown(report)
    if options.svg:
        written[options.svg] = plot(report)
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"written: {path}")


if __name__ == "__main__":
    sys.exit(main())
