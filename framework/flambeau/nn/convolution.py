"""Convolutions as layers, and windows as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import flambeau as fl
from flambeau.nn import functional, init
from flambeau.nn.functional.sizes import Size, many
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """What all convolutions have: sizes, and a weight and bias that begin evenly within 1 / sqrt(fan in)."""

    _axes = 0
    _transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: Size | Literal["same", "valid"],
        dilation: Size,
        groups: int,
        bias: bool,
        padding_mode: PaddingMode,
    ) -> None:
        name, axes = type(self).__name__, self._axes
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"{name}: groups is {groups}; it must divide in_channels, {in_channels}, and "
                             f"out_channels, {out_channels}")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"{name}: padding_mode is {padding_mode!r}; there are {', '.join(_PADDING_MODES)}")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{name}: padding is {padding!r}; it is numbers, 'same' or 'valid'")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = many(name, kernel_size, axes)
        self.stride, self.dilation = many(name, stride, axes), many(name, dilation, axes)
        self.padding = padding if isinstance(padding, str) else many(name, padding, axes)
        self.padding_mode = padding_mode
        outer, inner = (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        self.weight = Parameter(fl.zeros((outer, inner // groups, *self.kernel_size)))
        self.bias = Parameter(fl.zeros(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        fan_in = self.weight.shape[1] * math.prod(self.kernel_size)
        bound = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
        for parameter in self.parameters(recurse=False):
            init.uniform_(parameter, -bound, bound)

    def _padded(self, x: fl.Tensor) -> tuple[fl.Tensor, Size | Literal["same", "valid"]]:
        """x with what the padding mode puts around it, and the zeros that are still to come."""
        if self.padding_mode == "zeros":
            return x, self.padding
        if self.padding == "valid":
            return x, 0
        around: list[int] = []
        for axis in reversed(range(self._axes)):
            room = self.dilation[axis] * (self.kernel_size[axis] - 1)
            given = self.padding[axis]
            around += [room // 2, room - room // 2] if isinstance(given, str) else [given, given]
        return functional.pad(x, around, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding not in ((0,) * self._axes, "valid"):
            text += f", padding={self.padding!r}"
        if self.dilation != (1,) * self._axes:
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode!r}"


class _Forward(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | Literal["same", "valid"] = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)


class Conv1d(_Forward):
    """Kernels slid over (n, in, length) -> (n, out, length'): see functional.conv1d.

    >>> Conv1d(3, 4, 3, padding=1)(fl.zeros((2, 3, 9))).shape
    (2, 4, 9)
    """

    _axes = 1

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        x, padding = self._padded(x)
        return functional.conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Forward):
    """Kernels slid over images (n, in, h, w) -> (n, out, h', w'): see functional.conv2d.

    Shapes: weight (out, in / groups, kh, kw), bias (out,), both begin evenly within 1 / sqrt(in / groups kh kw).

    >>> Conv2d(3, 8, 3, stride=2, padding=1)(fl.zeros((2, 3, 8, 8))).shape
    (2, 8, 4, 4)
    """

    _axes = 2

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        x, padding = self._padded(x)
        return functional.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv3d(_Forward):
    """Kernels slid over (n, in, d, h, w) -> (n, out, d', h', w'): see functional.conv3d."""

    _axes = 3

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        x, padding = self._padded(x)
        return functional.conv3d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class _Transposed(_Convolution):
    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: Literal["zeros"] = "zeros",
    ) -> None:
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f'{name}: padding_mode is {padding_mode!r}; a transposed convolution has "zeros" alone')
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)
        self.output_padding = many(name, output_padding, self._axes)

    def _output_padding(self, x: fl.Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """What output_padding gives the wanted size."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self._axes :]
        around = many("output_size", self.padding if not isinstance(self.padding, str) else 0, self._axes)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in zip(
            x.shape[-self._axes :], self.stride, around, self.dilation, self.kernel_size, strict=True)]
        more = tuple(size - low for size, low in zip(wanted, least, strict=True))
        if any(not 0 <= extra < step for extra, step in zip(more, self.stride, strict=True)):
            most = [low + step - 1 for low, step in zip(least, self.stride, strict=True)]
            raise ValueError(f"{type(self).__name__}: output_size is {wanted}; from {tuple(x.shape)} sizes from "
                             f"{least} to {most} come")
        return more


class ConvTranspose1d(_Transposed):
    """The gradient of Conv1d as a layer: (n, in, length) -> (n, out, length'); see functional.conv_transpose1d."""

    _axes = 1

    def __call__(self, x: fl.Tensor, output_size: Sequence[int] | None = None) -> fl.Tensor:
        more = self._output_padding(x, output_size)
        return functional.conv_transpose1d(x, self.weight, self.bias, self.stride, _numbers(self.padding), more,
                                           self.groups, self.dilation)


class ConvTranspose2d(_Transposed):
    """The gradient of Conv2d as a layer: (n, in, h, w) -> (n, out, h', w'), weight (in, out / groups, kh, kw).

    >>> ConvTranspose2d(4, 3, 2, stride=2)(fl.zeros((1, 4, 5, 5))).shape
    (1, 3, 10, 10)
    """

    _axes = 2

    def __call__(self, x: fl.Tensor, output_size: Sequence[int] | None = None) -> fl.Tensor:
        more = self._output_padding(x, output_size)
        return functional.conv_transpose2d(x, self.weight, self.bias, self.stride, _numbers(self.padding), more,
                                           self.groups, self.dilation)


class ConvTranspose3d(_Transposed):
    """The gradient of Conv3d as a layer: (n, in, d, h, w) -> (n, out, d', h', w'); see functional.conv_transpose3d."""

    _axes = 3

    def __call__(self, x: fl.Tensor, output_size: Sequence[int] | None = None) -> fl.Tensor:
        more = self._output_padding(x, output_size)
        return functional.conv_transpose3d(x, self.weight, self.bias, self.stride, _numbers(self.padding), more,
                                           self.groups, self.dilation)


def _numbers(padding: Size | str) -> Size:
    if isinstance(padding, str):
        raise ValueError(f"ConvTranspose: padding is {padding!r}; it must be numbers")
    return padding


class Unfold(Module):
    """Every window of (n, c, h, w) as a column: see functional.unfold."""

    def __init__(self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> None:
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(Module):
    """Columns added up at their windows' places: see functional.fold."""

    def __init__(
        self, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        self.output_size = output_size
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.fold(x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)
