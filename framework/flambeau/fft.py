"""Discrete Fourier transforms under the names of the Array API standard, of any size, with gradients.

`norm` says where the division by n stands: "backward" (in the inverse transforms), "forward" (in the others), or
"ortho" (its root in both). Real input of a complex transform becomes complex; float32 and complex64 are transformed in
single precision, float64 and complex128 in double.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from . import _core
from ._core import DType, Tensor
from .array_api import roll
from .creation import full

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft",
    "rfftfreq", "rfftn",
]  # fmt: skip

_op = _core.ops
Norm = Literal["backward", "ortho", "forward"]


def fft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The transform along an axis: out[k] = sum of x[j] exp(-2 pi i j k / n). n cuts x off or pads it with zeros.

    >>> import flambeau as fl
    >>> fl.fft.fft(fl.tensor([1.0, 1.0, 1.0, 1.0])).tolist()
    [(4+0j), 0j, 0j, 0j]
    """
    return _transformed("fft", x, n, axis, norm, inverse=False)


def ifft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The inverse of `fft`."""
    return _transformed("ifft", x, n, axis, norm, inverse=True)


def fftn(
    x: Tensor, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Tensor:
    """`fft` along several axes, all of them if none are given; s are their sizes."""
    for size, axis in _sizes_and_axes("fftn", x, s, axes):
        x = fft(x, n=size, axis=axis, norm=norm)
    return x


def ifftn(
    x: Tensor, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Tensor:
    """The inverse of `fftn`."""
    for size, axis in _sizes_and_axes("ifftn", x, s, axes):
        x = ifft(x, n=size, axis=axis, norm=norm)
    return x


def rfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The first n // 2 + 1 elements of the transform of real numbers; the rest mirrors them."""
    return _half("rfft", x, n, axis, norm, inverse=False)


def irfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The inverse of `rfft`: n real numbers, 2 (size - 1) of them if n is not given."""
    return _whole("irfft", x, n, axis, norm, inverse=True)


def rfftn(
    x: Tensor, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Tensor:
    """`rfft` along the last of the axes, then `fft` along the others."""
    *others, (size, axis) = _sizes_and_axes("rfftn", x, s, axes)
    x = rfft(x, n=size, axis=axis, norm=norm)
    for size, axis in others:
        x = fft(x, n=size, axis=axis, norm=norm)
    return x


def irfftn(
    x: Tensor, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Tensor:
    """The inverse of `rfftn`; s are the sizes of the result along the axes."""
    *others, (_, last) = _sizes_and_axes("irfftn", x, s, axes)
    for size, axis in others:
        x = ifft(x, n=size, axis=axis, norm=norm)
    return irfft(x, n=None if s is None else s[-1], axis=last, norm=norm)


def hfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The real transform, n long, of numbers of which x is the half that the other half mirrors, conjugate."""
    return _whole("hfft", x, n, axis, norm, inverse=False)


def ihfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The inverse of `hfft`."""
    return _half("ihfft", x, n, axis, norm, inverse=True)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: object = None) -> Tensor:
    """The frequencies of the elements of `fft` for samples d apart: 0, 1, ..., -2, -1 over (n d).

    >>> import flambeau as fl
    >>> fl.fft.fftfreq(5, d=0.2)
    tensor([0.0, 1.0, 2.0, -2.0, -1.0])
    """
    positive = (n + 1) // 2
    counted = _counted("fftfreq", n, n, dtype, device)
    return _op["where"](counted < positive, counted, counted - n) * (1.0 / (n * d))


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: object = None) -> Tensor:
    """The frequencies of the elements of `rfft` for samples d apart: 0, 1, ..., n // 2 over (n d)."""
    return _counted("rfftfreq", n, n // 2 + 1, dtype, device) * (1.0 / (n * d))


def fftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """With the zero frequency in the middle of these axes (all if not given)."""
    chosen = _axes("fftshift", x, axes)
    return roll(x, tuple(x.shape[a] // 2 for a in chosen), axis=chosen) if chosen else x


def ifftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """The inverse of `fftshift`."""
    chosen = _axes("ifftshift", x, axes)
    return roll(x, tuple(-(x.shape[a] // 2) for a in chosen), axis=chosen) if chosen else x


# ---- what they share ----


def _transformed(op: str, x: Tensor, n: int | None, axis: int, norm: Norm, *, inverse: bool) -> Tensor:
    x = _require_inexact(op, x)
    if x.dtype.is_float:
        x = x.astype(_core.complex128 if x.dtype == _core.float64 else _core.complex64)
    axis = _axis(op, x, axis)
    x = _sized(op, x, axis, x.shape[axis] if n is None else n)
    return _op["fft"](x, axis, inverse, _scale(op, norm, x.shape[axis], inverse=inverse))


def _half(op: str, x: Tensor, n: int | None, axis: int, norm: Norm, *, inverse: bool) -> Tensor:
    x = _require_inexact(op, x)
    if not x.dtype.is_float:
        raise _core.DTypeError(f"{op}: x is {x.dtype}, and half a spectrum is that of real numbers; use fft")
    axis = _axis(op, x, axis)
    x = _sized(op, x, axis, x.shape[axis] if n is None else n)
    return _op["rfft"](x, axis, inverse, _scale(op, norm, x.shape[axis], inverse=inverse))


def _whole(op: str, x: Tensor, n: int | None, axis: int, norm: Norm, *, inverse: bool) -> Tensor:
    x = _require_inexact(op, x)
    if x.dtype.is_float:
        x = x.astype(_core.complex128 if x.dtype == _core.float64 else _core.complex64)
    axis = _axis(op, x, axis)
    size = 2 * (x.shape[axis] - 1) if n is None else n
    x = _sized(op, x, axis, size // 2 + 1, n=size)
    return _op["irfft"](x, axis, size, inverse, _scale(op, norm, size, inverse=inverse))


def _sized(op: str, x: Tensor, axis: int, size: int, n: int | None = None) -> Tensor:
    """Cut off, or padded with zeros."""
    if (size if n is None else n) < 1:
        given = size if n is None else n
        raise ValueError(f"{op}: n is {given} for x of shape {x.shape} along axis {axis}; it must be at least 1")
    known = x.shape[axis]
    if known > size:
        return x[(slice(None),) * axis + (slice(size),)]
    if known < size:
        shape = [size - known if a == axis else length for a, length in enumerate(x.shape)]
        return _op["concat"]([x, full(tuple(shape), 0, dtype=x.dtype, device=x.device)], axis)
    return x


def _scale(op: str, norm: Norm, n: int, *, inverse: bool) -> float:
    if norm not in ("backward", "ortho", "forward"):
        raise ValueError(f"{op}: norm is {norm!r} and must be 'backward', 'ortho' or 'forward'")
    if norm == "ortho":
        return 1.0 / math.sqrt(n)
    return 1.0 / n if (norm == "backward") == inverse else 1.0


def _sizes_and_axes(
    op: str, x: Tensor, s: Sequence[int] | None, axes: Sequence[int] | None
) -> list[tuple[int | None, int]]:
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    chosen = [_axis(op, x, axis) for axis in axes]
    if len(set(chosen)) != len(chosen) or not chosen:
        raise ValueError(f"{op}: axes are {tuple(axes)} for x of shape {x.shape}: at least one, and each one once")
    if s is not None and len(s) != len(chosen):
        raise ValueError(f"{op}: s has {len(s)} sizes and axes has {len(chosen)}; there must be as many of each")
    sizes: Sequence[int | None] = [None] * len(chosen) if s is None else s
    return list(zip(sizes, chosen, strict=True))


def _axis(op: str, x: Tensor, axis: int) -> int:
    if not -x.ndim <= axis < x.ndim:
        raise IndexError(f"{op}: axis {axis} is out of range for x of shape {x.shape}")
    return axis + x.ndim if axis < 0 else axis


def _axes(op: str, x: Tensor, axes: int | Sequence[int] | None) -> tuple[int, ...]:
    if axes is None:
        return tuple(range(x.ndim))
    return tuple(_axis(op, x, a) for a in ([axes] if isinstance(axes, int) else axes))


def _require_inexact(op: str, x: Tensor) -> Tensor:
    if x.dtype in (_core.float16, _core.bfloat16) and _core.autocast_enabled():
        x = x.astype(_core.float32)
    if x.dtype in (_core.float16, _core.bfloat16) or not (x.dtype.is_float or x.dtype in _COMPLEX):
        raise _core.DTypeError(f"{op}: x is {x.dtype}; cast it with x.astype(fl.float32)")
    return x


_COMPLEX = (_core.complex64, _core.complex128)


def _counted(op: str, n: int, count: int, dtype: DType | None, device: object) -> Tensor:
    if n < 1:
        raise ValueError(f"{op}: n is {n} and must be at least 1")
    return _core.apply("arange", [], [0.0, 1.0, count, _core.dtype(dtype or _core.float32)], device)
