"""What a run found, as plain data (docs/formats/benchmark-1.schema.json) and as a table for the terminal."""

from __future__ import annotations

import statistics
from typing import Any

from tests.speed.rows import Ceiling, Measured
from tests.speed.verdict import against_target, ratio, under_bound

SHARE_OF_LIMIT = 0.85  # a row is also met at this share of what the machine can do
NO_LIMIT = 1.1  # above it the limit was measured while the machine was busy, and says nothing


def row_of(measured: Measured) -> dict[str, Any]:
    """One row of the report: every rival's median, the ratio with its interval, the verdict."""
    samples = {name: values for name, values in measured.samples.items() if values}
    rivals = {
        name: {"median": statistics.median(values), "samples": values} for name, values in sorted(samples.items())
    }
    row: dict[str, Any] = {
        "name": measured.name,
        "title": measured.title,
        "kind": "ratio",
        "unit": measured.unit,
        "threads": measured.threads,
        "ours": measured.ours,
        "against": measured.against,
        "target": measured.target,
        "rivals": rivals,
        "ratio": None,
        "share_of_limit": None,
        "verdict": None,
        "notes": measured.notes,
    }
    share = _share_of_limit(measured, samples)
    row["share_of_limit"] = share
    if measured.ours not in samples or measured.against not in samples:
        row["notes"] = {**measured.notes, "verdict": f"{measured.ours} or {measured.against} did not run"}
        return row
    found = ratio(samples[measured.ours], samples[measured.against], more_is_better=measured.more_is_better)
    row["ratio"] = {"value": found.value, "low": found.low, "high": found.high}
    if measured.target is None:
        return row
    row["verdict"] = against_target(found, measured.target)
    if row["verdict"] != "met" and share is not None and SHARE_OF_LIMIT <= share <= NO_LIMIT:
        row["verdict"] = "met"
        row["notes"] = {**measured.notes, "verdict": f"at {share:.0%} of the machine's limit"}
    return row


def ceiling_of(ceiling: Ceiling, samples: list[float]) -> dict[str, Any]:
    """One figure of ours against its bound."""
    found, verdict = under_bound(samples, ceiling.bound)
    return {
        "name": ceiling.name,
        "title": ceiling.title,
        "kind": "ceiling",
        "unit": ceiling.unit,
        "threads": 1,
        "ours": "flambeau",
        "against": None,
        "target": ceiling.bound,
        "rivals": {"flambeau": {"median": found.value, "samples": samples}},
        "ratio": {"value": found.value, "low": found.low, "high": found.high},
        "share_of_limit": None,
        "verdict": verdict,
        "notes": {},
    }


def table(report: dict[str, Any]) -> str:
    """The report for people.

    >>> print(table({"rows": []}).splitlines()[0].split())
    ['work', 'threads', 'ours', 'rival', 'ratio', '(95%)', 'target', 'verdict']
    """
    head = ("work", "threads", "ours", "rival", "ratio (95%)", "target", "verdict")
    lines = [head]
    for row in report["rows"]:
        ours, against = (row["rivals"].get(row[key] or "", {}).get("median") for key in ("ours", "against"))
        found, target = row["ratio"], row["target"]
        interval = "" if found is None else f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
        bound = "" if target is None else f"{target:g}" if row["kind"] == "ratio" else f"under {target:g}"
        shown = [_shown(value, row["unit"]) for value in (ours, against)]
        lines.append((row["title"], str(row["threads"]), *shown, interval, bound, row["verdict"] or ""))
        for name, rival in row["rivals"].items():
            if name not in (row["ours"], row["against"]):
                lines.append((f"  {name}", "", "", _shown(rival["median"], row["unit"]), "", "", ""))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _share_of_limit(measured: Measured, samples: dict[str, list[float]]) -> float | None:
    """Which part of the machine's rate our median reaches."""
    if not measured.limit or measured.ours not in samples:
        return None
    least_s = measured.limit["amount"] / measured.limit["per_s"]
    return least_s / statistics.median(samples[measured.ours])


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit != "s":
        return f"{value:.1f} {unit}"
    for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value * 1e9:.3g} ns"
