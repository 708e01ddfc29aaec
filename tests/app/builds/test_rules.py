"""Conformance reports are read as evidence: about this wheel, sound in themselves, and as the schema says."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from app.builds.rules import ReportError, is_filename, read_conformance
from app.governance_files import GovernanceError, read
from tests.sample_project import ROOT, write_governance

SCHEMA = json.loads((ROOT / "docs" / "formats" / "conformance-1.schema.json").read_text())
WHEEL, COMMIT = "a" * 64, "c" * 40


def _report(**changes: object) -> dict[str, object]:
    report: dict[str, object] = {
        "schema": "flambeau-conformance", "schema_version": 1,
        "flambeau": {"version": "0.1.0.dev3", "wheel_sha256": WHEEL, "commit": COMMIT},
        "device": {"name": "cpu", "backend": "cpu", "backend_version": "1", "hardware": "x86-64", "driver": "",
                   "dtypes": ["float32"], "index_dtype": "int64"},
        "seed": 0, "started": "2026-01-01T00:00:00Z", "seconds": 1.5,
        "platform": {"python": "3.11", "system": "Linux", "machine": "x86_64"},
        "conforms": True, "counts": {"passed": 2, "failed": 0, "unsupported": 1, "not_run": 0}, "cases": [],
    }  # fmt: skip
    return report | changes


def _read(report: object):
    return read_conformance(json.dumps(report).encode(), version="0.1.0.dev3", commit=COMMIT, wheel_sha256=WHEEL)


def test_a_report_as_the_schema_says_is_evidence():
    jsonschema.validate(_report(), SCHEMA)
    found = _read(_report())
    assert (found.device, found.conforms, found.passed, found.unsupported) == ("cpu", True, 2, 1)


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ([], "is no conformance report"),
        (_report(schema="other"), "is no conformance report"),
        (_report(schema_version=2), "has version 2; this portal reads 1"),
        (_report(flambeau={"version": "9", "wheel_sha256": WHEEL, "commit": COMMIT}), "is about version '9'"),
        (_report(flambeau={"version": "0.1.0.dev3", "wheel_sha256": "b" * 64}), "is about wheel_sha256 'bbb"),
        (_report(flambeau={"version": "0.1.0.dev3", "commit": "d" * 40}), "is about commit 'ddd"),
        (_report(flambeau={"wheel_sha256": WHEEL}), "is about version None"),
        (_report(conforms=False), "says conforms False; its counts say True"),
        (_report(counts={"passed": 0, "failed": 0, "unsupported": 5, "not_run": 0}), "its counts say False"),
        (_report(counts={"passed": "2"}), "its count passed is '2'"),
        (_report(counts={"passed": True, "failed": 0, "unsupported": 0, "not_run": 0}), "its count passed is True"),
        (_report(device={"name": "x" * 101}), "its device is named"),
        (_report(device=None), "its part device is missing"),
    ],
)
def test_a_report_that_cannot_stand_says_why(report, why):
    with pytest.raises(ReportError) as caught:
        _read(report)
    assert why in str(caught.value)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-rf", ".bashrc", "a b", "a\0", "x" * 201, "ä.whl"])
def test_a_file_name_that_is_more_than_a_name_is_none(name):
    assert not is_filename(name)


def test_the_recipe_in_governance_can_be_used():
    recipe = read(ROOT / "governance", today=date(2026, 1, 1)).require().recipe
    assert recipe.version_of(7) == "0.1.0.dev7"
    stamps = recipe.stamps_for(version="0.1.0.dev7", commit=COMMIT, is_local=False)
    assert [stamp["path"] for stamp in stamps] == ["framework/flambeau/_version.py"]
    assert f'"{COMMIT}"' in stamps[0]["text"]
    scope: dict[str, object] = {}
    exec(stamps[0]["text"], scope)
    assert (scope["__version__"], scope["__commit__"], scope["__origin__"]) == ("0.1.0.dev7", COMMIT, "foundation")


def test_a_recipe_with_mistakes_names_all_of_them(tmp_path: Path):
    folder = write_governance(
        tmp_path / "governance", project="Bad Name", version="1", steps={"sdist": "x"}, surprise=1
    )
    with pytest.raises(GovernanceError) as caught:
        read(folder, today=date(2026, 1, 1)).require()
    for key in ("project", "version", "steps.wheel", "surprise"):
        assert f"{key}" in str(caught.value)
    assert str(caught.value).count("builds.yaml") >= 4


def test_a_report_with_figures_beyond_measure_is_refused_or_read_without_them():
    with pytest.raises(ReportError, match="its count passed is 1000"):
        _read(_report(counts={"passed": 10**30, "failed": 0, "unsupported": 0, "not_run": 0}))
    with pytest.raises(ReportError, match="is not JSON"):
        read_conformance(b"[" * 100_000, version="0.1.0.dev3", commit=COMMIT, wheel_sha256=WHEEL)
    assert _read(_report(seconds=10**400)).seconds == 0.0
    assert _read(_report(seconds=float("nan"))).seconds == 0.0
