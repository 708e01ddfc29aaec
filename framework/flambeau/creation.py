"""Tensors from nothing: constants, ranges, and what other libraries hold."""

from __future__ import annotations

import builtins
import math

from . import _core
from ._core import DType, Tensor, asarray
from .arguments import explained

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace", "meshgrid",
    "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip

Shape = int | tuple[int, ...] | list[int]
_FLOAT32, _full, _arange = _core.float32, _core.ops["full"], _core.ops["arange"]
_triangle = _core.ops["triangle"]


@explained
def full(shape: Shape, fill_value: complex, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """One value everywhere. Without dtype: float32 for a float, int64 for an int, bool for a bool, complex64."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if dtype is None:
        kind = type(fill_value)
        dtype = _core.bool_ if kind is bool else _core.int64 if issubclass(kind, int) else _core.float32
        dtype = _core.complex64 if issubclass(kind, complex) else dtype
    dtype = _core.dtype(dtype)
    if isinstance(fill_value, complex) and not dtype.is_complex:
        raise _core.DTypeError(f"full: {fill_value} is not {dtype}; ask for complex64 or complex128")
    value, whole, imaginary = fill_value, 0, 0.0
    if isinstance(fill_value, complex):
        value, imaginary = fill_value.real, fill_value.imag
    if dtype == _core.bool_:
        whole = int(bool(value))
    elif dtype.is_integer:
        whole = _whole(value, dtype)
    return _full(shape, float(value), whole, dtype, imaginary, device=device)


def _whole(value: float, dtype: DType) -> int:
    """The value as the op's attribute holds it: of a uint64 the bits."""
    if isinstance(value, float) and not value.is_integer():
        raise _core.DTypeError(f"full: {value} is not {dtype}; ask for a float dtype or round it")
    bits, whole = dtype.itemsize * 8, int(value)
    low = -(2 ** (bits - 1)) if dtype.is_signed else 0
    if not low <= whole < low + 2**bits:
        raise ValueError(f"full: {whole} does not fit into {dtype}")
    return whole - 2**64 if whole >= 2**63 else whole


@explained
def zeros(shape: Shape, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """Zeros; float32 unless a dtype is given."""
    return _full(shape, 0.0, 0, dtype or _FLOAT32, 0.0, device=device)


@explained
def ones(shape: Shape, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """Ones; float32 unless a dtype is given."""
    return _full(shape, 1.0, 1, dtype or _FLOAT32, 0.0, device=device)


@explained
def empty(shape: Shape, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """A tensor to be filled. It holds zeros, so that a forgotten write gives the same result each time."""
    return _full(shape, 0.0, 0, dtype or _FLOAT32, 0.0, device=device)


@explained
def full_like(x: Tensor, /, fill_value: complex, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """One value, with the shape, dtype and device of x."""
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device or x.device)


@explained
def zeros_like(x: Tensor, /, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """Zeros, with the shape, dtype and device of x."""
    return _full(x.shape, 0.0, 0, dtype or x.dtype, 0.0, device=device or x.device)


@explained
def ones_like(x: Tensor, /, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """Ones, with the shape, dtype and device of x."""
    return _full(x.shape, 1.0, 1, dtype or x.dtype, 0.0, device=device or x.device)


@explained
def empty_like(x: Tensor, /, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """A tensor to be filled, with the shape, dtype and device of x."""
    return _full(x.shape, 0.0, 0, dtype or x.dtype, 0.0, device=device or x.device)


@explained
def arange(
    start: float, /, stop: float | None = None, step: float = 1, *, dtype: DType | None = None, device: object = None
) -> Tensor:
    """start, start + step, ... below stop; arange(n) counts from 0 to n - 1.

    >>> import flambeau as fl
    >>> fl.arange(2, 9, 3)
    tensor([2, 5, 8])
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ValueError("arange: step is 0 and would never reach stop")
    whole = isinstance(start, int) and isinstance(stop, int) and isinstance(step, int)
    if dtype is None:
        dtype = _core.int64 if whole else _core.float32
    for name, bound in () if whole else (("start", start), ("stop", stop), ("step", step)):
        if not math.isfinite(bound):
            raise ValueError(f"arange: {name} is {bound} and must be finite")
    count = max(0, -((start - stop) // step) if whole else math.ceil((stop - start) / step))
    if count >= 2**63:
        raise _core.ShapeError(f"arange: from {start} to {stop} by {step} has more elements than any memory holds")
    dtype = _core.dtype(dtype)
    if whole and dtype.is_integer and max(abs(start), abs(stop), abs(step)) > 2**53:  # beyond what a float64 counts
        return _arange(0.0, 1.0, count, dtype, device=device) * step + start
    return _arange(float(start), float(step), count, dtype, device=device)


_EVEN = (_core.float32, _core.float64)  # computed in double and rounded once, where a device has it


@explained
def linspace(
    start: float,
    stop: float,
    /,
    num: int,
    *,
    dtype: DType | None = None,
    device: object = None,
    endpoint: bool = True,
) -> Tensor:
    """`num` numbers evenly from start to stop, which is the last one unless endpoint=False."""
    if num < 0:
        raise ValueError(f"linspace: num is {num} and must be at least 0")
    dtype = _core.dtype(dtype or _core.float32)
    steps = num - 1 if endpoint else num
    if dtype in _EVEN and num:
        x = _arange(float(start), (stop - start) / max(steps, 1), num, dtype, device=device)
        if endpoint and num > 1:
            x[num - 1] = float(stop)
        return x
    wide = _core.float64 if device is None or _core.float64 in _core.device(device).dtypes else _core.float32
    i = arange(num, dtype=wide, device=device)
    x = i * ((stop - start) / max(steps, 1)) + start
    if endpoint and num > 1:
        x = _core.ops["where"](i == num - 1, float(stop), x)
    return x.astype(dtype, copy=False)


@explained
def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: DType | None = None, device: object = None
) -> Tensor:
    """Ones on diagonal k, zeros elsewhere."""
    columns = n_rows if n_cols is None else n_cols
    diagonal = _reachable((n_rows, columns), k)
    return _core.ops["eye"](n_rows, columns, diagonal, dtype or _FLOAT32, device=device)


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Coordinates of a grid: one tensor for each axis, all of the grid's shape."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is '{indexing}' and must be 'xy' or 'ij'")
    swap = indexing == "xy" and len(arrays) > 1
    order = [1, 0, *range(2, len(arrays))] if swap else list(range(len(arrays)))
    sizes = tuple(arrays[i].size for i in order)
    grids = []
    for i, x in enumerate(arrays):
        place = order.index(i)
        shape = [1] * len(arrays)
        shape[place] = x.size
        grids.append(_core.ops["broadcast_to"](x.reshape(shape), sizes))
    return tuple(grids)


@explained
def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """x with zeros above diagonal k of its last two axes.

    >>> import flambeau as fl
    >>> fl.tril(fl.ones((2, 3)))
    tensor([[1.0, 0.0, 0.0],
            [1.0, 1.0, 0.0]])
    """
    return _triangle(x, _diagonal_of(x, "tril", k), False)


@explained
def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """x with zeros below diagonal k of its last two axes."""
    return _triangle(x, _diagonal_of(x, "triu", k), True)


def from_dlpack(x: object, /, *, device: object = None, copy: bool | None = None) -> Tensor:
    """Another library's tensor on the same memory, by DLPack."""
    if not hasattr(x, "__dlpack__") and type(x).__name__ != "PyCapsule":
        raise TypeError(f"from_dlpack: {type(x).__name__} does not speak DLPack; fl.asarray(x) takes lists and buffers")
    return _core.from_dlpack(x, device=device, copy=copy)


def _diagonal_of(x: Tensor, op: str, diagonal: builtins.int) -> builtins.int:
    if x.ndim < 2:
        raise _core.ShapeError(f"{op}: at least two dimensions are needed and the shape is {x.shape}")
    return _reachable(x.shape, diagonal)


def _reachable(shape: tuple[builtins.int, ...], diagonal: builtins.int) -> builtins.int:
    """The diagonal, or one just beside the matrix in place of one farther away."""
    return max(-shape[-2], min(diagonal, shape[-1]))

