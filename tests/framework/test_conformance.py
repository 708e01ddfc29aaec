"""Conformance: the report, its schema, its exit codes, and a device that is planted wrong."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path

import flambeau as fl
import numpy as np
import pytest
from flambeau import conformance, opcases, optable, testing
from flambeau.conformance import CaseResult

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/formats/conformance-1.schema.json").read_text())
STARTED = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
FEW = ("add", "exp", "sum", "matmul", "take", "softmax", "full", "concat", "adamw_step")


def report_of(results: list[CaseResult]) -> dict[str, object]:
    return conformance.report("cpu", results, seed=0, started=STARTED, seconds=1.0)


@pytest.mark.parametrize("op", FEW)
def test_the_cpu_conforms(op: str) -> None:
    results = list(conformance.run("cpu", ops=[op]))
    assert [result for result in results if result.result not in ("passed", "not_run")] == []
    assert sum(result.result == "passed" for result in results) > 5


def test_a_report_follows_its_schema() -> None:
    results = [
        *conformance.run("cpu", ops=["exp", "argmax"]),
        CaseResult("exp", "x", "float32", "values", "failed", 9.0, 4.0, "off"),
        CaseResult("exp", "x", "float32", "gradients", "unsupported", detail="no kernel"),
    ]
    written = report_of(results)
    jsonschema.validate(json.loads(json.dumps(written, allow_nan=False)), SCHEMA)
    assert written["conforms"] is False


def test_nothing_passed_is_no_proof() -> None:
    assert report_of([CaseResult("exp", "x", "float64", "values", "not_run")])["conforms"] is False


@pytest.mark.parametrize(("units", "result"), [(3, "passed"), (5, "failed")])
def test_a_kernel_just_over_its_bound_fails(monkeypatch: pytest.MonkeyPatch, units: int, result: str) -> None:
    """exp may be 4 units off: exact results moved by 3 pass and by 5 fail."""
    call = conformance._call

    def moved(case: opcases.Case, inputs: list[fl.Tensor], device: str) -> list[fl.Tensor]:
        if device != "cpu":
            return call(case, inputs, device)
        values = opcases.values(call(case, inputs, "reference")[0])
        return [fl.tensor(values + units * testing.unit_in_last_place(values, "float32").astype("float32"))]

    monkeypatch.setattr(conformance, "_call", moved)
    make = opcases.tensors
    monkeypatch.setattr(opcases, "tensors", lambda case, device, seed: make(case, "reference", seed))
    row = optable.row("exp")
    assert row.ulp["float32"] == 4
    case = next(case for case in opcases.cases(row, "float32", ["plain"]) if case.sample.inputs[0].shape == (3, 4))
    blank = CaseResult("exp", case.words, "float32", "values", "passed")
    judged = conformance._judge(blank, lambda: conformance._compare_values(case, "cpu", "reference", 0))
    assert (judged.result, judged.error_ulp, judged.bound_ulp) == (result, units, 4)


def test_a_wrong_shape_dtype_or_number_of_results_fails() -> None:
    one = [fl.zeros(2)]
    for wrong in ([fl.zeros(3)], [fl.zeros(2, dtype=fl.float64)], [], [fl.zeros(2), fl.zeros(2)]):
        assert conformance._largest(wrong, one, {}, None).error == np.inf
    assert conformance._largest([fl.tensor([0, 1], dtype=fl.int32)], [fl.tensor([0, 1])], {}, None).error == 0


def test_the_same_bits_are_no_distance_apart_and_other_bits_are_measured() -> None:
    row = [fl.tensor([np.nan, -0.0, np.inf, 1.0])]
    assert conformance._largest([fl.tensor([np.nan, -0.0, np.inf, 1.0])], row, {}, None).error == 0
    assert conformance._largest([fl.tensor([-np.nan, 0.0, np.inf, 1.0])], row, {}, None).error == 0
    assert conformance._largest([fl.tensor([np.nan, -0.0, -np.inf, 1.0])], row, {}, None).error == np.inf
    wrong = conformance._largest([fl.tensor([np.nan, -0.0, np.inf, 1 + 2**-23])], row, {"float32": 4.0}, None)
    assert (wrong.error, wrong.bound) == (1.0, 4.0)


def test_each_layout_of_a_sample_is_given_the_same_values_and_cannot_write_to_them() -> None:
    row = optable.row("add")
    strided = next(opcases.cases(row, "float32", ["strided"]))
    plain = next(case for case in opcases.cases(row, "float32", ["plain"]) if case.sample == strided.sample)
    first, again, later = opcases.arrays(plain), opcases.arrays(strided), opcases.arrays(plain, seed=1)
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))
    assert not any(np.array_equal(x, y) for x, y in zip(first, later, strict=True))
    with pytest.raises(ValueError, match="read-only"):
        first[0][...] = 0


def test_what_a_device_refuses_is_unsupported_and_what_it_breaks_is_failed() -> None:
    blank = CaseResult("exp", "x", "float32", "values", "passed")

    def raising(error: Exception) -> conformance._Distance:
        raise error

    for error, result in (
        (NotImplementedError("no"), "unsupported"),
        (fl.DTypeError("no"), "unsupported"),
        (fl.DeviceError("lost"), "failed"),
        (ValueError("odd"), "failed"),
    ):
        assert conformance._judge(blank, lambda error=error: raising(error)).result == result


def test_the_command_writes_the_report_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cpu.json"
    commit = "0123456789abcdef0123456789abcdef01234567"
    wheel = tmp_path / "flambeau.whl"
    wheel.write_bytes(b"wheel")
    status = conformance.main(
        [
            "--device",
            "cpu",
            "--ops",
            "add",
            "--json",
            str(path),
            "--seed",
            "3",
            "--commit",
            commit,
            "--wheel",
            str(wheel),
        ]
    )
    written = json.loads(path.read_text())
    assert status == 0
    assert "cpu conforms" in capsys.readouterr().out
    assert written["seed"] == 3
    assert written["flambeau"]["commit"] == commit
    assert written["flambeau"]["wheel_sha256"] == hashlib.sha256(b"wheel").hexdigest()
    jsonschema.validate(written, SCHEMA)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "nothing:0"], "nothing"),
        (["--device", "cpu", "--ops", "ad"], "there is no op ad"),
        (["--device", "cpu", "--seed", "-1"], "cannot be negative"),
        (["--device", "cpu", "--commit", "main"], "is no git commit"),
        (["--device", "cpu", "--wheel", "/nowhere.whl"], "there is no wheel"),
        (["--device", "cpu", "--ops", "sign", "--json", "/nowhere/at/all.json"], "cannot be written"),
    ],
)
def test_what_cannot_run_says_why_and_ends_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance.main(arguments) == 2
    assert message in capsys.readouterr().err
