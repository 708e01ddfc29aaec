"""Promises about the op table as a whole."""

from __future__ import annotations

from pathlib import Path

import flambeau as fl
import pytest
from flambeau.optable import FLOATS, Row, main, markdown, row, rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("op", rows(), ids=lambda op: op.name)
def test_a_row_says_what_people_and_tests_need(op: Row) -> None:
    assert op.summary.endswith((".", "]")), "a summary is a sentence"
    assert op.samples, "an op without samples is tested by nobody"
    assert op.ulp_note, "a bound needs its reason"
    assert len(op.attrs) == len({attr.name for attr in op.attrs})
    for sample in op.samples:
        assert len(sample.attrs) == len(op.attrs)
        assert len(sample.inputs) >= op.min_inputs
        assert op.max_inputs is None or len(sample.inputs) <= op.max_inputs


@pytest.mark.parametrize("op", rows(), ids=lambda op: op.name)
def test_bounds_are_finite_and_integers_exact(op: Row) -> None:
    assert all(op.ulp[dtype] == 0 for dtype in ("bool", "int32", "int64"))
    assert all(0 <= op.ulp[dtype] <= 64 for dtype in FLOATS)


@pytest.mark.parametrize("op", rows(), ids=lambda op: op.name)
def test_what_a_user_may_call_with_a_gradient_has_a_rule(op: Row) -> None:
    """Ops that give truth values or positions, or that write in place, have none; every other has one."""
    without = {
        "isnan", "isfinite", "isinf", "signbit", "nextafter", "bitwise_and", "bitwise_or", "bitwise_xor",
        "bitwise_invert", "bitwise_left_shift", "bitwise_right_shift",
        "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and",
        "logical_or", "logical_xor", "logical_not", "any", "all", "argmax", "argmin", "full", "arange", "eye",
        "uniform", "normal", "randint", "sgd_step", "adamw_step", "adam_step", "rmsprop_step",
        "adagrad_step", "lion_step", "unscale", "argsort", "argtop", "searchsorted", "nonzero",
        "assign", "slice_add", "join_indices", "max_pool_indices", "adaptive_max_indices", "one_hot",
    }  # fmt: skip
    assert op.differentiable == (op.name not in without)


@pytest.mark.parametrize("op", rows(), ids=lambda op: op.name)
def test_samples_cover_the_shape_classes(op: Row) -> None:
    shapes = [given.shape for sample in op.samples for given in sample.inputs]
    if op.max_inputs == 0:
        shapes = [sample.attrs[0] for sample in op.samples if isinstance(sample.attrs[0], tuple)]
    if op.in_place or not shapes:
        return
    assert any(0 in shape for shape in shapes), "no sample is empty"
    flat = op.max_inputs == 0 or op.name == "nll_loss_grad"  # a loss and classes have one axis
    assert any(len(shape) >= 2 and 0 not in shape for shape in shapes) or flat, "no sample has axes"
    if op.pointwise:
        assert () in shapes, "no sample is 0-d"
    if op.pointwise and op.min_inputs > 1:
        assert any(len({given.shape for given in sample.inputs}) > 1 for sample in op.samples), "no sample broadcasts"


def test_public_ops_are_functions_of_flambeau() -> None:
    missing = [op.name for op in rows() if op.public and not callable(getattr(fl, op.name, None))]
    assert missing == []


def test_what_the_standard_lacks_is_not_in_the_top_level() -> None:
    assert [name for name in ("relu", "gelu", "softmax", "linear", "cross_entropy") if hasattr(fl, name)] == []


def test_docs_ops_is_what_the_table_says() -> None:
    page = (ROOT / "docs" / "ops.md").read_text()
    assert page == markdown(), "docs/ops.md is old: python -m flambeau.optable --markdown > docs/ops.md"


def test_every_line_of_the_page_has_seven_cells() -> None:
    lines = [line for line in markdown().splitlines() if line.startswith("| `")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {8}


def test_the_table_prints_signatures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "sum(x; axes=None, keepdims=False, dtype=None)" in capsys.readouterr().out.splitlines()


def test_an_unknown_op_says_where_to_look() -> None:
    with pytest.raises(NotImplementedError, match=r"python -m flambeau.optable lists them"):
        row("frobnicate")
