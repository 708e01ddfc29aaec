"""Kernels of one element at a time, at every level of the CPU backend, against the reference loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.csrc.agreement import ALL, FLOATS, assert_within, compare, random_array
from tests.csrc.kernels import Array, Device

pytestmark = pytest.mark.slow


def values_of_all_sizes(dtype: Any) -> Array:
    special = [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 0.5, 2, 3, -3, 88.8, -88, -103.5, 0.625, 1e30]
    rng = np.random.default_rng(1)
    drawn = [rng.normal(size=2000), rng.normal(size=2000) * 20, np.exp(rng.normal(size=2000) * 20)]
    with np.errstate(over="ignore"):
        return np.concatenate([special, *drawn, rng.uniform(-1, 1, 1003)]).astype(dtype)


# float32, float64. Where the result may cancel, units are counted at 1.
UNARY_ULP = {
    "exp": (1, 1),
    "log": (1, 1),
    "tanh": (2, 2),
    "sigmoid": (2, 2),
    "expm1": (1, 2),
    "log1p": (2, 2),
    "log2": (1, 1),
    "log10": (1, 2),
    "sin": (1, 1),
    "cos": (1, 1),
    "tan": (1, 2),
    "asin": (1, 3),
    "acos": (1, 2),
    "atan": (3, 2),
    "sinh": (1, 3),
    "cosh": (1, 2),
    "asinh": (1, 3),
    "acosh": (1, 3),
    "atanh": (2, 3),
    "erf": (2, 2),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_functions_of_one_value_stay_within_their_bounds(cpu, reference, dtype):
    x = values_of_all_sizes(dtype)
    with np.errstate(over="ignore"):
        turns = np.concatenate([np.arange(1, 200) * np.pi / 2, [1e5, 999999.9, 1e6 + 1, 1e22, 3e38, 1e300, 1.7e308]])
        x = np.concatenate([x, turns.astype(dtype), (1 + np.arange(-99, 99) * 1e-3).astype(dtype)])
    for op in ("negative", "abs", "sign", "square", "sqrt", "relu", "floor", *UNARY_ULP):
        bound = UNARY_ULP.get(op, (0, 0))[dtype is np.float64]
        compare(cpu, reference, op, [x], [np.empty_like(x)], ulp=min(bound, 1) if x.itemsize == 2 else bound)
    for op in ("isnan", "isfinite"):
        compare(cpu, reference, op, [x], [np.empty(x.shape, bool)])


@pytest.mark.parametrize("approximate", [False, True], ids=["erf", "tanh"])
def test_gelu_keeps_its_digits_in_the_tail(cpu, approximate):
    x = np.concatenate([np.linspace(-13, 8, 4001), [-np.inf, np.inf, np.nan, 0.0, -200.0, 1e30]]).astype(np.float32)
    # The reference in double at float32's inputs is the exact value here.
    exact = Device("reference").run("gelu", [x.astype(np.float64)], [np.empty(x.shape)], approximate)[0]
    actual = cpu.run("gelu", [x], [np.empty_like(x)], approximate)[0]
    assert_within(actual, exact.astype(np.float32), ulp=3)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_functions_of_two_floats_agree_with_the_reference(cpu, reference, dtype):
    x = values_of_all_sizes(dtype)
    y = x[np.random.default_rng(2).permutation(x.size)]
    for op in (
        "add",
        "subtract",
        "multiply",
        "divide",
        "maximum",
        "minimum",
        "remainder",
        "floor_divide",
        "pow",
        "atan2",
        "hypot",
    ):
        bound = {"remainder": 1, "floor_divide": 1, "pow": 1, "atan2": 3, "hypot": 1}.get(op, 0)
        compare(cpu, reference, op, [x, y], [np.empty_like(x)], ulp=bound)
    compare(cpu, reference, "logaddexp", [x, y], [np.empty_like(x)], ulp=4, at=1)
    for op in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        compare(cpu, reference, op, [x, y], [np.empty(x.shape, bool)])
    one = np.ones_like(x)
    with np.errstate(invalid="ignore"):
        inside = y[np.abs(y) <= 1].repeat(x.size)[: x.size]
    compare(cpu, reference, "relu_grad", [x, y], [np.empty_like(x)])
    for op in ("tanh_grad", "sigmoid_grad"):
        compare(cpu, reference, op, [one, inside], [np.empty_like(x)], ulp=4, at=1)
    for approximate in (False, True):
        compare(cpu, reference, "gelu_grad", [one, y], [np.empty_like(x)], approximate, ulp=8, at=1)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_prelu_and_its_gradients_are_the_references(cpu, reference, dtype):
    x, y, g = (random_array(seed, (3, 7, 40), dtype) for seed in (11, 12, 13))
    x[0, 0, :3] = 0, -0.0, np.nan
    for slope in (y, np.broadcast_to(y[:1, :, :1], y.shape), np.broadcast_to(y[:1, :1, :1], y.shape)):
        compare(cpu, reference, "prelu", [x, slope], [np.empty_like(x)])
        compare(cpu, reference, "prelu_grad", [g, x, slope], [np.empty_like(x)])
    compare(cpu, reference, "prelu_slope_grad", [g, x], [np.empty_like(x)])


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128], ids=lambda d: np.dtype(d).name)
def test_magnitudes_and_directions_of_complex_numbers_agree_with_the_reference(cpu, reference, dtype):
    part = np.empty(0, dtype).real.dtype
    edges = np.array([0, -0.0, 1, -3, np.inf, -np.inf, np.nan, 1e-40, 1e30, np.finfo(part).max], part)
    real, imaginary = (axis.ravel() for axis in np.meshgrid(edges, edges))
    drawn = np.random.default_rng(3).normal(size=(2, 1003)).astype(part)
    z = np.empty(real.size + 1003, dtype)
    z.real, z.imag = np.concatenate([real, drawn[0]]), np.concatenate([imaginary, drawn[1]])
    for n in (1, 3, z.size):
        compare(cpu, reference, "abs", [z[-n:]], [np.empty(n, part)], ulp=2)
        both = [device.run("sign", [z[-n:]], [np.empty(n, dtype)])[0].view(part) for device in (cpu, reference)]
        assert_within(*both, ulp=2)


@pytest.mark.parametrize("dtype", [bool, np.int32, np.int64], ids=lambda d: np.dtype(d).name)
def test_whole_numbers_and_truth_agree_with_the_reference(cpu, reference, dtype):
    edges = np.array([0, 1, -1, 2, 3, -3, 7, 2**31 - 1, -(2**31)], np.int64).astype(dtype)
    x, y = (np.ascontiguousarray(part.ravel()) for part in np.meshgrid(edges, edges))
    ops = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
    if dtype is bool:
        for op in (*ops, "logical_and", "logical_or", "logical_xor"):
            compare(cpu, reference, op, [x, y], [np.empty(x.shape, bool)])
        compare(cpu, reference, "logical_not", [x], [np.empty(x.shape, bool)])
        return
    for op in ops:
        compare(cpu, reference, op, [x, y], [np.empty(x.shape, bool)])
    for op in ("add", "subtract", "multiply", "floor_divide", "remainder", "pow", "maximum", "minimum"):
        compare(cpu, reference, op, [x, y], [np.empty_like(x)])
    for op in ("negative", "abs", "sign", "square", "relu", "floor"):
        compare(cpu, reference, op, [x], [np.empty_like(x)])


def test_casts_round_once_and_saturate(cpu, reference):
    floats = np.array(
        [0, -0.0, 1.5, -1.5, np.nan, np.inf, -np.inf, 1e10, -1e10, 3e38, 1e300, 65504, 65519, 65520, 2**31, 2**63,
         -(2**63), 1e-45, 6e-8, 3e-8, 2.9e-8, 1 + 2**-11, 1 + 2**-8, 1 + 2**-11 + 2**-40, 2**53 + 2.0]
    )  # fmt: skip
    whole = np.array([2**62 + 1, 2**53 + 1, -(2**53) - 1, 2**24 + 1, 257 * 2**40 + 1, -(2**62) - 3, 65535], np.int64)
    with np.errstate(over="ignore"):
        given = [floats.astype(d) for d in FLOATS]
    for x in (*given, whole, whole.astype(np.int32), whole > 0):
        for to in ALL:
            compare(cpu, reference, "cast", [x], [np.empty(x.shape, to)], to)
