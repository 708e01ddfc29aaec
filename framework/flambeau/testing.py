"""Checks for tests of ops and models: nearness, distances in units in the last place, gradients by differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import flambeau as fl
from flambeau.autograd.checking import gradcheck, gradgradcheck

Array = np.ndarray[Any, np.dtype[Any]]

# Digits after the leading one, and the exponent of the smallest normal number.
_FORMATS = {"float16": (10, -14), "bfloat16": (7, -126), "float32": (23, -126), "float64": (52, -1022)}
# rtol and atol where none are given: PyTorch's.
_TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip
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
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    msg: str | Callable[[str], str] | None = None,
    ulp: float | None = None,
    at: Any = None,
    dtype: str | None = None,
    what: str = "values",
) -> None:
    """Raise AssertionError unless every element is near: |actual - expected| <= atol + rtol |expected|, as in PyTorch.

    Sequences and mappings of tensors are compared item by item. Two tensors must have one dtype and one device, unless
    check_dtype or check_device say otherwise; what is no tensor is compared by its values alone.

    rtol, atol: if neither is given, those of the dtype (of two, the larger ones): 1e-3 and 1e-5 for float16, 1.6e-2
    and 1e-5 for bfloat16, 1.3e-6 and 1e-5 for float32 and complex64, 1e-7 and 1e-7 for float64 and complex128, 0 and 0
    for others. If one is given, the other is 0.
    ulp: the bound in units in the last place instead (see `ulp_distance`, where two NaNs are equal), counted at `at`
    and in `dtype` if these are given.
    msg: takes the place of the message, or makes another of it.
    The error names the worst element with both values and its bound, and the greatest differences with their places.

    >>> assert_close(fl.tensor([1.0, 2.0]), [1.0, 2.0 + 1e-6])
    >>> assert_close({"a": fl.ones(2)}, {"a": fl.zeros(2)})
    Traceback (most recent call last):
    AssertionError: values['a']: 2 of 2 differ (100.0%); the worst at (0,): 1.0 instead of 0.0, off by 1, bound 1e-05...
    """
    bounds = _Bounds(rtol, atol, ulp, at, dtype, equal_nan, check_device, check_dtype)
    try:
        _compare_any(actual, expected, bounds, what)
    except AssertionError as error:
        if msg is None:
            raise
        raise AssertionError(msg(str(error)) if callable(msg) else msg) from None


@dataclass(frozen=True)
class _Bounds:
    rtol: float | None
    atol: float | None
    ulp: float | None
    at: Any
    dtype: str | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool

    def __post_init__(self) -> None:
        for name in ("rtol", "atol", "ulp"):
            bound = getattr(self, name)
            if bound is not None and not bound >= 0:
                raise ValueError(f"assert_close: {name} is {bound} and cannot be negative")
        if self.ulp is not None and (self.rtol is not None or self.atol is not None):
            raise ValueError("assert_close: ulp is one bound, and rtol and atol are another; give one of them")

    def of(self, *dtypes: str) -> tuple[float, float]:
        """rtol and atol for values of these dtypes."""
        if self.rtol is None and self.atol is None:
            known = [_TOLERANCES.get(name, (0.0, 0.0)) for name in dtypes]
            return max(r for r, _ in known), max(a for _, a in known)
        return self.rtol or 0.0, self.atol or 0.0


def _compare_any(actual: Any, expected: Any, bounds: _Bounds, what: str) -> None:
    if isinstance(actual, Mapping) or isinstance(expected, Mapping):
        if not (isinstance(actual, Mapping) and isinstance(expected, Mapping)):
            raise AssertionError(f"{what}: {type(actual).__name__} instead of {type(expected).__name__}")
        missing, more = [key for key in expected if key not in actual], [key for key in actual if key not in expected]
        if missing or more:
            raise AssertionError(f"{what}: the keys differ: missing {missing}, not expected {more}")
        for key in expected:
            _compare_any(actual[key], expected[key], bounds, f"{what}[{key!r}]")
    elif _is_structure(actual) and _is_structure(expected):
        if len(actual) != len(expected):
            raise AssertionError(f"{what}: {len(actual)} items instead of {len(expected)}")
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            _compare_any(a, e, bounds, f"{what}[{i}]")
    else:
        _compare(actual, expected, bounds, what)


def _is_structure(values: Any) -> bool:
    """Whether this is a sequence of things that are more than numbers."""
    return isinstance(values, list | tuple) and any(
        isinstance(part, fl.Tensor | np.ndarray | Mapping) or _is_structure(part) for part in values)


def _compare(actual: Any, expected: Any, bounds: _Bounds, what: str) -> None:
    if isinstance(actual, fl.Tensor) and isinstance(expected, fl.Tensor):
        if bounds.check_device and actual.device != expected.device:
            raise AssertionError(f"{what}: on {actual.device} instead of {expected.device}; check_device=False lets it "
                                 "be")
        if bounds.check_dtype and actual.dtype != expected.dtype:
            raise AssertionError(f"{what}: {actual.dtype} instead of {expected.dtype}; check_dtype=False lets it be")
    a, e = _numpy(actual), _numpy(expected)
    for values in (a, e):
        if values.dtype.kind not in "biufc":
            raise TypeError(f"assert_close: {what} are {values.dtype} and must be numbers")
    if a.shape != e.shape:
        raise AssertionError(f"{what}: shape {a.shape} instead of {e.shape}")
    if a.size == 0:
        return
    named = [str(x.dtype if isinstance(x, fl.Tensor) else values.dtype) for x, values in ((actual, a), (expected, e))]
    if bounds.ulp is not None:
        distance = ulp_distance(a, e, bounds.dtype or named[0], at=bounds.at)
        _report(what, a, e, distance, np.full(distance.shape, float(bounds.ulp)), " ulp")
        return
    rtol, atol = bounds.of(*named)
    with np.errstate(invalid="ignore", over="ignore"):
        kind = np.complex128 if "c" in (a.dtype.kind, e.dtype.kind) else np.float64
        same = a == e
        if bounds.equal_nan:
            same |= (a != a) & (e != e)
        wide, target = a.astype(kind), e.astype(kind)
        off = np.abs(wide - target)
        if "c" not in (a.dtype.kind, e.dtype.kind) and "f" not in (a.dtype.kind, e.dtype.kind):
            off = np.where((off == 0) & ~same, 1.0, off)  # integers that float64 cannot tell apart
        distance = np.where(same, 0.0, off)
        bound = atol + rtol * np.where(np.isfinite(target), np.abs(target), 0.0)
    _report(what, a, e, distance, bound, "", (rtol, atol))


def _report(
    what: str, a: Array, e: Array, distance: Array, bound: Array, unit: str, allowed: tuple[float, float] | None = None
) -> None:
    """Raise AssertionError if an element is farther off than its bound."""
    wrong = ~(distance <= bound)
    if not wrong.any():
        return
    with np.errstate(invalid="ignore"):
        worst = _place(np.where(wrong, np.nan_to_num(distance - bound, nan=np.inf), -1.0))
    said = (f"{what}: {int(wrong.sum())} of {a.size} differ ({100 * wrong.mean():.1f}%); the worst at {worst}: "
            f"{a[worst].item()} instead of {e[worst].item()}, off by {distance[worst]:g}{unit}, "
            f"bound {bound[worst]:g}{unit}")
    if allowed is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            magnitudes = np.abs(e.astype(np.complex128))
            relative = np.where(distance == 0, 0.0, distance / magnitudes)
        for name, figures, limit in (("absolute", distance, allowed[1]), ("relative", relative, allowed[0])):
            place = _place(np.nan_to_num(figures, nan=np.inf))
            said += f"\nGreatest {name} difference: {figures[place]:g} at {place} (up to {limit:g} allowed)"
    raise AssertionError(said)


def _place(figures: Array) -> tuple[int, ...]:
    """Where the largest is."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(figures)), figures.shape))


def _numpy(values: Any) -> Array:
    if not isinstance(values, fl.Tensor):
        return np.asarray(values)
    here = values.detach().to("cpu")
    if str(here.dtype) in ("float16", "bfloat16"):
        here = here.to(fl.float32)
    return np.array(here.numpy())
