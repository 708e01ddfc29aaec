"""The standard's functions that are a few ops together, or whose arguments differ from the row's."""

from __future__ import annotations

from . import _core
from ._core import DType, Tensor
from .dtypes import isdtype
from .tensor_methods import _astype

__all__ = [
    "astype", "broadcast_arrays", "broadcast_shapes", "clip", "concat", "count_nonzero", "diff", "flip",
    "matrix_transpose", "moveaxis", "positive", "reshape", "roll", "square", "squeeze", "stack",
    "std", "unstack", "var", "vecdot",
]  # fmt: skip

_op = _core.ops
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


def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """Without these axes, which must be 1 long."""
    return _op["squeeze"](x, axis)


def concat(arrays: list[Tensor] | tuple[Tensor, ...], /, *, axis: int | None = 0) -> Tensor:
    """One after the other along an axis; with axis=None flattened first."""
    if axis is None:
        arrays, axis = [x.reshape(-1) for x in arrays], 0
    return _op["concat"](arrays, axis)


def stack(arrays: list[Tensor] | tuple[Tensor, ...], /, *, axis: int = 0) -> Tensor:
    """Side by side along a new axis."""
    return _op["stack"](arrays, axis)


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


def flip(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """In reverse order along these axes (all of them by default)."""
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    turned = {_axis("flip", a, x.ndim) for a in axes}
    return x[tuple(slice(None, None, -1) if a in turned else slice(None) for a in range(x.ndim))]


def roll(x: Tensor, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Elements moved along axes; those that fall off the end come in at the front."""
    if axis is None:
        return roll(x.reshape(-1), shift, axis=0).reshape(x.shape)
    shifts = (shift,) if isinstance(shift, int) else shift
    axes = (axis,) * len(shifts) if isinstance(axis, int) else axis
    if len(shifts) == 1:
        shifts = shifts * len(axes)
    for by, a in zip(shifts, axes, strict=True):
        size = x.shape[_axis("roll", a, x.ndim)]
        cut = (size - by % size) if size else 0
        lead = (slice(None),) * _axis("roll", a, x.ndim)
        x = concat([x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]], axis=a)
    return x


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """All with their common shape."""
    shape = broadcast_shapes(*(x.shape for x in arrays))
    return [_op["broadcast_to"](x, shape) for x in arrays]


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all of these broadcast to."""
    return _core.broadcast_shapes(list(shapes))


def positive(x: Tensor, /) -> Tensor:
    """x as it is."""
    return x


def clip(x: Tensor, /, min: Tensor | float | None = None, max: Tensor | float | None = None) -> Tensor:
    """Not below min, not above max."""
    if min is not None:
        x = _op["maximum"](x, min)
    return x if max is None else _op["minimum"](x, max)


def count_nonzero(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """How many elements differ from zero."""
    counted = x if x.dtype == _core.bool_ else x != 0
    return _op["sum"](counted.astype(_core.int64), axis, keepdims)


def diff(x: Tensor, /, *, axis: int = -1, n: int = 1) -> Tensor:
    """Differences of neighbours along an axis, n times over."""
    axis = _axis("diff", axis, x.ndim)
    lead = (slice(None),) * axis
    for _ in range(n):
        x = x[(*lead, slice(1, None))] - x[(*lead, slice(None, -1))]
    return x


def var(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The variance: squared distances from the mean, summed and divided by (count - correction)."""
    if not isdtype(x.dtype, "real floating"):
        raise _core.DTypeError(f"var: x is {x.dtype}; cast with x.astype(fl.float32)")
    count = x.size if axis is None else 1
    for a in () if axis is None else (axis,) if isinstance(axis, int) else axis:
        count *= x.shape[_axis("var", a, x.ndim)]
    away = x - _op["mean"](x, axis, True)
    total = _op["sum"](away * away, axis, keepdims)
    divisor = count - correction
    return total / divisor if divisor > 0 else total * float("nan")


def std(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The square root of the variance."""
    return _op["sqrt"](var(x, axis=axis, correction=correction, keepdims=keepdims))


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Dot products along an axis."""
    product = x1 * x2
    return _op["sum"](product, axis)


def _axis(op: str, axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise IndexError(f"{op}: axis {axis} is out of range for {ndim} dimensions")
    return axis + ndim if axis < 0 else axis


class __array_namespace_info__:
    """What this implementation of the standard can do."""

    def capabilities(self) -> dict[str, object]:
        """Sizes that depend on values exist for bool indices alone."""
        return {"boolean indexing": True, "data-dependent shapes": False, "max dimensions": 64}

    def default_device(self) -> object:
        """The CPU."""
        return _core.device("cpu")

    def default_dtypes(self, *, device: object = None) -> dict[str, DType]:
        """What creation functions take where nothing is said."""
        index = _core.int64 if device is None else _core.device(device).index_dtype
        return {"real floating": _core.float32, "integral": _core.int64, "indexing": index}

    def dtypes(self, *, device: object = None, kind: str | tuple[str, ...] | None = None) -> dict[str, DType]:
        """The dtypes that a device stores, by name."""
        found = _core.device(device).dtypes
        return {d.name: d for d in found if kind is None or isdtype(d, kind)}

    def devices(self) -> list[_core.Device]:
        """Every device."""
        from .devices import devices

        return devices()
