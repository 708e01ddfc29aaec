"""Every function of the standard beside array-api-strict, its reference in NumPy, on what Hypothesis draws."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau.optable import COMPLEX
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.framework.standard_cases import ALONG, ONE, PLACES, SHAPES, TWO, Array, Run, drawn
from tests.framework.standard_linalg import FOURIER, LINEAR
from tests.framework.standard_shapes import CREATION, DTYPES, SHAPED

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    strict = pytest.importorskip("array_api_strict")

CASES = {**ONE, **TWO, **ALONG, **PLACES, **CREATION, **DTYPES, **SHAPED, **LINEAR, **FOURIER}


def same(ours: Any, theirs: Any) -> None:
    """Equal dtypes, shapes and values; of several the same for each."""
    if isinstance(theirs, tuple | list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    elif hasattr(theirs, "dtype"):
        wanted = np.asarray(theirs)
        assert str(ours.dtype) == str(wanted.dtype)
        assert ours.shape == wanted.shape
        near = 1e-9 if wanted.dtype in ("float64", "complex128") else 1e-4
        np.testing.assert_allclose(np.asarray(ours), wanted, rtol=near, atol=near)
    else:
        assert ours == theirs


@pytest.mark.slow  # half a minute in all
@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_it_gives_what_the_reference_gives(name: str, data: st.DataObject) -> None:
    run: Run = CASES[name](data.draw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = run(strict, strict.asarray)
    same(run(fl, fl.asarray), expected)


def test_no_function_of_the_standard_is_left_out() -> None:
    def functions(space: Any, names: Any) -> set[str]:
        return {name for name in names if callable(getattr(space, name)) and not isinstance(getattr(space, name), type)}

    ours_alone = {"get_array_api_strict_flags", "set_array_api_strict_flags", "reset_array_api_strict_flags"}
    top = functions(strict, [name for name in dir(strict) if not name.startswith("_")]) - ours_alone
    parts = {f"{part}.{name}" for part in ("linalg", "fft") for name in getattr(strict, part).__all__}
    parts |= {"linalg.eig", "linalg.eigvals"}  # which array-api-strict 2.6 has and does not list
    assert {name for name in CASES if not name.startswith("operator.")} == top | parts


def test_no_operator_of_the_standard_is_left_out() -> None:
    there = {name.strip("_") for name in dir(type(strict.asarray(1))) if name.startswith("__")}
    operators = {name for name in there if f"__{name}__" in dir(operator)}
    operators -= {"index", "getitem", "setitem", "doc", "name"}
    assert {name.removeprefix("operator.").strip("_") for name in CASES if name.startswith("operator.")} == operators


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_a_number_on_the_left_counts_as_the_reference_counts_it(data: st.DataObject) -> None:
    x = drawn(data.draw, ("int16", "uint8", "int64", "float32"), low=1)
    for run in (lambda x: 2 + x, lambda x: 2 - x, lambda x: 2 * x, lambda x: 2 // x, lambda x: 7 % x, lambda x: 2**x):
        same(run(fl.asarray(x)), run(strict.asarray(x)))


def test_constants_are_the_standards() -> None:
    for name in ("e", "inf", "pi"):
        assert getattr(fl, name) == getattr(strict, name)
    assert np.isnan(fl.nan)
    assert fl.newaxis is None


def arrays(dtypes: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return st.composite(lambda draw: drawn(draw, dtypes, SHAPES))()


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


# Decision 0307: what stands at the top level beside the standard.
BESIDE = {"argwhere", "einsum", "index_put", "kron", "logsumexp", "scatter", "topk"}
STATE = {
    *("DTypeError", "DeviceError", "Generator", "Graph", "ShapeError", "Tensor", "detect_anomaly", "devices"),
    *("enable_grad", "get_num_threads", "get_rng_state", "grad", "inference", "initial_seed", "manual_seed", "no_grad"),
    *("record", "recording", "set_num_threads", "set_printoptions", "set_rng_state", "tensor", "value_and_grad"),
    "table_functions",
}


def test_what_the_standard_lacks_is_in_one_place() -> None:
    top = {name for name in dir(fl) if not name.startswith("_") and callable(getattr(fl, name))}
    assert top - set(dir(strict)) - STATE == BESIDE
    functional = set(fl.nn.functional.__all__)
    assert top & functional == {"tanh"}  # PyTorch has both, and models write F.tanh


@pytest.mark.torch
def test_what_stands_beside_the_standard_is_no_function_of_networks_in_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    assert not [name for name in BESIDE if hasattr(torch.nn.functional, name)]
    assert [name for name in BESIDE if not hasattr(torch, name)] == []
