"""The bench's own rules: verdicts, means, rivals that are missing, the workers' protocol, the schema, the pictures."""

from __future__ import annotations

import json
import math
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.speed import bench_ingest, limits, portal_rows, workers
from tests.speed.__main__ import main
from tests.speed.compiled import shared_object
from tests.speed.footprint import CEILINGS
from tests.speed.measure import Run
from tests.speed.plot import plot
from tests.speed.report import ceiling_of, contention_of, lowest_of, mean_of, row_of
from tests.speed.rivals import library_of
from tests.speed.rows import CONTENTION, MKL, OURS, SUITE_LOWEST, SUITE_MEAN, TCMALLOC, TORCH, Measured, Row, wanted
from tests.speed.table import markdown, not_run, table
from tests.speed.verdict import Ratio, against_target, figure, geometric_mean, ratio, together, under_bound
from tests.speed.workers import Worker
from tests.speed.works import GROUPS, MEANS, ROWS

jsonschema = pytest.importorskip("jsonschema", reason="the report's schema is checked where jsonschema is installed")
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "formats" / "benchmark-2.schema.json"
LAST = f"{TCMALLOC}+channels_last"
ROW = Row("add_10m", "add", lambda lib: lib, {"E": 3.0, "B": 0.95}, means=("channels_last",))


def measured(ours: list[float], title: str = "add", threads: int = 1, **more: Any) -> Measured:
    """A row whose rivals take 4, 2, 1.5 and 1.2 times what 1 second is, with the exceptions in `rivals`."""
    samples: dict[str, list[float]] = {OURS: ours} if ours else {}
    times: dict[str, float | None] = {TORCH: 4.0, TCMALLOC: 2.0, LAST: 1.5, MKL: 1.2} | more.pop("rivals", {})
    samples |= {name: [seconds] * max(1, len(ours)) for name, seconds in times.items() if seconds is not None}
    return Measured("add_10m", title, "elementwise", threads, samples, ROW.comparisons, **more)


def comparison_of(row: dict[str, Any], to: str) -> dict[str, Any]:
    (found,) = [comparison for comparison in row["comparisons"] if comparison["to"] == to]
    return dict(found)


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
        "schema_version": 2,
        "started": "2026-11-22T00:00:00+00:00",
        "commit": None,
        "rounds": 3,
        "machine": machine,
        "versions": {"torch": "2.13.0"},
        "limits": [{"threads": 1, "bytes_per_s": 3e10, "operations_per_s": 2e11, "bfloat16_operations_per_s": 4e11}],
        "rows": list(rows),
    }


# ---- verdicts ----


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(3.0, 4.0, "met"), (2.9, 4.0, "not decided"), (2.0, 2.9, "not met"), (2.9, 3.0, "not decided")],
)
def test_a_target_is_met_by_the_lower_end_of_the_interval(low, high, says):
    assert against_target(Ratio((low + high) / 2, low, high), 3.0) == says


@pytest.mark.parametrize(
    ("verdicts", "says"),
    [
        (["met", "met"], "met"),
        (["met", "not decided"], "not decided"),
        (["not decided", "not met"], "not met"),
        (["met", None], "not decided"),
        ([None, None], None),
        ([], None),
    ],
)
def test_a_row_with_several_targets_is_met_when_all_are(verdicts, says):
    assert together(verdicts) == says


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
    assert under_bound(figure(samples), 60.0) == says


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=5))
@settings(max_examples=20)  # each resamples 2,000 times
def test_the_mean_of_exact_ratios_is_their_geometric_mean(ratios):
    found = geometric_mean([([1.0], [value]) for value in ratios])
    assert math.isclose(found.value, math.prod(ratios) ** (1 / len(ratios)), rel_tol=1e-9)
    assert math.isclose(found.low, found.high, rel_tol=1e-9)


# ---- rows of a report ----


def test_b_is_the_fastest_of_the_documented_means_and_x_the_stub():
    row = row_of(measured([1.0] * 3))
    assert [(found["to"], found["rival"], found["ratio"]["value"]) for found in row["comparisons"]] == [
        ("E", TORCH, 4.0),
        ("B", LAST, 1.5),
        ("X", MKL, 1.2),
    ]
    assert row["verdict"] == "met"


def test_eager_itself_is_b_where_nothing_helps():
    assert comparison_of(row_of(measured([1.0], rivals={TORCH: 1.1})), "B")["rival"] == TORCH


def test_one_target_missed_misses_the_row():
    assert row_of(measured([1.6] * 3))["verdict"] == "not met"


def test_a_row_at_the_machines_limit_is_met_and_says_so():
    row = row_of(measured([2.0] * 5, limit={"amount": 1.8, "per_s": 1.0}))
    assert row["verdict"] == "met"
    assert row["notes"]["verdict"] == "at 90% of the machine's limit"


def test_a_row_at_the_limit_of_its_passes_does_not_call_it_the_machines():
    row = row_of(measured([2.0] * 5, limit={"amount": 1.8, "per_s": 1.0}, limit_of="what operations one by one allow"))
    assert row["notes"]["verdict"] == "at 90% of what operations one by one allow"


def test_a_row_that_goes_through_passes_names_a_rate_that_is_measured_and_counts_its_elements():
    rows = [row for row in ROWS.values() if row.limit]
    assert {row.limit for row in rows} <= set(limits.RATES)
    assert all(row.elements and not row.bytes_moved and not row.operations for row in rows)


LEVELS = ("x86-64", "x86-64-v3", "x86-64-v4") if platform.machine() in ("x86_64", "AMD64") else ("native",)


@pytest.mark.parametrize("level", LEVELS)
def test_limits_are_measured_in_registers_that_the_processor_has(level):
    shared_object("limits.c", f"-march={level}", *limits.FLAGS)  # the compiler refuses wider ones


@pytest.mark.slow
def test_every_rate_that_rows_name_is_measured_on_this_machine():
    rates = limits.Limits().measure(1)
    assert all(rates[row.limit] > 0 for row in ROWS.values() if row.limit)


def test_a_limit_measured_on_a_busy_machine_makes_nothing_met():
    assert row_of(measured([2.0] * 5, limit={"amount": 2.4, "per_s": 1.0}))["verdict"] == "not met"


def test_a_best_that_was_not_tried_leaves_b_undecided():
    row = row_of(measured([1.0], rivals={LAST: None}))
    assert comparison_of(row, "B")["ratio"]["value"] == 2.0
    assert comparison_of(row, "B")["verdict"] is None
    assert row["verdict"] == "not decided"


def test_without_ours_or_without_pytorch_there_is_no_verdict():
    nobody = dict.fromkeys([TORCH, TCMALLOC, LAST, MKL])
    assert row_of(measured([], notes={OURS: "no autocast"}))["verdict"] is None
    assert row_of(measured([1.0], rivals=nobody, limit={"amount": 0.9, "per_s": 1.0}))["verdict"] is None


def test_the_mean_of_the_suite_leaves_out_what_did_not_run():
    rows = [measured([1.0] * 3), measured([2.0] * 3), measured([], notes={OURS: "no autocast"})]
    found = mean_of(SUITE_MEAN, rows, "suite", 1)
    assert comparison_of(found, "E")["ratio"]["value"] == pytest.approx(math.sqrt(4.0 * 2.0))
    assert comparison_of(found, "X")["ratio"]["value"] == pytest.approx(math.sqrt(1.2 * 0.6))
    assert found["verdict"] is None
    assert mean_of(SUITE_MEAN, rows[:2], "suite", 1)["verdict"] == "not met"


@pytest.mark.parametrize(("left_out", "summed_up"), [([], True), (["small"], False)])
def test_a_run_of_every_row_has_the_mean_of_the_suite_though_its_groups_were_named(
    monkeypatch, tmp_path, left_out, summed_up
):
    def every_row_at_once(rows, threads, *_):
        found = [measured([1.0] * 3, row.title) for _, row in rows]
        return Run(found, {"threads": threads, "bytes_per_s": 1e9, "operations_per_s": 1e9}, {}, stopped=False)

    monkeypatch.setattr("tests.speed.__main__.measure", every_row_at_once)
    written = tmp_path / "report.json"
    main(["--only", *(group for group in GROUPS if group not in left_out), "--threads", "1", "--json", str(written)])
    suite = [row for row in json.loads(written.read_text())["rows"] if row["group"] == "suite"]
    assert bool(suite) is summed_up


@pytest.mark.parametrize(("sum_up", "of"), [(mean_of, SUITE_MEAN), (lowest_of, SUITE_LOWEST)])
def test_a_best_that_one_row_did_not_try_leaves_what_sums_them_up_undecided(sum_up, of):
    rows = [measured([0.1] * 3), measured([0.1] * 3, rivals={LAST: None})]
    assert sum_up(of, rows[:1], "suite", 1)["verdict"] == "met"
    found = sum_up(of, rows, "suite", 1)
    assert comparison_of(found, "B")["ratio"]["value"] > 10
    assert comparison_of(found, "B")["verdict"] is None
    assert comparison_of(found, "X")["verdict"] == "met"
    assert found["verdict"] == "not decided"


def test_the_lowest_row_is_named_and_judged_by_the_floor():
    found = lowest_of(SUITE_LOWEST, [measured([1.0] * 3), measured([2.0] * 3, title="slow")], "suite", 1)
    assert found["notes"] == {"B": "slow", "X": "slow"}
    assert found["verdict"] == "not met"


def test_the_row_that_suffers_most_beside_a_busy_process_is_named():
    calm = measured([1.0] * 3, busy=[1.4] * 3, threads=2)
    found = contention_of(CONTENTION, [calm, measured([1.0] * 3, title="stuck", busy=[9.0] * 3, threads=2)], 2)
    assert found["verdict"] == "not met"
    assert found["notes"]["contention"] == "stuck"
    assert row_of(calm)["contention"]["value"] == pytest.approx(1.4)


def test_the_report_keeps_to_its_schema_and_the_table_shows_every_rival():
    rows = [measured([1.0, 1.1]), measured([], notes={OURS: "no autocast"})]
    ceilings = [ceiling_of(CEILINGS[0], [40.0, 41.0]), ceiling_of(CEILINGS[2], [], note="not built: no compiler")]
    report = report_of(*map(row_of, rows), mean_of(SUITE_MEAN, rows, "suite", 1), *ceilings)
    jsonschema.validate(json.loads(json.dumps(report)), json.loads(SCHEMA.read_text()))
    text = table(report)
    assert "1.05 s" in text
    assert "channels_last" in text
    assert "not run: no autocast" in text
    assert "not built: no compiler" in text
    assert not_run(report) == ["not run by flambeau: add_10m: no autocast"]
    assert "| add | 1 | 1.05 s |" in markdown(report)


def test_the_schema_refuses_a_row_without_a_verdict():
    report = report_of({key: value for key, value in row_of(measured([1.0])).items() if key != "verdict"})
    with pytest.raises(jsonschema.ValidationError, match="verdict"):
        jsonschema.validate(report, json.loads(SCHEMA.read_text()))


def test_the_plot_has_a_point_for_each_rival_and_thread_count_and_escapes_names():
    rows = [measured([1.0]), measured([1.0], threads=2), measured([1.0], title="a < b")]
    picture = plot(report_of(*map(row_of, rows), ceiling_of(CEILINGS[0], [1.0])))
    tree = ElementTree.fromstring(picture)
    legend = 2
    assert len([e for e in tree.iter() if e.tag.endswith("circle")]) == legend + 2 * len(rows)
    assert "a &lt;chip&gt;" in picture
    assert "a &lt; b" in picture
    assert "prefers-color-scheme: dark" in picture


# ---- rows ----


def test_rows_have_names_of_their_own_and_means_sum_up_rows_of_their_group():
    names = [row.name for rows in GROUPS.values() for row in rows] + [ceiling.name for ceiling in CEILINGS]
    assert len(names) == len(set(names))
    for group, means in MEANS.items():
        assert all(ROWS[name] in GROUPS[group] for mean in means for name in mean.rows)


def test_a_row_is_asked_for_by_its_name_or_its_group():
    assert wanted("exp_10m", "elementwise", [])
    assert wanted("exp_10m", "elementwise", ["elementwise"])
    assert wanted("exp_10m", "elementwise", ["exp_10m", "matmul"])
    assert not wanted("exp_10m", "elementwise", ["matmul"])


# ---- workers ----


@pytest.fixture
def worker():
    found = Worker("numpy", 1)
    yield found
    found.close()


def test_a_worker_prepares_samples_and_says_what_it_lacks(worker):
    assert worker.version
    assert worker.prepare("numpy", "small_add") == ""
    assert 0 < worker.sample("numpy", "small_add") < 0.01
    assert "gelu" in worker.prepare("numpy", "gelu_10m")
    worker.drop()


def test_a_worker_that_dies_is_missing_from_then_on_and_ends_nothing_else(worker):
    assert worker.prepare("numpy", "small_add") == ""
    worker._process.kill()
    assert worker.sample("numpy", "small_add") is None
    assert "ended with -9" in worker.missing
    assert "ended with -9" in worker.prepare("numpy", "small_add")
    worker.drop()


def test_a_rival_whose_library_is_not_there_says_so(monkeypatch):
    monkeypatch.setattr(workers, "find_tcmalloc", lambda: None)
    found = Worker(TCMALLOC, 1)
    assert "libtcmalloc" in found.missing
    found.close()


def test_a_rival_that_is_not_installed_says_so(monkeypatch, tmp_path):
    (tmp_path / "jax.py").write_text("raise ImportError('No module named jax')")
    monkeypatch.setattr(workers, "environment", lambda rival, threads: _first_on_the_path(tmp_path))
    found = Worker("jax", 1)
    assert "No module named jax" in found.missing
    found.close()


def _first_on_the_path(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{workers.ROOT}"}


@pytest.mark.slow
def test_the_command_measures_beside_a_busy_process_and_writes_what_the_schema_says(tmp_path, capsys):
    files = {name: tmp_path / f"report.{name}" for name in ("json", "svg", "markdown")}
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    main(["--only", "matmul_256", "--rivals", "numpy", "--rounds", "2", "--threads", "2", *options])
    report = json.loads(files["json"].read_text())
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    (row,) = report["rows"]
    assert set(row["rivals"]) == {OURS, "numpy"}
    assert row["contention"]["value"] > 0
    assert row["share_of_limit"] > 0
    assert row["verdict"] is None
    assert "float32 matmul 256" in files["markdown"].read_text()
    assert "float32 matmul 256" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_keeps_the_rows_that_were_done(tmp_path, what):
    written = tmp_path / "report.json"
    command = [sys.executable, "-m", "tests.speed", "--only", "small", "--rivals", "numpy", "--rounds", "20"]
    bench = subprocess.Popen(
        [*command, "--threads", "1", "--json", str(written)], cwd=workers.ROOT, stderr=subprocess.PIPE, text=True
    )
    with bench:
        assert bench.stderr is not None
        assert bench.stderr.readline().endswith("done\n")
        bench.send_signal(what)
        rest = bench.stderr.read()
    assert bench.returncode == 130
    assert "stopped before the end" in rest
    report = json.loads(written.read_text())
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    assert 1 <= len(report["rows"]) < 6
    assert report["rows"][0]["name"] == next(iter(ROWS))
    assert not any(row["group"] == "suite" for row in report["rows"])


# ---- rivals ----


@pytest.mark.torch
@pytest.mark.parametrize(("name", "rival"), [
    (name, rival)
    for name in ("small_add", "chain_1m", "matmul_256", "sort_1m", "nonzero_1m", "max_pool")
    for rival in ("torch", "numpy")
    if rival in ROWS[name].rivals
])  # fmt: skip
def test_rivals_compute_what_ours_computes(name, rival):
    pytest.importorskip(rival, reason=f"{rival} is not installed")
    ours, theirs = (_first(ROWS[name].work(library_of(each, 1))()) for each in (OURS, rival))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def _first(result: Any) -> Any:
    """Of an op that gives several tensors, the first."""
    return np.asarray(result[0] if isinstance(result, tuple) else result)


# ---- the portal ----


def test_the_portals_benches_become_rows_and_what_failed_says_why(monkeypatch):
    results = {
        "bench_index": ({"kinds": {"project page": {"pairs": [[300.0, 100.0]] * 3}}}, ""),
        "bench_ingest": (None, "no repository"),
    }
    monkeypatch.setattr(portal_rows, "_run", lambda module, rounds: results[module])
    index, ingest = (row_of(measured) for (measured,) in (portal_rows.index_rows(3), portal_rows.ingest_rows(3)))
    assert comparison_of(index, "pypiserver")["ratio"]["value"] == 3.0
    assert ingest["notes"] == {OURS: "no repository"}
    report = report_of(index, ingest)
    jsonschema.validate(json.loads(json.dumps(report)), json.loads(SCHEMA.read_text()))
    assert "pypiserver 100.0 requests/s: 3.00" in table(report)
    assert "not run: no repository" in table(report)


def test_both_passes_of_an_ingest_become_rows_beside_git(monkeypatch):
    """The bench itself names its rows here; only git, the databases and the clock are told what to say."""
    for name, says in {"git": "700", "fresh": None, "log": 1.0, "ours": (2.0, 90.0, 80.0)}.items():
        monkeypatch.setattr(bench_ingest, name, lambda *_, says=says: says)
    result = bench_ingest.measure(SCHEMA, {"SQLite": "sqlite:///nowhere"}, rounds=3)
    monkeypatch.setattr(portal_rows, "_run", lambda *_: (json.loads(json.dumps(result)), ""))
    rows = [row_of(measured) for measured in portal_rows.ingest_rows(3)]
    assert [row["name"] for row in rows] == ["ingest_commits", "ingest_lines"]
    assert [
        comparison_of(row, to)["ratio"]["value"]
        for row, to in zip(rows, ("git log --raw", "git log --numstat"), strict=True)
    ] == [0.5, 0.5]
    assert "git log --numstat 1 s: 0.50" in table(report_of(*rows))


def test_every_page_becomes_two_rows_without_a_rival(monkeypatch):
    spread = {"p50_ms": 1.0, "p95_ms": 40.0, "p99_ms": 90.0, "rate": 100.0}
    kept_spread = {**spread, "p95_ms": 4.0}
    page = {"endpoint": "contributions.overview", "path": "/contributions/", "made": spread, "kept": kept_spread}
    monkeypatch.setattr(portal_rows, "_run", lambda *_: ({"rows": [page]}, ""))
    made, kept = (row_of(measured) for measured in portal_rows.page_rows(15))
    assert "page /contributions/: made, 95th percentile" in table(report_of(made, kept))
    assert "40 ms" in table(report_of(made))
    assert "4 ms" in table(report_of(kept))


def test_a_bench_that_found_a_target_unmet_is_no_bench_that_did_not_run(monkeypatch):
    def program(command, **_):
        Path(command[-1]).write_text('{"rows": []}')
        return subprocess.CompletedProcess(command, 1, "", "not met")

    monkeypatch.setattr(portal_rows.subprocess, "run", program)
    assert portal_rows._run("bench_pages", 1) == ({"rows": []}, "")
