"""Convolutions, and windows as columns."""

from __future__ import annotations

from typing import Literal

import flambeau as fl
from flambeau import _core
from flambeau.nn.functional.sizes import Size, batched, many

Padding = Size | Literal["same", "valid"]

_convolution, _input_grad = _core.ops["convolution"], _core.ops["convolution_input_grad"]
_take, _take_grad = _core.ops["take"], _core.ops["take_grad"]


def conv1d(
    input: fl.Tensor,
    weight: fl.Tensor,
    bias: fl.Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> fl.Tensor:
    """Slide kernels (out, in / groups, k) over input (n, in, length), or (in, length): see conv2d.

    >>> conv1d(fl.tensor([[[1.0, 2.0, 3.0]]]), fl.tensor([[[1.0, 1.0]]])).tolist()
    [[[3.0, 5.0]]]
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: fl.Tensor,
    weight: fl.Tensor,
    bias: fl.Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> fl.Tensor:
    """Slide kernels (out, in / groups, kh, kw) over input (n, in, h, w), or (in, h, w).

    Shapes: the result is (n, out, h', w') with h' = floor((h + 2 padding - dilation (kh - 1) - 1) / stride) + 1.
    padding "valid" is none, "same" keeps the size (stride 1).
    Raises: ShapeError where channels, groups or sizes do not fit.

    >>> conv2d(fl.ones((1, 3, 8, 8)), fl.ones((4, 3, 3, 3)), padding="same").shape
    (1, 4, 8, 8)
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: fl.Tensor,
    weight: fl.Tensor,
    bias: fl.Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> fl.Tensor:
    """Slide kernels (out, in / groups, kd, kh, kw) over input (n, in, d, h, w), or (in, d, h, w): see conv2d."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: fl.Tensor,
    weight: fl.Tensor,
    bias: fl.Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> fl.Tensor:
    """The gradient of conv1d for its input, as a layer: weight is (in, out / groups, k). See conv_transpose2d."""
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: fl.Tensor,
    weight: fl.Tensor,
    bias: fl.Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> fl.Tensor:
    """The gradient of conv2d for its input, as a layer: input (n, in, h, w), weight (in, out / groups, kh, kw).

    Shapes: h' = (h - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.
    Raises: ValueError unless output_padding is below the stride or the dilation.

    >>> conv_transpose2d(fl.ones((1, 2, 4, 4)), fl.ones((2, 3, 2, 2)), stride=2).shape
    (1, 3, 8, 8)
    """
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: fl.Tensor,
    weight: fl.Tensor,
    bias: fl.Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> fl.Tensor:
    """The gradient of conv3d for its input, as a layer: weight is (in, out / groups, kd, kh, kw)."""
    return _transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def unfold(
    input: fl.Tensor, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> fl.Tensor:
    """Every window of input (n, c, h, w) as a column: (n, c kh kw, windows).

    >>> unfold(fl.ones((1, 2, 4, 5)), 2).shape
    (1, 8, 12)
    """
    kernel, gaps, around, steps = (many("unfold", size, 2) for size in (kernel_size, dilation, padding, stride))
    x, alone = batched("unfold", input, 2)
    x = _zeros_around(x, around)
    rows, columns = (_places("unfold", x.shape[2 + i], kernel[i], gaps[i], steps[i], x) for i in range(2))
    seen = _take(_take(x, columns, 3), rows, 2)  # (n, c, kh, rows, kw, columns)
    n, c, kh, h, kw, w = seen.shape
    result = fl.reshape(fl.permute_dims(seen, (0, 1, 2, 4, 3, 5)), (n, c * kh * kw, h * w))
    return result[0] if alone else result


def fold(
    input: fl.Tensor,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> fl.Tensor:
    """Columns (n, c kh kw, windows) added up at their windows' places in (n, c, *output_size): unfold's gradient.

    >>> fold(fl.ones((1, 4, 9)), (4, 4), 2)[0, 0, 1].tolist()
    [2.0, 4.0, 4.0, 2.0]
    """
    kernel, gaps, around, steps, size = (
        many("fold", given, 2) for given in (kernel_size, dilation, padding, stride, output_size))
    alone = input.ndim == 2
    x = input[None] if alone else input
    wide = [size[i] + 2 * around[i] for i in range(2)]
    rows, columns = (_places("fold", wide[i], kernel[i], gaps[i], steps[i], x) for i in range(2))
    windows = rows.shape[1] * columns.shape[1]
    if x.ndim != 3 or x.shape[1] % (kernel[0] * kernel[1]) or x.shape[2] != windows:
        raise fl.ShapeError(f"fold: input is {tuple(input.shape)}; windows of {kernel} in {size} make (n, channels * "
                            f"{kernel[0] * kernel[1]}, {windows})")
    channels = x.shape[1] // (kernel[0] * kernel[1])
    parts = fl.reshape(x, (x.shape[0], channels, *kernel, rows.shape[1], columns.shape[1]))
    seen = fl.permute_dims(parts, (0, 1, 2, 4, 3, 5))
    whole = _take_grad(_take_grad(seen, columns, 4, wide[1]), rows, 2, wide[0])
    result = whole[:, :, around[0] : around[0] + size[0], around[1] : around[1] + size[1]]
    return result[0] if alone else result


def _conv(
    name: str,
    axes: int,
    input: fl.Tensor,
    weight: fl.Tensor,
    bias: fl.Tensor | None,
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
) -> fl.Tensor:
    steps, gaps = many(name, stride, axes), many(name, dilation, axes)
    x, alone = batched(name, input, axes)
    if padding == "same":
        if steps != (1,) * axes:
            raise ValueError(f'{name}: padding is "same" and stride {steps}: the size only stays with stride 1')
        room = [gap * (k - 1) for gap, k in zip(gaps, weight.shape[2:], strict=True)]
        around = (*(r // 2 for r in room), *(r - r // 2 for r in room))
    elif padding == "valid":
        around = (0,) * (2 * axes)
    elif isinstance(padding, str):
        raise ValueError(f'{name}: padding is {padding!r}; it is "same", "valid" or numbers')
    else:
        around = many(name, padding, axes) * 2
    result = _convolution(x, weight, bias, steps, around, gaps, groups)
    return result[0] if alone else result


def _transposed(
    name: str,
    axes: int,
    input: fl.Tensor,
    weight: fl.Tensor,
    bias: fl.Tensor | None,
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
) -> fl.Tensor:
    steps, around, more, gaps = (many(name, size, axes) for size in (stride, padding, output_padding, dilation))
    x, alone = batched(name, input, axes)
    if weight.ndim != axes + 2:
        raise fl.ShapeError(f"{name}: weight is {tuple(weight.shape)}; it must be (in, out / groups, ...) with {axes} "
                            "spatial axes")
    for extra, step, gap in zip(more, steps, gaps, strict=True):
        if not 0 <= extra < max(step, gap):
            raise ValueError(f"{name}: output_padding is {more}, stride {steps}, dilation {gaps}: output_padding is at "
                             "least 0 and below one of the two")
    shape = [(n - 1) * s - 2 * p + d * (k - 1) + o + 1
             for n, s, p, d, k, o in zip(x.shape[2:], steps, around, gaps, weight.shape[2:], more, strict=True)]
    if min(shape) < 1:
        raise fl.ShapeError(f"{name}: input is {tuple(input.shape)}, padding {around}: nothing of the result, "
                            f"{tuple(shape)}, would be left")
    if all(extra < step for extra, step in zip(more, steps, strict=True)):
        result = _input_grad(x, weight, tuple(shape), steps, around * 2, gaps, groups)
    else:  # a convolution of that size would see more windows than x has: cut the whole result out of zeros
        result = _cut_out(x, weight, shape, steps, around, more, gaps, groups)
    if bias is not None:
        if bias.shape != (result.shape[1],):
            raise fl.ShapeError(f"{name}: bias is {tuple(bias.shape)}; the result has {result.shape[1]} channels")
        result = result + fl.reshape(bias, (-1, *(1,) * axes))
    return result[0] if alone else result


def _cut_out(
    x: fl.Tensor,
    weight: fl.Tensor,
    shape: list[int],
    steps: tuple[int, ...],
    around: tuple[int, ...],
    more: tuple[int, ...],
    gaps: tuple[int, ...],
    groups: int,
) -> fl.Tensor:
    whole = [n + 2 * p - o for n, p, o in zip(shape, around, more, strict=True)]
    none = (0,) * len(shape)
    result = _input_grad(x, weight, tuple(whole), steps, none * 2, gaps, groups)
    wide = (*result.shape[:2], *(n + o for n, o in zip(whole, more, strict=True)))
    padded = _core.ops["slice_grad"](result, wide, (0,) * len(wide), tuple(result.shape), (1,) * len(wide))
    return padded[(..., *(slice(p, p + n) for p, n in zip(around, shape, strict=True)))]


def _zeros_around(x: fl.Tensor, around: tuple[int, ...]) -> fl.Tensor:
    if not any(around):
        return x
    h, w = around
    shape = (*x.shape[:2], x.shape[2] + 2 * h, x.shape[3] + 2 * w)
    stops = (*x.shape[:2], h + x.shape[2], w + x.shape[3])
    return _core.ops["slice_grad"](x, shape, (0, 0, h, w), stops, (1, 1, 1, 1))


def _places(name: str, n: int, kernel: int, gap: int, step: int, like: fl.Tensor) -> fl.Tensor:
    """Where each kernel element (rows) is in each window (columns) along an axis n long."""
    count = (n - gap * (kernel - 1) - 1) // step + 1
    if min(kernel, gap, step) < 1 or count < 1:
        raise fl.ShapeError(f"{name}: no window of {kernel} elements {gap} apart, every {step}, fits into {n}")
    return fl.tensor([[k * gap + i * step for i in range(count)] for k in range(kernel)], dtype="int32",
                     device=like.device)
