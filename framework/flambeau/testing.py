"""Checks for tests of ops and models: distances in units in the last place, and gradients by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import flambeau as fl
from flambeau import _core

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[..., fl.Tensor | Sequence[fl.Tensor]]

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


def gradcheck(
    function: Function,
    inputs: Sequence[fl.Tensor],
    *,
    step: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    seed: int = 0,
) -> None:
    """Raise AssertionError unless the gradients of `function` agree with central differences.

    `function` takes the inputs and gives a tensor or several; every float64 input is checked, others are passed on.
    Each input is varied element by element, so keep them small.

    >>> gradcheck(lambda x: x * x, [fl.tensor([1.0, -2.0], dtype="float64")])
    """
    random = np.random.default_rng(seed)
    start = [x.detach() for x in inputs]
    weights = [_weights(out, random) for out in _several(function(*start))]
    for i, x in enumerate(start):
        if str(x.dtype) != "float64":
            continue
        gradient = _gradients(function, start, weights)[i]
        found = np.zeros(x.shape) if gradient is None else _numpy(gradient)
        expected = _differences(function, start, i, weights, step)
        assert_close(found, expected, rtol=rtol, atol=atol, what=f"gradient of input {i} {tuple(x.shape)}")


def gradgradcheck(
    function: Function,
    inputs: Sequence[fl.Tensor],
    *,
    step: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    seed: int = 0,
) -> None:
    """Raise AssertionError unless the gradients of the gradients of `function` agree with central differences.

    The gradient is taken as a function of the inputs and of the outputs' weights.

    >>> gradgradcheck(lambda x: x * x * x, [fl.tensor([1.0, -2.0], dtype="float64")])
    """
    random = np.random.default_rng(seed + 1)
    start = [x.detach() for x in inputs]
    weights = [w for w in (_weights(out, random) for out in _several(function(*start))) if w is not None]

    def first(*arguments: fl.Tensor) -> list[fl.Tensor]:
        values, given = arguments[: len(start)], iter(arguments[len(start) :])
        outputs = _several(function(*values))
        chosen = [next(given) if _is_float64(out) else None for out in outputs]
        found = _gradients_of(outputs, chosen, [x for x in values if x.requires_grad], create_graph=True)
        return [gradient for gradient in found if gradient is not None]

    def entry(*arguments: fl.Tensor) -> list[fl.Tensor]:
        # A first derivative needs inputs that require a gradient, even where the check only wants values.
        live = [x if x.requires_grad or not _is_float64(x) else _leaf(x) for x in arguments]
        return first(*live)

    gradcheck(entry, [*start, *weights], step=step, rtol=rtol, atol=atol, seed=seed)


def _several(outputs: fl.Tensor | Sequence[fl.Tensor]) -> list[fl.Tensor]:
    return [outputs] if isinstance(outputs, fl.Tensor) else list(outputs)


def _is_float64(x: fl.Tensor) -> bool:
    return str(x.dtype) == "float64"


def _weights(out: fl.Tensor, random: np.random.Generator) -> fl.Tensor | None:
    """Random weights of an output's elements, so that one sum stands for all of them."""
    if not _is_float64(out):
        return None
    return fl.tensor(np.asarray(random.uniform(0.5, 1.5, out.shape)), device=str(out.device))


def _leaf(x: fl.Tensor) -> fl.Tensor:
    leaf = x.detach()
    leaf.requires_grad = True
    return leaf


def _gradients(
    function: Function, inputs: Sequence[fl.Tensor], weights: Sequence[fl.Tensor | None]
) -> list[fl.Tensor | None]:
    leaves = [_leaf(x) if _is_float64(x) else x for x in inputs]
    wanted = [x for x in leaves if x.requires_grad]
    found = iter(_gradients_of(_several(function(*leaves)), weights, wanted, create_graph=False))
    return [next(found) if x.requires_grad else None for x in leaves]


def _gradients_of(
    outputs: Sequence[fl.Tensor],
    weights: Sequence[fl.Tensor | None],
    inputs: Sequence[fl.Tensor],
    *,
    create_graph: bool,
) -> list[fl.Tensor | None]:
    pairs = [(out, w) for out, w in zip(outputs, weights, strict=True) if w is not None and out.requires_grad]
    if not pairs:
        return [None] * len(inputs)
    outs, starts = [out for out, _ in pairs], [w for _, w in pairs]
    return list(_core.gradients(outs, starts, list(inputs), retain_graph=create_graph, create_graph=create_graph))


def _differences(
    function: Function, inputs: Sequence[fl.Tensor], i: int, weights: Sequence[fl.Tensor | None], step: float
) -> Array:
    base = _numpy(inputs[i])
    result = np.zeros(base.shape)

    def weighted(values: Array) -> float:
        moved = [*inputs[:i], fl.tensor(values, device=str(inputs[i].device)), *inputs[i + 1 :]]
        outputs = _several(function(*moved))
        return sum(
            float((_numpy(out) * _numpy(w)).sum()) for out, w in zip(outputs, weights, strict=True) if w is not None
        )

    for place in np.ndindex(base.shape):
        above, below = base.copy(), base.copy()
        above[place] += step
        below[place] -= step
        result[place] = (weighted(above) - weighted(below)) / (2 * step)
    return result


def _numpy(values: Any) -> Array:
    if not isinstance(values, fl.Tensor):
        return np.asarray(values)
    here = values.detach().to("cpu")
    if str(here.dtype) in ("float16", "bfloat16"):
        here = here.to(fl.float32)
    return np.array(here.numpy())
