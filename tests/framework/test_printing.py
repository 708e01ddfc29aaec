"""Tensors as text: columns, lines, edges, and the options that change them."""

from __future__ import annotations

import flambeau as fl
import pytest
from flambeau import printing


@pytest.fixture(autouse=True)
def _default_options():
    yield
    fl.set_printoptions(profile="default")


def test_rows_stand_in_columns():
    x = fl.tensor([[1.0, -20.5], [300.25, 4.0]])
    assert repr(x) == "tensor([[   1.0,  -20.5],\n        [300.25,    4.0]])"
    assert repr(fl.tensor([[True, False]])) == "tensor([[ True, False]])"


def test_more_axes_are_set_apart_by_empty_lines():
    assert repr(fl.reshape(fl.arange(8), (2, 2, 2))) == (
        "tensor([[[0, 1],\n         [2, 3]],\n\n        [[4, 5],\n         [6, 7]]])"
    )


def test_long_rows_are_folded_under_their_first_element():
    lines = repr(fl.arange(100)).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 120 for line in lines)
    assert all(line.startswith("        ") for line in lines[1:])
    assert [int(part) for part in repr(fl.arange(100))[8:-2].replace("\n", " ").split(",")] == list(range(100))


def test_large_tensors_show_their_edges():
    assert repr(fl.arange(2000)) == "tensor([0, 1, 2, ..., 1997, 1998, 1999])"
    lines = repr(fl.zeros((500, 500))).splitlines()
    assert len(lines) == 7
    assert lines[3].strip() == "...,"
    assert lines[0] == "tensor([[0.0, 0.0, 0.0, ..., 0.0, 0.0, 0.0],"


def test_complex_numbers_and_nan_keep_both_parts():
    x = fl.tensor([complex(1, 2), complex(0.5, -1e-9), complex(float("nan"), float("inf"))])
    assert repr(x) == "tensor([1+2j, 0.5-1e-09j, nan+infj])"
    assert repr(fl.tensor([[0.0, float("nan")], [-float("inf"), 1e10]])) == (
        "tensor([[  0.0,   nan],\n        [ -inf, 1e+10]])"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"precision": 2}, "tensor([0.12, 1e+02, 0.0012])"),
        ({"sci_mode": True}, "tensor([1.23457e-01, 1.00000e+02, 1.23400e-03])"),
        ({"sci_mode": False, "precision": 3}, "tensor([0.123, 100.000, 0.001])"),
        ({"threshold": 2, "edgeitems": 1}, "tensor([0.123457, ..., 0.001234])"),
        ({"linewidth": 20}, "tensor([0.123457,\n        100.0,\n        0.001234])"),
        ({"profile": "short"}, "tensor([0.123, 100.0, 0.00123])"),
    ],
)
def test_options_change_what_is_printed(options, text):
    fl.set_printoptions(**options)
    assert repr(fl.tensor([0.1234567, 100.0, 0.001234])) == text


def test_the_full_profile_leaves_nothing_out_and_the_default_comes_back():
    fl.set_printoptions(profile="full")
    assert "..." not in repr(fl.zeros(3000))
    fl.set_printoptions(profile="default")
    assert printing.get_printoptions() == printing.PrintOptions()
    assert "..." in repr(fl.zeros(3000))


@pytest.mark.parametrize(
    "options", [{"precision": 0}, {"precision": 2.5}, {"edgeitems": 0}, {"linewidth": 3}, {"profile": "huge"}]
)
def test_options_that_make_no_sense_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"set_printoptions: {name} is"):
        fl.set_printoptions(**options)
    assert printing.get_printoptions() == printing.PrintOptions()
