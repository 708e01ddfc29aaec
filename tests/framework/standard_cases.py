"""How each function of the Array API standard is called, drawn by Hypothesis: a case for every name.

A case draws its arguments and gives a function of a namespace and of what makes its arrays from NumPy's; it is then
called twice, with flambeau and with array-api-strict.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from flambeau.optable import COMPLEX, INTEGERS
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Array = Any
Run = Callable[[Any, Callable[[Any], Any]], Any]  # of a namespace, and of what makes its arrays
Case = Callable[[st.DrawFn], Run]

BOOL, REAL = ("bool",), ("float32", "float64")
NUMBERS = (*INTEGERS, *REAL)
NUMERIC = (*NUMBERS, *COMPLEX)
INEXACT = (*REAL, *COMPLEX)
EVERY = (*BOOL, *NUMERIC)
SIGNED = tuple(name for name in NUMERIC if not name.startswith("u"))
SPECIAL = (np.nan, np.inf, -np.inf, -0.0)

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
FILLED = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)
LINES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)

MATRICES = hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=4)
OFFSETS = st.integers(-5, 5)


def drawn(
    draw: st.DrawFn,
    dtypes: tuple[str, ...],
    shape: Any = SHAPES,
    *,
    low: float = -5,
    high: float = 5,
    special: bool = False,
) -> Array:
    """An array of a dtype among these, in memory as it is, backwards or transposed."""
    dtype = draw(st.sampled_from(dtypes))
    x = draw(hnp.arrays(dtype, shape, elements=_elements(dtype, low, high, special=special)))
    layout = draw(st.sampled_from(("plain", "backwards", "turned"))) if x.ndim else "plain"
    if layout == "backwards":
        return np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    return np.ascontiguousarray(x.T).T if layout == "turned" else x


def _elements(dtype: str, low: float, high: float, *, special: bool) -> st.SearchStrategy[Any]:
    if dtype == "bool":
        return st.booleans()
    if dtype in INTEGERS:
        return st.integers(max(0, int(low)) if dtype.startswith("u") else int(low), max(int(high), 1))
    quarters = st.integers(int(low * 4), int(high * 4)).map(lambda n: n / 4)
    if dtype in COMPLEX:  # beside the axes, where functions jump
        return st.builds(lambda a, b: complex(a + 0.125, b + 0.125), quarters, quarters)
    return quarters | st.sampled_from(SPECIAL) if special else quarters


def call(name: str, xp: Any) -> Any:
    """The function of this name: `sin`, `linalg.inv`, or an operator as `operator.add`."""
    if name.startswith("operator."):
        return getattr(operator, name.removeprefix("operator."))
    for part in name.split("."):
        xp = getattr(xp, part)
    return xp


def axis_of(draw: st.DrawFn, x: Array) -> int:
    return draw(st.integers(-x.ndim, x.ndim - 1))


def axes_of(draw: st.DrawFn, x: Array) -> Any:
    """None, one axis or several."""
    if x.ndim == 0:
        return None
    several = st.lists(st.integers(0, x.ndim - 1), unique=True, min_size=1).map(tuple)
    return draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | several)


# ---- element by element ----


def one(name: str, dtypes: tuple[str, ...], *, low: float = -5, high: float = 5, special: bool = True) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, dtypes, low=low, high=high, special=special)
        return lambda xp, make: call(name, xp)(make(x))

    return case


def two(name: str, dtypes: tuple[str, ...], *, low: float = -5, second: float = -5, special: bool = True) -> Case:
    """Shapes that broadcast; the second may be a Python number."""

    def case(draw: st.DrawFn) -> Run:
        shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3)).input_shapes
        x = drawn(draw, dtypes, shapes[0], low=low, special=special)
        y = drawn(draw, (str(x.dtype),), shapes[1], low=second, special=special)
        if y.ndim == 0 and draw(st.booleans()):
            number = y.item()
            return lambda xp, make: call(name, xp)(make(x), number)
        return lambda xp, make: call(name, xp)(make(x), make(y))

    return case


def in_place(name: str, dtypes: tuple[str, ...], *, second: float = -5) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, dtypes)
        y = drawn(draw, (str(x.dtype),), x.shape, low=second)
        return lambda xp, make: call(name, xp)(make(x.copy()), make(y))

    return case


_LOGIC = (*BOOL, *INTEGERS)
ONE: dict[str, Case] = {
    **{name: one(name, NUMERIC) for name in ("abs", "positive", "square", "sign", "isnan", "isinf", "isfinite")},
    **{name: one(name, SIGNED) for name in ("negative",)},
    **{name: one(name, NUMBERS) for name in ("ceil", "floor", "trunc")},
    **{name: one(name, NUMERIC) for name in ("round",)},
    **{name: one(name, INEXACT) for name in ("exp", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan")},
    **{name: one(name, INEXACT) for name in ("asin", "acos", "asinh", "acosh", "atanh", "sqrt")},
    **{name: one(name, INEXACT) for name in ("log", "log2", "log10", "log1p", "reciprocal")},
    **{name: one(name, COMPLEX) for name in ("imag",)},
    **{name: one(name, NUMERIC) for name in ("conj", "real")},
    "signbit": one("signbit", REAL),
    "bitwise_invert": one("bitwise_invert", _LOGIC),
    "logical_not": one("logical_not", BOOL),
    **{f"operator.{name}": one(f"operator.{name}", SIGNED) for name in ("abs", "neg", "pos")},
    "operator.invert": one("operator.invert", _LOGIC),
}
_COMPARED = ("less", "less_equal", "greater", "greater_equal")
TWO: dict[str, Case] = {
    **{name: two(name, NUMERIC, special=False) for name in ("add", "subtract", "multiply")},
    **{name: two(name, EVERY) for name in ("equal", "not_equal")},
    **{name: two(name, NUMBERS) for name in (*_COMPARED, "maximum", "minimum")},
    **{name: two(name, REAL) for name in ("atan2", "copysign", "hypot", "logaddexp", "nextafter")},
    "divide": two("divide", REAL),
    **{name: two(name, NUMBERS, second=1, special=False) for name in ("floor_divide", "remainder")},
    "pow": two("pow", NUMBERS, second=0),
    **{name: two(name, _LOGIC) for name in ("bitwise_and", "bitwise_or", "bitwise_xor")},
    **{name: two(name, INTEGERS, second=0) for name in ("bitwise_left_shift", "bitwise_right_shift")},
    **{name: two(name, BOOL) for name in ("logical_and", "logical_or", "logical_xor")},
    **{f"operator.{name}": two(f"operator.{name}", NUMERIC, special=False) for name in ("add", "sub", "mul")},
    **{f"operator.{name}": two(f"operator.{name}", EVERY) for name in ("eq", "ne")},
    **{f"operator.{name}": two(f"operator.{name}", NUMBERS) for name in ("lt", "le", "gt", "ge")},
    "operator.truediv": two("operator.truediv", REAL),
    **{f"operator.{name}": two(f"operator.{name}", NUMBERS, second=1, special=False) for name in ("floordiv", "mod")},
    "operator.pow": two("operator.pow", NUMBERS, second=0),
    **{f"operator.{name}": two(f"operator.{name}", _LOGIC) for name in ("and_", "or_", "xor")},
    **{f"operator.{name}": two(f"operator.{name}", INTEGERS, second=0) for name in ("lshift", "rshift")},
    **{f"operator.{name}": in_place(f"operator.{name}", NUMERIC) for name in ("iadd", "isub", "imul")},
    **{f"operator.{name}": in_place(f"operator.{name}", _LOGIC) for name in ("iand", "ior", "ixor")},
    **{f"operator.{name}": in_place(f"operator.{name}", INTEGERS, second=0) for name in ("ilshift", "irshift")},
    **{f"operator.{name}": in_place(f"operator.{name}", NUMBERS, second=1) for name in ("ifloordiv", "imod")},
    "operator.itruediv": in_place("operator.itruediv", REAL),
    "operator.ipow": in_place("operator.ipow", NUMBERS, second=0),
}


def clip(draw: st.DrawFn) -> Run:
    x = drawn(draw, NUMBERS)
    low, high = sorted((draw(st.integers(0, 3)), draw(st.integers(0, 3))))
    bounds = draw(st.sampled_from([{"min": low}, {"max": high}, {"min": low, "max": high}, {}]))
    return lambda xp, make: xp.clip(make(x), **bounds)


def where(draw: st.DrawFn) -> Run:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3)).input_shapes
    condition, x = drawn(draw, BOOL, shapes[0]), drawn(draw, EVERY, shapes[1], special=True)
    y = drawn(draw, (str(x.dtype),), shapes[2], special=True)
    return lambda xp, make: xp.where(make(condition), make(x), make(y))


# ---- along axes ----


def reduction(
    name: str, dtypes: tuple[str, ...], shape: Any = SHAPES, *, special: bool = False, **options: Any
) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, dtypes, shape, special=special)
        chosen = {key: draw(values) for key, values in options.items()}
        axis, keepdims = axes_of(draw, x), draw(st.booleans())
        return lambda xp, make: call(name, xp)(make(x), axis=axis, keepdims=keepdims, **chosen)

    return case


def position(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, NUMBERS, FILLED)
        axis, keepdims = draw(st.none() | st.integers(-x.ndim, x.ndim - 1)), draw(st.booleans())
        return lambda xp, make: call(name, xp)(make(x), axis=axis, keepdims=keepdims)

    return case


def running(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, NUMERIC, LINES, low=-2, high=2)
        axis, initial = axis_of(draw, x), draw(st.booleans())
        return lambda xp, make: call(name, xp)(make(x), axis=axis, include_initial=initial)

    return case


def diff(draw: st.DrawFn) -> Run:
    x = drawn(draw, NUMERIC, LINES)
    axis, n, edges = axis_of(draw, x), draw(st.integers(0, 3)), draw(st.booleans())
    if edges:
        return lambda xp, make: xp.diff(make(x), axis=axis, n=n, prepend=make(x), append=make(x))
    return lambda xp, make: xp.diff(make(x), axis=axis, n=n)


ALONG: dict[str, Case] = {
    **{name: reduction(name, NUMERIC) for name in ("sum", "prod")},
    "mean": reduction("mean", INEXACT, FILLED),
    **{name: reduction(name, REAL, FILLED, correction=st.sampled_from([0, 0.5])) for name in ("std", "var")},
    **{name: reduction(name, NUMBERS, FILLED, special=True) for name in ("max", "min")},
    **{name: reduction(name, EVERY, special=True) for name in ("all", "any", "count_nonzero")},
    **{name: position(name) for name in ("argmax", "argmin")},
    **{name: running(name) for name in ("cumulative_sum", "cumulative_prod")},
    "diff": diff,
    "clip": clip,
    "where": where,
}


# ---- order and places ----


def order(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, NUMBERS, LINES)
        axis, descending = axis_of(draw, x), draw(st.booleans())
        return lambda xp, make: call(name, xp)(make(x), axis=axis, descending=descending)

    return case


def searchsorted(draw: st.DrawFn) -> Run:
    x = drawn(draw, NUMBERS, st.tuples(st.integers(0, 6)))
    values = drawn(draw, (str(x.dtype),))
    side, sorter = draw(st.sampled_from(["left", "right"])), np.argsort(x, kind="stable")
    if draw(st.booleans()):
        return lambda xp, make: xp.searchsorted(make(x), make(values), side=side, sorter=make(sorter))
    return lambda xp, make: xp.searchsorted(make(np.sort(x)), make(values), side=side)


def take(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY, FILLED)
    axis = axis_of(draw, x)
    indices = draw(hnp.arrays("int64", st.tuples(st.integers(0, 4)), elements=st.integers(0, x.shape[axis] - 1)))
    return lambda xp, make: xp.take(make(x), make(indices), axis=axis)


def take_along_axis(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY, FILLED)
    axis = axis_of(draw, x)
    shape = list(x.shape)
    shape[axis] = draw(st.integers(0, 4))
    indices = draw(hnp.arrays("int64", tuple(shape), elements=st.integers(0, x.shape[axis] - 1)))
    return lambda xp, make: xp.take_along_axis(make(x), make(indices), axis=axis)


def isin(draw: st.DrawFn) -> Run:
    x = drawn(draw, INTEGERS)
    among = drawn(draw, (str(x.dtype),))
    return lambda xp, make: xp.isin(make(x), make(among))


PLACES: dict[str, Case] = {
    **{name: order(name) for name in ("sort", "argsort")},
    **{name: one(name, NUMBERS, special=False) for name in ("unique_all", "unique_counts")},
    **{name: one(name, NUMBERS, special=False) for name in ("unique_inverse", "unique_values")},
    "nonzero": lambda draw: (lambda x: lambda xp, make: xp.nonzero(make(x)))(drawn(draw, EVERY, LINES)),
    "searchsorted": searchsorted,
    "take": take,
    "take_along_axis": take_along_axis,
    "isin": isin,
}
