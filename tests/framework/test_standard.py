"""The standard's functions beside array-api-strict, its reference in NumPy, on arrays that Hypothesis draws."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau.optable import COMPLEX, INTEGERS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    strict = pytest.importorskip("array_api_strict")

Array = Any
REAL = ("float32", "float64")
NUMERIC = (*INTEGERS, *REAL, *COMPLEX)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def arrays(dtypes: tuple[str, ...], shape: Any = SHAPES) -> st.SearchStrategy[np.ndarray[Any, Any]]:
    """Arrays of numbers that are small enough for every sum and product of a few to be exact or nearly so."""

    def of(dtype: str) -> st.SearchStrategy[np.ndarray[Any, Any]]:
        if dtype == "bool":
            elements: Any = st.booleans()
        elif dtype in INTEGERS:
            elements = st.integers(0 if dtype.startswith("u") else -5, 5)
        elif dtype in COMPLEX:
            elements = st.builds(complex, st.integers(-4, 4), st.integers(-4, 4))
        else:
            elements = st.integers(-16, 16).map(lambda n: n / 4)
        return hnp.arrays(dtype, shape, elements=elements)

    return st.sampled_from(dtypes).flatmap(of)


def agree(function: Callable[[Any, Callable[[Any], Any]], Any], *, rtol: float = 1e-6) -> None:
    """`function(namespace, make)` gives the same of both: dtype, shape and values, or an error of both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = function(strict, strict.asarray)
    actual = function(fl, fl.asarray)
    many = isinstance(expected, tuple | list)
    for ours, theirs in zip(actual, expected, strict=True) if many else [(actual, expected)]:
        wanted = np.asarray(theirs)
        assert str(ours.dtype) == str(wanted.dtype) or (wanted.dtype.kind in "f" and ours.dtype.is_float)
        np.testing.assert_allclose(np.asarray(ours), wanted, rtol=rtol, atol=1e-6)


ONE = [
    (NUMERIC, ("abs", "negative", "positive", "square", "sign")),
    ((*INTEGERS, *REAL), ("ceil", "floor", "trunc", "round")),
    (("bool", *INTEGERS), ("bitwise_invert",)),
    (("bool",), ("logical_not",)),
    ((*REAL, *COMPLEX), ("exp", "sin", "cos", "sinh", "cosh", "tanh", "atan", "asinh", "isnan", "isinf", "isfinite")),
    (COMPLEX, ("conj", "real", "imag")),
    (REAL, ("signbit",)),
]


@pytest.mark.parametrize(("dtypes", "name"), [(dtypes, name) for dtypes, names in ONE for name in names])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_functions_of_one_array(dtypes: tuple[str, ...], name: str, data: st.DataObject) -> None:
    x = data.draw(arrays(dtypes))
    agree(lambda xp, make: getattr(xp, name)(make(x)), rtol=2e-5)


TWO = [
    (NUMERIC, ("add", "subtract", "multiply", "equal", "not_equal")),
    ((*INTEGERS, *REAL), ("maximum", "minimum", "less", "less_equal", "greater", "greater_equal")),
    (("bool", *INTEGERS), ("bitwise_and", "bitwise_or", "bitwise_xor")),
    (("bool",), ("logical_and", "logical_or", "logical_xor")),
    (REAL, ("atan2", "copysign", "hypot", "logaddexp", "nextafter")),
]


@pytest.mark.parametrize(("dtypes", "name"), [(dtypes, name) for dtypes, names in TWO for name in names])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_functions_of_two_arrays(dtypes: tuple[str, ...], name: str, data: st.DataObject) -> None:
    first, second = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4)).input_shapes
    x = data.draw(arrays(dtypes, first))
    y = data.draw(arrays((str(x.dtype),), second))
    agree(lambda xp, make: getattr(xp, name)(make(x), make(y)), rtol=2e-5)


@given(arrays(NUMERIC), st.booleans(), st.data())
@settings(max_examples=40, deadline=None)
def test_products_over_axes(x: Array, keepdims: bool, data: st.DataObject) -> None:
    axes = data.draw(st.none() | st.lists(st.integers(0, x.ndim - 1), unique=True).map(tuple)) if x.ndim else None
    agree(lambda xp, make: xp.prod(make(x), axis=axes, keepdims=keepdims), rtol=1e-4)
    agree(lambda xp, make: xp.sum(make(x), axis=axes, keepdims=keepdims), rtol=1e-4)
    agree(lambda xp, make: xp.count_nonzero(make(x), axis=axes, keepdims=keepdims))


@given(arrays(NUMERIC, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)), st.data())
@settings(max_examples=60, deadline=None)
def test_shapes_are_changed_alike(x: Array, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    times = data.draw(st.lists(st.integers(0, 3), max_size=4).map(tuple))
    each = data.draw(st.lists(st.integers(0, 3), min_size=x.shape[axis], max_size=x.shape[axis]))
    agree(lambda xp, make: xp.tile(make(x), times))
    agree(lambda xp, make: xp.repeat(make(x), 2, axis=axis))
    agree(lambda xp, make: xp.repeat(make(x), make(np.array(each, "int64")), axis=axis))
    agree(lambda xp, make: xp.flip(make(x), axis=axis))
    agree(lambda xp, make: xp.roll(make(x), 3, axis=axis))
    agree(lambda xp, make: xp.moveaxis(make(x), axis, 0))
    agree(lambda xp, make: xp.unstack(make(x), axis=axis))
    agree(lambda xp, make: xp.diff(make(x), axis=axis, n=2, prepend=make(x), append=make(x)))


@given(arrays(("int32",)), arrays(("int32",)), st.booleans())
@settings(max_examples=40, deadline=None)
def test_isin_answers_for_every_element(x: Array, among: Array, invert: bool) -> None:
    # array-api-strict 2.6 leaves `invert` out of account.
    found = fl.isin(fl.asarray(x), fl.asarray(among), invert=invert)
    assert np.array_equal(np.asarray(found), np.isin(x, among, invert=invert))


def test_isin_sorts_where_there_is_much_to_compare() -> None:
    x, among = np.arange(3000), np.arange(0, 9000, 7)
    assert np.array_equal(np.asarray(fl.isin(fl.asarray(x), fl.asarray(among))), np.isin(x, among))
    assert not fl.isin(fl.arange(300), fl.arange(300, 600)).any().item()


@pytest.mark.parametrize("dtype", ["int32", "float64", "complex128"])
@pytest.mark.parametrize("axes", [0, 1, 2, ((0, 2), (1, 0))])
def test_tensordot_sums_over_pairs_of_axes(axes: Any, dtype: str) -> None:
    shapes = {0: ((2,), (3,)), 1: ((2, 3), (3, 4)), 2: ((2, 3, 4), (3, 4, 5))}
    first, second = shapes[axes] if isinstance(axes, int) else ((2, 3, 4), (4, 2, 5))
    x, y = (np.arange(np.prod(shape)).reshape(shape).astype(dtype) for shape in (first, second))
    if dtype == "complex128":
        x = x * (1 + 2j)
    agree(lambda xp, make: xp.tensordot(make(x), make(y), axes=axes))


@given(arrays(COMPLEX))
@settings(max_examples=30, deadline=None)
def test_distinct_complex_numbers_are_found(x: Array) -> None:
    found = fl.unique_all(fl.asarray(x))
    values, indices, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    for ours, theirs in zip(found, (values, indices, inverse, counts), strict=True):
        np.testing.assert_array_equal(np.asarray(ours).reshape(-1), theirs.reshape(-1))
    np.testing.assert_array_equal(np.asarray(fl.unique_values(fl.asarray(x))), values)


def test_a_number_takes_the_dtype_of_the_tensor_after_it() -> None:
    condition = fl.tensor([True, False])
    assert fl.where(condition, 0, fl.tensor([1, 2], dtype=fl.int8)).dtype == fl.int8
    assert fl.where(condition, 16777217.0, fl.zeros(2, dtype=fl.float64)).tolist() == [16777217.0, 0.0]
    assert fl.where(condition, fl.tensor([True, True]), False).dtype == fl.bool
    assert fl.where(condition, 1, 0).dtype == fl.int64
    assert fl.linspace(0.0, 16777217.0, 2, dtype=fl.float64)[1].item() == 16777217.0
    assert fl.zeros(3)[fl.tensor([], dtype=fl.bool)].shape == (0,)


def test_what_makes_no_sense_is_said() -> None:
    with pytest.raises(fl.ShapeError, match="pairwise equally long"):
        fl.tensordot(fl.ones((2, 3)), fl.ones((2, 3)), axes=1)
    with pytest.raises(ValueError, match="at least 0"):
        fl.repeat(fl.ones(2), -1)
    with pytest.raises(ValueError, match="at least 0"):
        fl.tile(fl.ones(2), (-1,))
    with pytest.raises(fl.ShapeError, match="give one for each"):
        fl.repeat(fl.ones(3), fl.tensor([1, 2]))
    with pytest.raises(IndexError, match="count from the end"):
        fl.vecdot(fl.ones(3), fl.ones(3), axis=0)
    with pytest.raises(ValueError, match="one element"):
        complex(fl.ones(2))


INFINITE = float("inf")


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_division_by_and_of_infinity_is_what_the_standard_prefers(dtype: str, device: str) -> None:
    """The quotient, with the sign of its zero; NumPy and PyTorch give NaN and -1, which the standard lets pass."""
    a = fl.tensor([INFINITE, INFINITE, -INFINITE, 1.0, -1.0, 1.0, INFINITE, 0.0], dtype=dtype, device=device)
    b = fl.tensor([2.0, -2.0, 2.0, INFINITE, INFINITE, -INFINITE, INFINITE, -INFINITE], dtype=dtype, device=device)
    found = np.asarray((a // b).to("cpu").astype(fl.float64))
    np.testing.assert_array_equal(found, [INFINITE, -INFINITE, -INFINITE, 0.0, -0.0, -0.0, np.nan, -0.0])
    np.testing.assert_array_equal(np.signbit(found)[3:6], [False, True, True])


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_signs_of_complex_zeros_are_the_standards(device: str) -> None:
    zero = fl.tensor([complex(0.0, 0.0), complex(-0.0, 0.0)], dtype=fl.complex128, device=device)
    assert not np.signbit(np.asarray(fl.real(fl.expm1(zero)).to("cpu"))).any()
    far = fl.tensor([complex(INFINITE, 2.0), complex(INFINITE, -2.0)], dtype=fl.complex128, device=device)
    assert np.signbit(np.asarray(fl.imag(fl.tanh(far)).to("cpu"))).tolist() == [False, True]


def test_diagonals_far_beside_a_matrix_are_empty() -> None:
    x = fl.ones((2, 3))
    for far in (2**32, 2**64):
        assert fl.eye(2, 3, k=far).tolist() == fl.eye(2, 3, k=-far).tolist() == [[0.0] * 3] * 2
        assert fl.tril(x, k=far).tolist() == fl.triu(x, k=-far).tolist() == x.tolist()
        assert fl.tril(x, k=-far).tolist() == fl.triu(x, k=far).tolist() == [[0.0] * 3] * 2
