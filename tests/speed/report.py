"""What a run found, as plain data: docs/formats/benchmark-2.schema.json."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

from tests.speed.rows import OURS, Ceiling, Comparison, Mean, Measured
from tests.speed.verdict import Ratio, against_target, figure, geometric_mean, lowest, ratio, together, under_bound

SHARE_OF_LIMIT = 0.85  # a row is also met at this share of what can be done
NO_LIMIT = 1.1  # above it the limit was measured while the machine was busy, and says nothing


def row_of(measured: Measured) -> dict[str, Any]:
    """One row of the report: every rival's median, each comparison's ratio with its interval, the verdict."""
    comparisons = [_compared(measured, comparison) for comparison in measured.comparisons]
    row = _row(measured, comparisons) | {"share_of_limit": _share_of_limit(measured), "notes": dict(measured.notes)}
    if measured.ours in measured.samples:
        row["verdict"] = together(found["verdict"] for found in comparisons if found["target"] is not None)
        if measured.busy:
            row["contention"] = _data(ratio(measured.samples[measured.ours], measured.busy))
    share = row["share_of_limit"]
    if row["verdict"] not in (None, "met") and share is not None and SHARE_OF_LIMIT <= share <= NO_LIMIT:
        row["verdict"] = "met"
        row["notes"]["verdict"] = f"at {share:.0%} of {measured.limit_of}"
    return row


def mean_of(mean: Mean, rows: Sequence[Measured], group: str, threads: int) -> dict[str, Any]:
    """The geometric mean of rows against E, B and X, of those rows where both ran; judged where all ran."""
    comparisons = []
    for to in ("E", "B", "X"):
        pairs = [(row.samples[row.ours], row.samples[rival]) for row, rival in _against(rows, to)]
        found = geometric_mean(pairs) if pairs else None
        comparisons.append(_judged(to, None, mean.targets.get(to), found, all_ran=_all_ran(rows, to)))
    return _summary(mean, group, threads, comparisons)


def lowest_of(mean: Mean, rows: Sequence[Measured], group: str, threads: int) -> dict[str, Any]:
    """The lowest ratio of all rows against those that the targets name, judged where all ran; notes name the row."""
    comparisons, notes = [], {}
    for to, target in mean.targets.items():
        found = {row.title: ratio(row.samples[row.ours], row.samples[rival]) for row, rival in _against(rows, to)}
        worst = lowest(list(found.values())) if found else None
        comparisons.append(_judged(to, None, target, worst, all_ran=_all_ran(rows, to)))
        if found:
            notes[to] = min(found, key=lambda title: found[title].value)
    return _summary(mean, group, threads, comparisons) | {"notes": notes}


def ceiling_of(ceiling: Ceiling, samples: Sequence[float], *, threads: int = 1, note: str = "") -> dict[str, Any]:
    """One figure of ours against its bound; without samples the note says why there are none."""
    found = figure(samples) if samples else None
    return _bounded(ceiling, found, threads, note) | {
        "rivals": {OURS: {"median": found.value, "samples": list(samples)}} if found else {}
    }


def contention_of(ceiling: Ceiling, rows: Sequence[Measured], threads: int) -> dict[str, Any]:
    """The row that a busy process slows most."""
    found = {row.title: ratio(row.samples[row.ours], row.busy) for row in rows if row.busy}
    worst = max(found, key=lambda title: found[title].value)
    ends = Ratio(*(max(end) for end in zip(*map(dataclasses.astuple, found.values()), strict=True)))
    return _bounded(ceiling, ends, threads, worst)


def best_of(measured: Measured, comparison: Comparison) -> str | None:
    """The fastest of a comparison's rivals, of those that ran."""
    ran = [rival for rival in comparison.rivals if rival in measured.samples]
    order = max if measured.better == "more" else min
    return order(ran, key=lambda rival: statistics.median(measured.samples[rival])) if ran else None


def _compared(measured: Measured, comparison: Comparison) -> dict[str, Any]:
    """No verdict where one of the rivals did not run."""
    rival, samples, found = best_of(measured, comparison), measured.samples, None
    if rival is not None and measured.ours in samples:
        found = ratio(samples[measured.ours], samples[rival], more_is_better=measured.better == "more")
    return _judged(comparison.to, rival, comparison.target, found, all_ran=_ran(measured, comparison))


def _against(rows: Sequence[Measured], to: str) -> list[tuple[Measured, str]]:
    """The rows that ours and this rival ran, with the rival's name."""
    found = [(row, best_of(row, comparison)) for row in rows for comparison in row.comparisons if comparison.to == to]
    return [(row, rival) for row, rival in found if rival is not None and row.ours in row.samples]


def _all_ran(rows: Sequence[Measured], to: str) -> bool:
    return all(_ran(row, comparison) for row in rows for comparison in row.comparisons if comparison.to == to)


def _ran(measured: Measured, comparison: Comparison) -> bool:
    """Whether ours and every rival meant ran: the one that is missing might have been the best."""
    return all(name in measured.samples for name in (measured.ours, *comparison.rivals))


def _judged(to: str, rival: str | None, target: float | None, found: Ratio | None, *, all_ran: bool) -> dict[str, Any]:
    judged = None if found is None or target is None or not all_ran else against_target(found, target)
    return {"to": to, "rival": rival, "target": target, "ratio": _data(found), "verdict": judged}


def _row(measured: Measured, comparisons: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": measured.name,
        "title": measured.title,
        "group": measured.group,
        "kind": "work",
        "unit": measured.unit,
        "threads": measured.threads,
        "ours": measured.ours,
        "rivals": {
            name: {"median": statistics.median(values), "samples": values}
            for name, values in sorted(measured.samples.items())
        },
        "comparisons": comparisons,
        "share_of_limit": None,
        "contention": None,
        "verdict": None,
        "notes": {},
    }


def _summary(mean: Mean, group: str, threads: int, comparisons: list[dict[str, Any]]) -> dict[str, Any]:
    """A row that sums others up has no rivals of its own."""
    judged = [found["verdict"] for found in comparisons if found["target"] is not None]
    row = _row(Measured(mean.name, mean.title, group, threads, {}, ()), comparisons)
    return row | {"kind": "mean", "verdict": together(judged)}


def _bounded(ceiling: Ceiling, found: Ratio | None, threads: int, note: str) -> dict[str, Any]:
    judged = None if found is None else under_bound(found, ceiling.bound)
    comparison = {"to": "bound", "rival": None, "target": ceiling.bound, "ratio": _data(found), "verdict": judged}
    measured = Measured(ceiling.name, ceiling.title, "ceilings", threads, {}, (), unit=ceiling.unit)
    notes = {ceiling.name: note} if note else {}
    return _row(measured, [comparison]) | {"kind": "ceiling", "verdict": judged, "notes": notes}


def _share_of_limit(measured: Measured) -> float | None:
    """Which part of the machine's rate our median reaches."""
    if not measured.limit or measured.ours not in measured.samples:
        return None
    least_s = measured.limit["amount"] / measured.limit["per_s"]
    return least_s / statistics.median(measured.samples[measured.ours])


def _data(found: Ratio | None) -> dict[str, float] | None:
    return None if found is None else dataclasses.asdict(found)
