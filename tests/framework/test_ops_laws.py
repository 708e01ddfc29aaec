"""Laws that hold for all shapes and values (Hypothesis)."""

from __future__ import annotations

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core
from flambeau.opcases import values
from flambeau.optable import DTYPES
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
settings.register_profile("ops", max_examples=60, deadline=None)
settings.load_profile("ops")

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
INTEGERS = hnp.arrays(np.int64, SHAPES, elements=st.integers(-99, 99))


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4))
def test_two_shapes_broadcast_as_in_numpy(shapes: hnp.BroadcastableShapes) -> None:
    a, b = (np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape) for shape in shapes.input_shapes)
    result = fl.tensor(a) + fl.tensor(b)
    assert result.shape == shapes.result_shape
    np.testing.assert_array_equal(values(result), a + b)


@given(SHAPES, SHAPES)
def test_shapes_that_numpy_refuses_are_refused(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(fl.ShapeError, match=r"^add: "):
            fl.zeros(a) + fl.zeros(b)
    else:
        assert (fl.zeros(a) + fl.zeros(b)).shape == expected


SIGNED = ("int8", "int16", "int32", "int64")


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
def test_promotion_is_symmetric_and_holds_both(a: str, b: str) -> None:
    both = str(_core.promote(a, b))
    assert both == str(_core.promote(b, a))
    assert str(_core.promote(both, a)) == both
    assert str(_core.promote(both, b)) == both
    if a == b:
        assert both == a


@pytest.mark.parametrize("c", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
def test_promotion_does_not_depend_on_the_order(b: str, c: str) -> None:
    for a in DTYPES:
        if "uint64" in (a, b, c) and any(dtype in SIGNED for dtype in (a, b, c)):
            continue  # no integer holds both; they give float64 as in NumPy, whose table depends on the order there
        assert str(_core.promote(_core.promote(a, b), c)) == str(_core.promote(a, _core.promote(b, c)))


@pytest.mark.torch
@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
def test_promotion_is_that_of_pytorch(a: str, b: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    if a != b and {a, b} & {"uint16", "uint32", "uint64"}:
        return  # PyTorch refuses most of these
    expected = torch.promote_types(getattr(torch, a), getattr(torch, b))
    assert str(_core.promote(a, b)) == str(expected).removeprefix("torch.")


@given(INTEGERS, st.data())
def test_sums_over_axes_can_be_taken_one_by_one(x: np.ndarray, data: st.DataObject) -> None:
    axes = data.draw(st.lists(st.integers(0, x.ndim - 1), unique=True)) if x.ndim else []
    at_once = fl.sum(fl.tensor(x), axis=tuple(axes), keepdims=True)
    step_by_step = fl.tensor(x)
    for axis in axes:
        step_by_step = fl.sum(step_by_step, axis=axis, keepdims=True)
    np.testing.assert_array_equal(values(at_once), values(step_by_step))
    np.testing.assert_array_equal(values(at_once), x.sum(axis=tuple(axes), keepdims=True))


@given(INTEGERS, st.data())
def test_permuting_there_and_back_is_nothing(x: np.ndarray, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(x.ndim)))
    there = fl.permute_dims(fl.tensor(x), tuple(order))
    np.testing.assert_array_equal(values(there), x.transpose(order))
    np.testing.assert_array_equal(values(fl.permute_dims(there, tuple(np.argsort(order).tolist()))), x)


@given(INTEGERS, st.data())
def test_reshaping_a_turned_tensor_reads_it_row_by_row(x: np.ndarray, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(x.ndim)))
    turned, expected = fl.permute_dims(fl.tensor(x), tuple(order)), x.transpose(order)
    shape = data.draw(st.permutations([*expected.shape[:1], int(np.prod(expected.shape[1:])), 1]))
    reshaped = fl.reshape(turned, tuple(shape))
    np.testing.assert_array_equal(values(reshaped), expected.reshape(shape))
    np.testing.assert_array_equal(values(fl.reshape(reshaped, expected.shape)), expected)


@given(INTEGERS.filter(lambda x: x.ndim > 0), st.data())
def test_slices_are_those_of_numpy(x: np.ndarray, data: st.DataObject) -> None:
    key = data.draw(hnp.basic_indices(x.shape, allow_ellipsis=True, allow_newaxis=True))
    np.testing.assert_array_equal(values(fl.tensor(x)[key]), x[key])


@given(INTEGERS.filter(lambda x: x.ndim > 0), st.data())
def test_concat_puts_together_what_was_cut(x: np.ndarray, data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, x.ndim - 1))
    cut = data.draw(st.integers(0, x.shape[axis]))
    parts = np.split(x, [cut], axis=axis)
    np.testing.assert_array_equal(values(fl.concat([fl.tensor(part) for part in parts], axis=axis)), x)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**40), st.integers(1, 40), st.integers(0, 9))
def test_random_numbers_do_not_depend_on_where_one_starts(seed: int, offset: int, count: int, skipped: int) -> None:
    """Element i of a draw that starts `skipped` blocks later is element i + 4 skipped of the longer draw."""
    for name, per_block, dtype in (("uniform", 4, "float32"), ("uniform", 2, "float64"), ("normal", 4, "float32")):
        longer = values(_core.apply(name, [], [(count + per_block * skipped,), seed, offset, dtype]))
        later = values(_core.apply(name, [], [(count,), seed, offset + skipped, dtype]))
        np.testing.assert_array_equal(longer[per_block * skipped :], later)


@given(st.integers(-(2**62), 2**62 - 1), st.integers(1, 2**62), st.integers(0, 2**63 - 1))
def test_random_integers_stay_in_their_range(low: int, width: int, seed: int) -> None:
    drawn = values(_core.apply("randint", [], [(64,), low, low + width, seed, 0, "int64"]))
    assert low <= drawn.min()
    assert drawn.max() < low + width


@given(hnp.arrays(np.float64, (3, 5), elements=st.floats(-700, 700)))
def test_softmax_sums_to_one_and_ignores_a_shift(x: np.ndarray) -> None:
    probabilities = values(_core.apply("softmax", [fl.tensor(x)], [1]))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)
    shifted = values(_core.apply("softmax", [fl.tensor(x + 64.0)], [1]))
    np.testing.assert_allclose(probabilities, shifted, rtol=1e-9, atol=1e-300)


@given(st.integers(-99, 99), st.integers(-9, 9).filter(bool))
def test_division_and_remainder_are_those_of_python(a: int, b: int) -> None:
    for dtype in ("int32", "int64", "float32", "float64"):
        x, y = fl.tensor(a, dtype=dtype), fl.tensor(b, dtype=dtype)
        assert fl.floor_divide(x, y).item() == a // b
        assert fl.remainder(x, y).item() == a % b
