"""Operands that repeat along rows, columns and planes give what NumPy gives, whatever loop their shape takes."""

from __future__ import annotations

import flambeau as fl
import numpy as np
import pytest

# A few elements, rows shorter and longer than a block, several pieces of work.
PAIRS = [
    ((5, 3), (5, 1)),
    ((7, 9), (7, 1)),
    ((40, 64), (40, 1)),
    ((3, 2500), (3, 1)),
    ((1, 300), (200, 1)),
    ((200, 1), (200, 300)),
    ((4, 8, 70, 30), (1, 8, 1, 1)),
    ((6, 1, 90), (6, 50, 1)),
    ((2, 3, 1, 130), (2, 1, 40, 130)),
]
Shape = tuple[int, ...]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "complex64"])
@pytest.mark.parametrize(("first", "second"), PAIRS, ids=str)
def test_operands_that_repeat_are_combined_as_numpy_does(dtype: str, first: Shape, second: Shape) -> None:
    draw = np.random.default_rng(3)
    a, b = (draw.integers(-40, 40, shape).astype(dtype) for shape in (first, second))
    x, y = fl.asarray(a), fl.asarray(b)
    for ours, theirs in ((x + y, a + b), (y - x, b - a), (x * y, a * b), (x == y, a == b)):
        np.testing.assert_array_equal(ours.numpy(), theirs)


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=str)
def test_quotients_of_operands_that_repeat_are_rounded_as_numpy_rounds(first: Shape, second: Shape) -> None:
    draw = np.random.default_rng(4)
    a, b = (draw.standard_normal(shape).astype(np.float32) for shape in (first, second))
    b.flat[0] = 0
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal((fl.asarray(a) / fl.asarray(b)).numpy(), a / b)
        np.testing.assert_array_equal((fl.asarray(b) / fl.asarray(a)).numpy(), b / a)


def test_results_too_large_for_the_caches_are_the_same() -> None:
    wide = np.arange(2_400_000, dtype=np.float32).reshape(2400, 1000)
    column = wide[:, :1]
    np.testing.assert_array_equal((fl.asarray(wide) * fl.asarray(column)).numpy(), wide * column)


def test_a_choice_between_a_tensor_and_a_column_reads_each_operand_by_its_own_steps() -> None:
    draw = np.random.default_rng(5)
    wide, column, mask = draw.standard_normal((50, 1400)), draw.standard_normal((50, 1)), draw.random((50, 1)) < 0.5
    for condition in (mask, wide > 0, wide[:1] > 0):
        chosen = fl.where(fl.asarray(condition), fl.asarray(wide), fl.asarray(column))
        np.testing.assert_array_equal(chosen.numpy(), np.where(condition, wide, column))


def test_every_second_element_of_a_row_meets_a_column() -> None:
    wide = np.arange(60_000.0).reshape(60, 1000)
    column = np.arange(60.0).reshape(60, 1)
    for ours, theirs in ((fl.asarray(wide)[:, ::2], wide[:, ::2]), (fl.asarray(wide)[:, ::-1], wide[:, ::-1])):
        np.testing.assert_array_equal((ours * fl.asarray(column)).numpy(), theirs * column)
        np.testing.assert_array_equal(fl.maximum(ours, fl.asarray(column)).numpy(), np.maximum(theirs, column))
