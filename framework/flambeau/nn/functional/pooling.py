"""The largest element, or the mean, of windows."""

from __future__ import annotations

from collections.abc import Sequence

import flambeau as fl
from flambeau import _core
from flambeau.nn.functional.sizes import Size, batched, many

OptionalSize = int | None | Sequence[int | None]
Pooled = fl.Tensor | tuple[fl.Tensor, fl.Tensor]

_max_pool, _max_indices, _avg_pool = (_core.ops[name] for name in ("max_pool", "max_pool_indices", "avg_pool"))
_adaptive_avg, _adaptive_indices = _core.ops["adaptive_avg_pool"], _core.ops["adaptive_max_indices"]


def max_pool1d(
    input: fl.Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The largest element of each window of input (n, c, length) or (c, length): see max_pool2d."""
    return _maximum("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: fl.Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The largest element of each window of input (n, c, h, w) or (c, h, w), a window every `stride` (kernel_size).

    NaN wins. With return_indices, the places too, counted over h and w.

    >>> max_pool2d(fl.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2).tolist()
    [[[4.0]]]
    """
    return _maximum("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: fl.Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The largest element of each window of input (n, c, d, h, w) or (c, d, h, w): see max_pool2d."""
    return _maximum("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    input: fl.Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> fl.Tensor:
    """The mean of each window of input (n, c, length) or (c, length): see avg_pool2d."""
    return _mean("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: fl.Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> fl.Tensor:
    """The mean of each window of input (n, c, h, w) or (c, h, w); zeros around it count if count_include_pad.

    >>> avg_pool2d(fl.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2).tolist()
    [[[2.5]]]
    """
    return _mean("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: fl.Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> fl.Tensor:
    """The mean of each window of input (n, c, d, h, w) or (c, d, h, w): see avg_pool2d."""
    return _mean("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_avg_pool1d(input: fl.Tensor, output_size: OptionalSize) -> fl.Tensor:
    """The means of output_size windows of input (n, c, length) or (c, length)."""
    return _adaptive_mean("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: fl.Tensor, output_size: OptionalSize) -> fl.Tensor:
    """The means of output_size windows along each axis; None keeps an axis.

    >>> adaptive_avg_pool2d(fl.ones((1, 3, 7, 5)), (1, None)).shape
    (1, 3, 1, 5)
    """
    return _adaptive_mean("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: fl.Tensor, output_size: OptionalSize) -> fl.Tensor:
    """The means of output_size windows along each of three axes."""
    return _adaptive_mean("adaptive_avg_pool3d", 3, input, output_size)


def adaptive_max_pool1d(input: fl.Tensor, output_size: OptionalSize, return_indices: bool = False) -> Pooled:
    """The largest elements of output_size windows of input (n, c, length) or (c, length)."""
    return _adaptive_maximum("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: fl.Tensor, output_size: OptionalSize, return_indices: bool = False) -> Pooled:
    """The largest elements of output_size windows along each axis, and their places with return_indices.

    >>> adaptive_max_pool2d(fl.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1).tolist()
    [[[4.0]]]
    """
    return _adaptive_maximum("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: fl.Tensor, output_size: OptionalSize, return_indices: bool = False) -> Pooled:
    """The largest elements of output_size windows along each of three axes."""
    return _adaptive_maximum("adaptive_max_pool3d", 3, input, output_size, return_indices)


def _maximum(
    name: str,
    axes: int,
    input: fl.Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
    return_indices: bool,
) -> Pooled:
    x, alone = batched(name, input, axes)
    kernel = many(name, kernel_size, axes)
    steps = kernel if stride is None else many(name, stride, axes)
    windows = (kernel, steps, many(name, padding, axes), many(name, dilation, axes), ceil_mode)
    largest = _max_pool(x, *windows)
    if not return_indices:
        return largest[0] if alone else largest
    places = _max_indices(x.detach(), *windows)
    return (largest[0], places[0]) if alone else (largest, places)


def _mean(
    name: str,
    axes: int,
    input: fl.Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> fl.Tensor:
    if divisor_override == 0:
        raise ValueError(f"{name}: divisor_override is 0; nothing can be divided by it")
    x, alone = batched(name, input, axes)
    kernel = many(name, kernel_size, axes)
    steps = kernel if stride is None else many(name, stride, axes)
    result = _avg_pool(x, kernel, steps, many(name, padding, axes), ceil_mode, count_include_pad, divisor_override or 0)
    return result[0] if alone else result


def _wanted(name: str, x: fl.Tensor, axes: int, output_size: OptionalSize) -> tuple[int, ...]:
    sizes = (output_size,) * axes if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if len(sizes) != axes:
        raise ValueError(f"{name}: output_size is {output_size!r}; it needs one number, or {axes}")
    return tuple(n if size is None else size for size, n in zip(sizes, x.shape[2:], strict=True))


def _adaptive_mean(name: str, axes: int, input: fl.Tensor, output_size: OptionalSize) -> fl.Tensor:
    x, alone = batched(name, input, axes)
    result = _adaptive_avg(x, _wanted(name, x, axes, output_size))
    return result[0] if alone else result


def _adaptive_maximum(
    name: str, axes: int, input: fl.Tensor, output_size: OptionalSize, return_indices: bool
) -> Pooled:
    x, alone = batched(name, input, axes)
    places = _adaptive_indices(x.detach(), _wanted(name, x, axes, output_size))
    flat = fl.reshape(x, (*x.shape[:2], -1)) if x.size else fl.reshape(x, (*x.shape[:2], 1))
    spots = fl.reshape(places, (*x.shape[:2], -1)) if x.size else fl.reshape(places, (*x.shape[:2], 1))
    largest = fl.reshape(fl.take_along_axis(flat, spots, axis=2), places.shape)
    if return_indices:
        return (largest[0], places[0]) if alone else (largest, places)
    return largest[0] if alone else largest
