"""Order, places, distinct values, running sums, and writing at indices: functions that are a few ops together."""

from __future__ import annotations

from typing import NamedTuple, overload

from . import _core
from ._core import DType, Tensor
from .arguments import explained
from .creation import full

__all__ = [
    "argwhere", "cumulative_prod", "cumulative_sum", "index_put", "nonzero", "scatter", "searchsorted", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "where",
]  # fmt: skip

_op = _core.ops


# ---- places ----


@explained
def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """Where x is not 0: for each axis the indices of all such elements, row by row.

    Raises RuntimeError while a function is recorded: how many there are is not known then.

    >>> import flambeau as fl
    >>> fl.nonzero(fl.tensor([[0, 7], [5, 0]]))
    (tensor([0, 1]), tensor([1, 0]))
    """
    if x.ndim == 0:
        raise _core.ShapeError("nonzero: x has no dimensions, so there are no indices; write x != 0")
    places = _places(x)
    found: list[Tensor] = []
    for size in reversed(x.shape[1:]):
        rows = places // size
        found.append(places - rows * size)
        places = rows
    return (places, *reversed(found))


def argwhere(x: Tensor, /) -> Tensor:
    """Where x is not 0, one row of indices for each such element.

    >>> import flambeau as fl
    >>> fl.argwhere(fl.tensor([[0, 7], [5, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    if x.ndim == 0:
        return full((_count(x), 0), 0, dtype=_core.int64, device=x.device)
    return _op["stack"](list(nonzero(x)), 1)


@overload
def where(condition: Tensor, /) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Tensor, x1: Tensor | float, x2: Tensor | float, /) -> Tensor: ...
def where(
    condition: Tensor, x1: Tensor | float | None = None, x2: Tensor | float | None = None, /
) -> Tensor | tuple[Tensor, ...]:
    """x1 where the condition is true, x2 where it is not; of the condition alone the places where it is true.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0, -2.0, 3.0])
    >>> fl.where(x > 0, x, 0)
    tensor([1.0, 0.0, 3.0])
    >>> fl.where(x > 0)
    (tensor([0, 2]),)
    """
    if x1 is None and x2 is None:
        return nonzero(condition)
    return _op["where"](condition, x1, x2)


def searchsorted(x1: Tensor, x2: Tensor | float, /, *, side: str = "left", sorter: Tensor | None = None) -> Tensor:
    """Where each element of x2 would have to go so that x1, in ascending order, stays in order.

    x1 has one dimension. side "left": before elements that are equal, "right": behind them. sorter: the indices that
    put x1 in order, from argsort, if it is not. NaN counts as larger than every number.

    >>> import flambeau as fl
    >>> fl.searchsorted(fl.tensor([1.0, 2.0, 2.0, 5.0]), fl.tensor([2.0, 9.0]))
    tensor([1, 4])
    """
    if sorter is not None:
        x1 = _op["take"](x1, sorter, 0)
    if not isinstance(x2, Tensor):
        x2 = _core.tensor(x2, dtype=x1.dtype, device=x1.device)
    return _op["searchsorted"](x1, x2, side)


# ---- distinct values ----


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAll:
    """The distinct values in ascending order; where each is first (in the flattened x); which of them every element
    of x is, in x's shape; and how often each comes.

    Every NaN is a value of its own, as the standard asks; 0.0 and -0.0 are one.

    >>> import flambeau as fl
    >>> fl.unique_all(fl.tensor([3, 1, 3]))
    UniqueAll(values=tensor([1, 3]), indices=tensor([1, 0]), inverse_indices=tensor([1, 0, 1]), counts=tensor([1, 2]))
    """
    flat = x.detach().reshape(-1)
    order = _order(flat)
    ordered = _op["take"](flat, order, 0)
    first = _first_of_each(ordered)
    starts = _places(first)
    values, indices = _op["take"](ordered, starts, 0), _op["take"](order, starts, 0)
    rank = _op["cumulative_sum"](first.astype(_core.int64), 0) - 1
    inverse = _op["scatter"](_like(order, flat.size), order, rank, 0, "set").reshape(x.shape)
    ends = _op["concat"]([starts[1:], _like(starts, 1) + flat.size], 0) if flat.size else starts
    return UniqueAll(values, indices, inverse, ends - starts)


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """The distinct values in ascending order, and how often each comes; see `unique_all`."""
    flat = x.detach().reshape(-1)
    ordered = _op["take"](flat, _order(flat), 0) if x.dtype.is_complex else _op["sort"](flat, 0)
    starts = _places(_first_of_each(ordered))
    ends = _op["concat"]([starts[1:], _like(starts, 1) + ordered.size], 0) if ordered.size else starts
    return UniqueCounts(_op["take"](ordered, starts, 0), ends - starts)


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """The distinct values in ascending order, and which of them every element of x is; see `unique_all`."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


@explained
def unique_values(x: Tensor, /) -> Tensor:
    """The distinct values in ascending order; see `unique_all`.

    >>> import flambeau as fl
    >>> fl.unique_values(fl.tensor([3, 1, 3]))
    tensor([1, 3])
    """
    return unique_counts(x).values


# ---- running sums and products ----


@explained
def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Tensor:
    """Running sums along an axis, which must be said unless x has one dimension; with include_initial from a 0 on.

    bool and integers are summed as int64, unsigned ones as uint64, unless dtype says otherwise.

    >>> import flambeau as fl
    >>> fl.cumulative_sum(fl.tensor([1, 2, 3]), include_initial=True)
    tensor([0, 1, 3, 6])
    """
    return _running("cumulative_sum", x, axis, dtype, include_initial)


@explained
def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Tensor:
    """Running products along an axis, which must be said unless x has one dimension; with include_initial from a 1 on.

    >>> import flambeau as fl
    >>> fl.cumulative_prod(fl.tensor([1.0, 2.0, 3.0]))
    tensor([1.0, 2.0, 6.0])
    """
    return _running("cumulative_prod", x, axis, dtype, include_initial)


def _running(op: str, x: Tensor, axis: int | None, dtype: DType | None, include_initial: bool) -> Tensor:
    if axis is None:
        if x.ndim > 1:
            raise ValueError(f"{op}: x is {x.shape}: say which axis to run along, as in axis=0")
        axis = 0
    if dtype is None and (x.dtype.is_integer or x.dtype == _core.bool_):
        dtype = _op["sum"](x[:0] if x.ndim else x, None).dtype  # the type of sums on this device
    running = _op[op](x if dtype is None else x.astype(dtype, copy=False), axis)
    if not include_initial:
        return running
    shape = list(running.shape)
    shape[axis] = 1
    start = 1 if op == "cumulative_prod" else 0
    first = full(shape, start, dtype=running.dtype, device=running.device)
    return _op["concat"]([first, running], axis)


# ---- writing at indices, out of place ----


@explained
def scatter(x: Tensor, indices: Tensor, values: Tensor | float, /, *, axis: int, reduce: str = "set") -> Tensor:
    """x with elements along an axis replaced by `values` at each line's own indices; the counterpart of
    take_along_axis: out[i, indices[i, j]] = values[i, j].

    reduce: "set" (of values with the same index the last one stays), or "add", "multiply", "max", "min" with what x
    has there, in the order of the values, so that the result is the same each time. Gradients go to x and to values.
    Shapes: indices and values are x's, but for the size of the axis; values may broadcast to the indices' shape.
    Raises IndexError for an index out of range; a negative one counts from the end.

    >>> import flambeau as fl
    >>> fl.scatter(fl.zeros(4), fl.tensor([0, 2, 2]), fl.tensor([1.0, 2.0, 3.0]), axis=0, reduce="add")
    tensor([1.0, 0.0, 5.0, 0.0])
    """
    return _op["scatter"](x, indices, _op["broadcast_to"](_values(values, x), indices.shape), axis, reduce)


def index_put(x: Tensor, key: object, values: Tensor | float, /, *, accumulate: bool = False) -> Tensor:
    """What x would be after `x[key] = values`, without writing into x; with accumulate after `x[key] += values`, where
    an element that the key chooses several times gets all its values.

    `key` is anything that may stand in brackets. Gradients go to x and to values; it can be recorded.

    >>> import flambeau as fl
    >>> fl.index_put(fl.zeros(3), [0, 2, 2], 1.0, accumulate=True)
    tensor([1.0, 0.0, 2.0])
    """
    how = "add" if accumulate else "set"
    if isinstance(key, Tensor) and key.dtype.is_integer and x.ndim:  # whole parts of x
        given = _op["broadcast_to"](_values(values, x), (*key.shape, *x.shape[1:]))
        return _op["put"](x, key.reshape(-1), given.reshape(key.size, *x.shape[1:]), 0, how)
    numbers = _core.apply("arange", [], [0.0, 1.0, x.size, _core.int64], x.device).reshape(x.shape)[key]
    given = _op["broadcast_to"](_values(values, x), numbers.shape)
    put = _op["put"](x.reshape(-1), numbers.reshape(-1), given.reshape(-1), 0, how)
    return put.reshape(x.shape)


def _values(values: Tensor | float, x: Tensor) -> Tensor:
    if not isinstance(values, Tensor):
        return _core.tensor(values, dtype=x.dtype, device=x.device)
    return values.astype(x.dtype, copy=False) if _core.promote(values.dtype, x.dtype) == x.dtype else values


def _count(x: Tensor) -> int:
    if _core.recording():
        raise RuntimeError(
            "nonzero: how many elements are not 0 is unknown while a function is recorded; choose with "
            "fl.where(condition, a, b), or find the places before and pass them in"
        )
    counted = x if x.dtype == _core.bool_ else x != 0
    return int(_op["sum"](counted, None).item())


def _places(x: Tensor) -> Tensor:
    """The places that are not 0 in the flattened x."""
    return _op["nonzero"](x, _count(x))


def _order(flat: Tensor) -> Tensor:
    """The indices that put equal elements beside each other: complex numbers by their real, then imaginary parts."""
    if not flat.dtype.is_complex:
        return _op["argsort"](flat, 0)
    by_imaginary = _op["argsort"](_op["imag"](flat), 0)
    by_real = _op["argsort"](_op["take"](_op["real"](flat), by_imaginary, 0), 0)
    return _op["take"](by_imaginary, by_real, 0)


def _first_of_each(ordered: Tensor) -> Tensor:
    """Whether each element differs from the one before."""
    start = full((min(ordered.size, 1),), True, dtype=_core.bool_, device=ordered.device)
    return _op["concat"]([start, ordered[1:] != ordered[:-1]], 0)


def _like(x: Tensor, size: int) -> Tensor:
    return full((size,), 0, dtype=x.dtype, device=x.device)
