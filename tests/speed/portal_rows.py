"""The portal's rows: its own benches run as programs, and what they wrote becomes rows of the same report."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.speed.rows import OURS, Comparison, Measured
from tests.speed.workers import ROOT, environment

MOST_INGESTS = 5  # one takes seconds
MOST_SECONDS = 3  # of each page, in each way


def index_rows(rounds: int) -> list[Measured]:
    """Requests a second of the index beside pypiserver."""
    result, reason = _run("bench_index", rounds)
    if result is None:
        return [_not_run("index", "index: requests a second", reason)]
    return [
        Measured(
            f"index_{kind.replace(' ', '_')}",
            f"index: {kind}",
            "portal",
            1,
            {OURS: [ours for ours, _ in row["pairs"]], "pypiserver": [theirs for _, theirs in row["pairs"]]},
            (Comparison("pypiserver", ("pypiserver",)),),
            unit="requests/s",
            better="more",
        )
        for kind, row in result["kinds"].items()
    ]


def ingest_rows(rounds: int) -> list[Measured]:
    """Seconds of each pass of an ingest beside git alone."""
    result, reason = _run("bench_ingest", min(rounds, MOST_INGESTS))
    if result is None:
        return [_not_run("ingest", "ingest of a history", reason)]
    rows = result["rows"]
    return [
        Measured(
            f"ingest_{name.split(',')[0]}",
            f"ingest of {result['commits']:,} commits: {name}",
            "portal",
            1,
            {name: row["all_s"], row["beside"]: rows[row["beside"]]["all_s"]},
            (Comparison(row["beside"], (row["beside"],)),),
            ours=name,
        )
        for name, row in rows.items()
        if row["beside"]
    ]


def people_rows(rounds: int) -> list[Measured]:
    """Seconds until a person's own word counts in every figure, and of resolving everybody: ours alone."""
    result, reason = _run("bench_people", min(rounds, MOST_INGESTS))
    if result is None:
        return [_not_run("people", "who is who and for whom", reason)]
    return [
        Measured(f"people_{place}", f"people: {name}", "portal", 1, {OURS: row["all_s"]}, ())
        for place, (name, row) in enumerate(result["rows"].items(), start=1)
    ]


def page_rows(rounds: int) -> list[Measured]:
    """The 95th percentile of every public page, made for one reader and kept for strangers: ours alone."""
    result, reason = _run("bench_pages", min(rounds, MOST_SECONDS))
    if result is None:
        return [_not_run("pages", "pages under four connections", reason)]
    return [
        Measured(f"page_{row['endpoint']}_{way}", f"page {row['path']}: {way}, 95th percentile", "portal", 1,
                 {OURS: [row[way]["p95_ms"] / 1000]}, ())
        for row in result["rows"] for way in ("made", "kept")
    ]  # fmt: skip


def _run(module: str, rounds: int) -> tuple[dict[str, Any] | None, str]:
    """What the program wrote, or why it did not."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "result.json"
        command = [sys.executable, "-m", f"tests.speed.{module}", "--rounds", str(rounds), "--json", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment("portal", 1))
        if not target.exists():  # a bench that found a target unmet has written all the same
            return None, (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        result: dict[str, Any] = json.loads(target.read_text())
        return result, ""


def _not_run(name: str, title: str, reason: str) -> Measured:
    return Measured(name, title, "portal", 1, {}, (), notes={OURS: reason})
