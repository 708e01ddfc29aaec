"""Checks for tests of ops and models: distances in units in the last place, and gradients by finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau as fl
from flambeau.autograd.checking import gradcheck, gradgradcheck

Array = np.ndarray[Any, np.dtype[Any]]

# Digits after the leading one, and the exponent of the smallest normal number.
_FORMATS = {"float16": (10, -14), "bfloat16": (7, -126), "float32": (23, -126), "float64": (52, -1022)}
_PARTS = {"complex64": "float32", "complex128": "float64"}

__all__ = ["assert_close", "gradcheck", "gradgradcheck", "ulp_distance", "unit_in_last_place"]


def unit_in_last_place(values: Any, dtype: str) -> Array:
    """The gap between neighbouring numbers of `dtype` at these magnitudes (float64; NaN and infinities give 0).

    >>> unit_in_last_place([1.0, 1.5, 4.0], "float32").tolist() == [2**-23, 2**-23, 2**-21]
    True
    """
    digits, smallest = _FORMATS[_PARTS.get(dtype, dtype)]
    given = np.asarray(values)
    magnitudes = np.abs(given.astype(np.complex128 if given.dtype.kind == "c" else np.float64))
    finite = np.where(np.isfinite(magnitudes), magnitudes, 0.0)
    _, exponents = np.frexp(finite)
    exponents = np.where(finite == 0, smallest, np.maximum(exponents - 1, smallest))
    return np.where(np.isfinite(magnitudes), np.ldexp(1.0, exponents - digits), 0.0)


def ulp_distance(actual: Any, expected: Any, dtype: str, *, at: Any = None) -> Array:
    """How far `actual` is from `expected`, in units in the last place of `dtype` at `expected` (or at `at`).

    Equal values, equal infinities and two NaNs are 0 apart; a number and a NaN or infinity are infinitely far apart.
    The sign of zero does not count. Integers and bool are 0 apart or infinitely far. Complex numbers are as far
    apart as in the plane, counted at the magnitude.

    >>> ulp_distance([1.0, 2.0], [1.0 + 2**-22, 2.0], "float32").tolist()
    [2.0, 0.0]
    """
    a, e = np.broadcast_arrays(_numpy(actual), _numpy(expected))
    if dtype in _PARTS:
        return _pair_distance(a.astype(np.complex128), e.astype(np.complex128), dtype, at)
    if dtype not in _FORMATS:
        return np.where(a == e, 0.0, np.inf)
    a, e = a.astype(np.float64), e.astype(np.float64)
    same = (a == e) | (np.isnan(a) & np.isnan(e))
    unit = unit_in_last_place(e if at is None else at, dtype)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        distance = np.abs(a - e) / unit
    return np.where(same, 0.0, np.where(np.isfinite(a) & np.isfinite(e), distance, np.inf))


def _pair_distance(a: Array, e: Array, dtype: str, at: Any) -> Array:
    part = _PARTS[dtype]
    apart = np.maximum(ulp_distance(a.real, e.real, part), ulp_distance(a.imag, e.imag, part))
    unit = unit_in_last_place(e if at is None else at, dtype)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        distance = np.abs(a - e) / unit
    return np.where(apart == 0, 0.0, np.where(np.isfinite(a) & np.isfinite(e), distance, apart))


def assert_close(
    actual: Any,
    expected: Any,
    *,
    ulp: float | None = None,
    at: Any = None,
    dtype: str | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    what: str = "values",
) -> None:
    """Raise AssertionError unless every element is near: within `ulp` (see `ulp_distance`), or atol + rtol |expected|.

    `dtype` is that of `actual` unless given. The error names the worst element with both values and the bound.

    >>> assert_close(fl.tensor([1.0, 2.0]), [1.0, 2.0], ulp=0)
    >>> assert_close(fl.tensor([1.0, 2.5]), [1.0, 2.0], rtol=1e-6)
    Traceback (most recent call last):
    AssertionError: values: 1 of 2 differ; the worst at (1,): 2.5 instead of 2.0, off by 0.5, bound 2e-06
    """
    a, e = _numpy(actual), _numpy(expected)
    if a.shape != e.shape:
        raise AssertionError(f"{what}: shape {a.shape} instead of {e.shape}")
    if a.size == 0:
        return
    if ulp is not None:
        named = dtype or (str(actual.dtype) if isinstance(actual, fl.Tensor) else str(a.dtype))
        distance = ulp_distance(a, e, named, at=at)
        bound = np.full(distance.shape, float(ulp))
        unit = " ulp"
    else:
        with np.errstate(invalid="ignore"):
            kind = np.complex128 if "c" in (a.dtype.kind, e.dtype.kind) else np.float64
            wide, target = a.astype(kind), e.astype(kind)
            distance = np.where((a == e) | ((a != a) & (e != e)), 0.0, np.abs(wide - target))
            bound = atol + rtol * np.where(np.isfinite(target), np.abs(target), 0.0)
        unit = ""
    wrong = ~(distance <= bound)
    if not wrong.any():
        return
    with np.errstate(invalid="ignore"):
        excess = np.where(wrong, np.nan_to_num(distance - bound, nan=np.inf), -1.0)
    worst = np.unravel_index(int(np.argmax(excess)), a.shape)
    raise AssertionError(
        f"{what}: {int(wrong.sum())} of {a.size} differ; the worst at {tuple(int(i) for i in worst)}: "
        f"{a[worst].item()} instead of {e[worst].item()}, off by {distance[worst]:g}{unit}, "
        f"bound {bound[worst]:g}{unit}"
    )


def _numpy(values: Any) -> Array:
    if not isinstance(values, fl.Tensor):
        return np.asarray(values)
    here = values.detach().to("cpu")
    if str(here.dtype) in ("float16", "bfloat16"):
        here = here.to(fl.float32)
    return np.array(here.numpy())
