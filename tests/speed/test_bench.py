"""The bench's own rules: verdicts, the report's schema, the plot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.speed.plot import plot
from tests.speed.report import ceiling_of, row_of, table
from tests.speed.rows import CEILINGS, ROWS, Measured
from tests.speed.verdict import Ratio, against_target, ratio, under_bound

jsonschema = pytest.importorskip("jsonschema", reason="the report's schema is checked where jsonschema is installed")
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "formats" / "benchmark-1.schema.json"


def measured(ours: list[float], theirs: list[float], **more: Any) -> Measured:
    return Measured("add_10m", "add", "s", 1, {"flambeau": ours, "torch": theirs}, "flambeau", "torch", 3.0, **more)


def report_of(*rows: dict[str, Any]) -> dict[str, Any]:
    machine = {
        "processor": "a <chip>",
        "architecture": "x86_64",
        "cores": 2,
        "system": "Linux",
        "python": "3",
        "load": 0.5,
    }
    return {
        "schema": "flambeau-benchmark",
        "schema_version": 1,
        "started": "2026-11-22T00:00:00+00:00",
        "commit": None,
        "rounds": 3,
        "machine": machine,
        "versions": {"torch": "2.13.0"},
        "limits": [{"threads": 1, "bytes_per_s": 3e10, "operations_per_s": 2e11}],
        "rows": list(rows),
    }


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(3.0, 4.0, "met"), (2.9, 4.0, "not decided"), (2.0, 2.9, "not met"), (2.9, 3.0, "not decided")],
)
def test_a_target_is_met_by_the_lower_end_of_the_interval(low, high, says):
    assert against_target(Ratio((low + high) / 2, low, high), 3.0) == says


def test_the_interval_holds_the_ratio_and_widens_with_noise():
    steady = ratio([1.0, 1.01, 0.99] * 5, [3.0, 3.01, 2.99] * 5)
    noisy = ratio([1.0, 2.0, 0.5] * 5, [3.0, 6.0, 1.0] * 5)
    assert steady.low <= steady.value <= steady.high
    assert noisy.high - noisy.low > steady.high - steady.low


def test_requests_a_second_are_better_when_more():
    assert ratio([200.0], [100.0], more_is_better=True).value == 2.0


@pytest.mark.parametrize(
    ("samples", "says"), [([40.0] * 9, "met"), ([70.0] * 9, "not met"), ([50.0, 70.0], "not decided")]
)
def test_a_bound_is_met_by_the_upper_end_of_the_interval(samples, says):
    assert under_bound(samples, 60.0)[1] == says


def test_a_row_at_the_machines_limit_is_met_and_says_so():
    row = row_of(measured([0.010] * 5, [0.020] * 5, limit={"amount": 9e8, "per_s": 1e11}))
    assert row["verdict"] == "met"
    assert row["notes"]["verdict"] == "at 90% of the machine's limit"


def test_a_limit_measured_on_a_busy_machine_makes_nothing_met():
    row = row_of(measured([0.010] * 5, [0.020] * 5, limit={"amount": 9e8, "per_s": 4e10}))
    assert row["verdict"] == "not met"


def test_a_rival_that_did_not_run_leaves_no_verdict():
    row = row_of(Measured("add_10m", "add", "s", 1, {"flambeau": [1.0]}, "flambeau", "torch", 3.0))
    assert row["verdict"] is None
    assert "did not run" in row["notes"]["verdict"]


def test_the_report_keeps_to_its_schema_and_the_table_shows_every_rival():
    ceiling = ceiling_of(CEILINGS[0], [40.0, 41.0, 42.0])
    report = report_of(row_of(measured([1.0, 1.1], [4.0, 4.1])), row_of(measured([1.0], [])), ceiling)
    jsonschema.validate(json.loads(json.dumps(report)), json.loads(SCHEMA.read_text()))
    lines = table(report).splitlines()
    assert "not met" not in lines[1]
    assert lines[-1].split()[:2] == ["import", "flambeau"]


def test_the_schema_refuses_a_row_without_a_verdict():
    report = report_of({key: value for key, value in row_of(measured([1.0], [4.0])).items() if key != "verdict"})
    with pytest.raises(jsonschema.ValidationError, match="verdict"):
        jsonschema.validate(report, json.loads(SCHEMA.read_text()))


def test_the_plot_is_svg_with_a_bar_for_each_ratio_and_escapes_names():
    picture = plot(
        report_of(row_of(measured([1.0], [4.0])), row_of(measured([1.0], [9.0])), ceiling_of(CEILINGS[0], [1.0]))
    )
    tree = ElementTree.fromstring(picture)
    assert len([e for e in tree.iter() if e.get("class") == "bar"]) == 2
    assert "a &lt;chip&gt;" in picture
    assert "prefers-color-scheme: dark" in picture


def test_rows_have_names_of_their_own():
    names = [row.name for row in ROWS] + [ceiling.name for ceiling in CEILINGS]
    assert len(names) == len(set(names))
