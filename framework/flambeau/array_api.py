"""The standard's functions that are a few ops together, or whose arguments differ from the row's."""

from __future__ import annotations

import math
import operator

from . import _core
from ._core import DType, Tensor
from .arguments import explained
from .dtypes import isdtype, result_type
from .tensor_methods import _astype

__all__ = [
    "astype", "broadcast_arrays", "broadcast_shapes", "clip", "concat", "count_nonzero", "diff", "flip", "isin",
    "matrix_transpose", "moveaxis", "positive", "prod", "repeat", "reshape", "roll", "square", "squeeze", "stack",
    "std", "tensordot", "tile", "unstack", "var", "vecdot",
]  # fmt: skip

_op = _core.ops
_FLOATS = (_core.float16, _core.bfloat16, _core.float32, _core.float64)
square = _op["square"]


def astype(x: Tensor, dtype: DType, /, *, copy: bool = True, device: object = None) -> Tensor:
    """The values in another dtype; a copy even if it is the same, unless copy=False."""
    return _astype(x, dtype, copy=copy, device=device)


def reshape(x: Tensor, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Tensor:
    """The same elements, row by row, in another shape; one size may be -1.

    copy=True: memory of its own; copy=False: raises ValueError where that needs a copy.
    """
    result = _op["reshape"](x, shape)
    if copy:
        return _op["copy"](result)
    if copy is False and not result._shares_memory(x):
        raise ValueError(f"reshape: {x.shape} with strides {x.strides} cannot become {tuple(shape)} without a copy")
    return result


@explained
def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """Without these axes, which must be 1 long."""
    return _op["squeeze"](x, axis)


@explained
def concat(arrays: list[Tensor] | tuple[Tensor, ...], /, *, axis: int | None = 0) -> Tensor:
    """One after the other along an axis; with axis=None flattened first."""
    if axis is None:
        arrays, axis = [x.reshape(-1) for x in arrays], 0
    return _op["concat"](arrays, axis)


@explained
def stack(arrays: list[Tensor] | tuple[Tensor, ...], /, *, axis: int = 0) -> Tensor:
    """Side by side along a new axis."""
    return _op["stack"](arrays, axis)


@explained
def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The parts along an axis, without it."""
    first = moveaxis(x, axis, 0)
    return tuple(first[i] for i in range(first.shape[0]))


def moveaxis(x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...], /) -> Tensor:
    """Axes moved to other places; the rest keep their order."""
    sources = [source] if isinstance(source, int) else list(source)
    targets = [destination] if isinstance(destination, int) else list(destination)
    if len(sources) != len(targets):
        raise ValueError(f"moveaxis: {len(sources)} axes and {len(targets)} places; there must be as many of each")
    sources = [_axis("moveaxis", a, x.ndim) for a in sources]
    targets = [_axis("moveaxis", a, x.ndim) for a in targets]
    order = [a for a in range(x.ndim) if a not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return _op["permute_dims"](x, order)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """With the last two axes swapped."""
    return x.mT


@explained
def flip(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """In reverse order along these axes (all of them by default)."""
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    turned = {_axis("flip", a, x.ndim) for a in axes}
    return x[tuple(slice(None, None, -1) if a in turned else slice(None) for a in range(x.ndim))]


@explained
def roll(x: Tensor, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Elements moved along axes; those that fall off the end come in at the front."""
    if axis is None:
        return roll(x.reshape(-1), shift, axis=0).reshape(x.shape)
    shifts = shift if isinstance(shift, list | tuple) else (operator.index(shift),)
    axes = (axis,) * len(shifts) if isinstance(axis, int) else axis
    if len(shifts) == 1:
        shifts = shifts * len(axes)
    for by, a in zip(shifts, axes, strict=True):
        size = x.shape[_axis("roll", a, x.ndim)]
        cut = (size - by % size) if size else 0
        lead = (slice(None),) * _axis("roll", a, x.ndim)
        x = concat([x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]], axis=a)
    return x


def broadcast_arrays(*arrays: Tensor) -> tuple[Tensor, ...]:
    """All with their common shape."""
    shape = broadcast_shapes(*(x.shape for x in arrays))
    return tuple(_op["broadcast_to"](x, shape) for x in arrays)


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all of these broadcast to."""
    return _core.broadcast_shapes(list(shapes))


def positive(x: Tensor, /) -> Tensor:
    """The same values in memory of their own: +x."""
    return _op["copy"](x)


@explained
def clip(x: Tensor, /, min: Tensor | float | None = None, max: Tensor | float | None = None) -> Tensor:
    """Not below min, not above max."""
    if isinstance(min, int | float) and isinstance(max, int | float) and min <= max and x.dtype in _FLOATS:
        return _op["clip_to"](x, low=float(min), high=float(max))
    if min is None and max is None:
        return _op["copy"](x)
    if min is not None:
        x = _op["maximum"](x, min)
    return x if max is None else _op["minimum"](x, max)


@explained
def count_nonzero(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """How many elements differ from zero."""
    return _op["sum"](x if x.dtype == _core.bool_ else x != 0, axis, keepdims, _core.int64)


@explained
def diff(
    x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along an axis, n times over; `prepend` and `append` are put beside x first."""
    if x.ndim == 0:
        raise _core.ShapeError("diff: x has no dimensions, so there are no neighbours to subtract")
    if n < 0:
        raise ValueError(f"diff: n is {n} and must be at least 0")
    axis = _axis("diff", axis, x.ndim)
    if n and (prepend is not None or append is not None):
        x = concat([part for part in (prepend, x, append) if part is not None], axis=axis)
    lead = (slice(None),) * axis
    for _ in range(n):
        later, earlier = x[(*lead, slice(1, None))], x[(*lead, slice(None, -1))]
        x = later != earlier if x.dtype == _core.bool_ else later - earlier
    return x


@explained
def var(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The variance: squared distances from the mean, summed and divided by (count - correction)."""
    return _variance("var", x, axis, correction, keepdims)


@explained
def std(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The square root of the variance; its gradient where all are equal is 0."""
    return _variance("std", x, axis, correction, keepdims)


def _variance(
    name: str, x: Tensor, axis: int | tuple[int, ...] | None, correction: float, keepdims: bool
) -> Tensor:
    if not isdtype(x.dtype, "real floating"):
        raise _core.DTypeError(f"{name}: x is {x.dtype}; cast with x.astype(fl.float32)")
    axes = (axis,) if isinstance(axis, int) else axis
    return _core.apply(name, [x], [axes, keepdims, correction])


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Dot products along an axis, which both count from the end; of complex vectors with the conjugate of x1."""
    if x1.ndim == 0 or x2.ndim == 0 or not -min(x1.ndim, x2.ndim) <= axis < 0:
        raise IndexError(f"vecdot: axis {axis} must count from the end of {x1.shape} and of {x2.shape}")
    if x1.shape[axis] != x2.shape[axis]:
        raise _core.ShapeError(f"vecdot: x1 is {x1.shape}, x2 is {x2.shape}: axis {axis} must be equally long")
    if x1.dtype.is_complex:
        x1 = _op["conj"](x1)
    lines = x1.ndim == x2.ndim == 1 and x1.dtype == x2.dtype and x1.dtype in (_core.float32, _core.float64)
    if lines and not _core.autocast_enabled():
        return _dot(x1, x2)
    product = x1 * x2
    return _op["sum"](product, axis, False, product.dtype)


_DOT_PART = 1024  # elements that a matrix product sums in a row: more would lose digits


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """The products' sum in one pass over two lines, part by part."""
    if a.shape[0] <= _DOT_PART:
        return _op["matmul"](a, b)
    whole = a.shape[0] // _DOT_PART * _DOT_PART
    parts = _op["matmul"](a[:whole].reshape(-1, 1, _DOT_PART), b[:whole].reshape(-1, _DOT_PART, 1))
    return parts.sum() + _op["matmul"](a[whole:], b[whole:])


@explained
def prod(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, dtype: DType | None = None, keepdims: bool = False
) -> Tensor:
    """The product over axes (all by default), 1 of nothing. bool and integers give int64, unsigned ones uint64.

    >>> import flambeau as fl
    >>> fl.prod(fl.tensor([[1, 2], [3, 4]]), axis=0)
    tensor([3, 8])
    """
    if dtype is None and (x.dtype.is_integer or x.dtype == _core.bool_):
        dtype = _core.int64 if x.dtype == _core.bool_ or x.dtype.is_signed else _core.uint64
    return _op["product"](x if dtype is None else _astype(x, dtype, copy=False), axis, keepdims)


def isin(x1: Tensor | complex, x2: Tensor | complex, /, *, invert: bool = False) -> Tensor:
    """Which elements of x1 stand somewhere in x2 (with `invert`, which do not).

    >>> import flambeau as fl
    >>> fl.isin(fl.tensor([1, 2, 3]), fl.tensor([3, 1]))
    tensor([True, False, True])
    """
    like = x1 if isinstance(x1, Tensor) else x2
    if not isinstance(like, Tensor):
        raise TypeError("isin: one of the two must be a tensor; make one with fl.asarray")
    wanted = x1 if isinstance(x1, Tensor) else _beside(x1, like)
    among = (x2 if isinstance(x2, Tensor) else _beside(x2, like)).reshape(-1)
    if wanted.size * among.size <= _FEW or isdtype(wanted.dtype, "complex floating") or among.dtype.is_complex:
        found = _op["any"](_op["equal"](wanted.reshape((*wanted.shape, 1)), among), -1)
    else:
        common = _core.promote(wanted.dtype, among.dtype)
        wanted, among = _astype(wanted, common, copy=False), _astype(among, common, copy=False)
        ordered = _op["sort"](among, 0)
        place = _op["searchsorted"](ordered, wanted)
        # Past the end the last one stands for what is wanted; it is smaller.
        found = _op["take"](ordered, _op["minimum"](place, among.size - 1), 0) == wanted
    return ~found if invert else found


_FEW = 1 << 16  # comparisons that are sooner done than sorted


def _beside(number: complex, like: Tensor) -> Tensor:
    """A Python number as a tensor of the dtype that it has beside `like`."""
    return _core.asarray(number, dtype=result_type(like, number), device=like.device)


@explained
def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Each element (or each part along an axis) several times over: `repeats` times, or each as often as it says.

    >>> import flambeau as fl
    >>> fl.repeat(fl.tensor([1, 2]), fl.tensor([3, 1]))
    tensor([1, 1, 1, 2])
    """
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = _axis("repeat", axis, x.ndim)
    size = x.shape[axis]
    if not isinstance(repeats, Tensor):
        repeats = operator.index(repeats)
        if repeats < 0:
            raise ValueError(f"repeat: repeats is {repeats} and must be at least 0")
        spread = (*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :])
        wide = _op["copy"](_op["broadcast_to"](_op["expand_dims"](x, axis + 1), spread))
        return wide.reshape((*x.shape[:axis], size * repeats, *x.shape[axis + 1 :]))
    if repeats.size == 1:
        return repeat(x, int(repeats.reshape(()).item()), axis=axis)
    counts = repeats.reshape(-1).tolist()
    if len(counts) != size:
        raise _core.ShapeError(f"repeat: {len(counts)} repeats for {size} parts along axis {axis}; give one for each")
    if min(counts, default=0) < 0:
        raise ValueError(f"repeat: repeats has {min(counts)} and must be at least 0")
    places = [i for i, count in enumerate(counts) for _ in range(count)]
    return _op["take"](x, _core.asarray(places, dtype=_core.device(x.device).index_dtype, device=x.device), axis)


@explained
def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """x side by side as often as each axis says.

    >>> import flambeau as fl
    >>> fl.tile(fl.tensor([1, 2]), (2, 2))
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = [repetitions] if isinstance(repetitions, int) else list(repetitions)
    if min(times, default=0) < 0:
        raise ValueError(f"tile: repetitions is {repetitions} and must be at least 0")
    ndim = max(x.ndim, len(times))
    times = [1] * (ndim - len(times)) + times
    sizes = [1] * (ndim - x.ndim) + list(x.shape)
    apart = [part for size in sizes for part in (1, size)]
    wide = [part for n, size in zip(times, sizes, strict=True) for part in (n, size)]
    joined = tuple(n * size for n, size in zip(times, sizes, strict=True))
    return _op["copy"](_op["broadcast_to"](x.reshape(apart), wide)).reshape(joined)


def tensordot(
    x1: Tensor, x2: Tensor, /, *, axes: int | tuple[tuple[int, ...], tuple[int, ...]] = 2
) -> Tensor:
    """Products summed over pairs of axes: the last `axes` of x1 with the first of x2, or those named for each.

    >>> import flambeau as fl
    >>> fl.tensordot(fl.ones((2, 3)), fl.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    if isinstance(axes, int):
        if not 0 <= axes <= min(x1.ndim, x2.ndim):
            raise ValueError(f"tensordot: axes is {axes}; x1 is {x1.shape}, x2 is {x2.shape}")
        first, second = list(range(x1.ndim - axes, x1.ndim)), list(range(axes))
    else:
        first, second = ([_axis("tensordot", a, x.ndim) for a in one] for one, x in zip(axes, (x1, x2), strict=True))
    sizes = [x1.shape[a] for a in first]
    if sizes != [x2.shape[a] for a in second]:
        raise _core.ShapeError(
            f"tensordot: x1 is {x1.shape}, x2 is {x2.shape}: axes {first} and {second} must be pairwise equally long"
        )
    left = [a for a in range(x1.ndim) if a not in first]
    right = [a for a in range(x2.ndim) if a not in second]
    shape = [x1.shape[a] for a in left] + [x2.shape[a] for a in right]
    inner = math.prod(sizes)
    rows, columns = math.prod(x1.shape[a] for a in left), math.prod(x2.shape[a] for a in right)
    a = _op["permute_dims"](x1, [*left, *first]).reshape(rows, inner)
    b = _op["permute_dims"](x2, [*second, *right]).reshape(inner, columns)
    return _op["matmul"](a, b).reshape(shape)


def _axes(op: str, axis: int | tuple[int, ...] | None, ndim: int) -> list[int]:
    if axis is None:
        return list(range(ndim))
    axes = [_axis(op, a, ndim) for a in ((axis,) if isinstance(axis, int) else axis)]
    if len(set(axes)) != len(axes):
        raise ValueError(f"{op}: axis {axis} names one twice")
    return axes


def _axis(op: str, axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise IndexError(f"{op}: axis {axis} is out of range for {ndim} dimensions")
    return axis + ndim if axis < 0 else axis


_BEYOND = {"float16", "bfloat16"}  # dtypes that the standard does not know


class __array_namespace_info__:
    """What this implementation of the standard can do."""

    def capabilities(self) -> dict[str, object]:
        """Bool indices, and sizes that depend on values (unique_values, nonzero)."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> object:
        """The CPU."""
        return _core.device("cpu")

    def default_dtypes(self, *, device: object = None) -> dict[str, DType]:
        """What creation functions take where nothing is said."""
        index = _core.int64 if device is None else _core.device(device).index_dtype
        return {
            "real floating": _core.float32,
            "complex floating": _core.complex64,
            "integral": _core.int64,
            "indexing": index,
        }

    def dtypes(self, *, device: object = None, kind: str | tuple[str, ...] | None = None) -> dict[str, DType]:
        """The standard's dtypes that a device stores, by name."""
        found = _core.device(device).dtypes
        return {d.name: d for d in found if d.name not in _BEYOND and (kind is None or isdtype(d, kind))}

    def devices(self) -> tuple[_core.Device, ...]:
        """Every device."""
        from .devices import devices

        return tuple(devices())
