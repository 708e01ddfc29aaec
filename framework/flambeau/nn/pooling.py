"""Pools as layers."""

from __future__ import annotations

import flambeau as fl
from flambeau.nn import functional
from flambeau.nn.functional.pooling import OptionalSize, Pooled
from flambeau.nn.functional.sizes import Size
from flambeau.nn.module import Module


class MaxPool(Module):
    """The options of max pools; they differ in the axes that are pooled."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.stride = kernel_size if stride is None else stride
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def extra_repr(self) -> str:
        return (f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
                f"dilation={self.dilation}, ceil_mode={self.ceil_mode}")


class MaxPool1d(MaxPool):
    """The largest element of each window of (n, c, length): see functional.max_pool1d."""

    def __call__(self, x: fl.Tensor) -> Pooled:
        return functional.max_pool1d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                                     self.return_indices)


class MaxPool2d(MaxPool):
    """The largest element of each window of (n, c, h, w): see functional.max_pool2d.

    >>> MaxPool2d(2)(fl.zeros((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    def __call__(self, x: fl.Tensor) -> Pooled:
        return functional.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                                     self.return_indices)


class MaxPool3d(MaxPool):
    """The largest element of each window of (n, c, d, h, w): see functional.max_pool3d."""

    def __call__(self, x: fl.Tensor) -> Pooled:
        return functional.max_pool3d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                                     self.return_indices)


class AvgPool1d(Module):
    """The mean of each window of (n, c, length): see functional.avg_pool1d."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.avg_pool1d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                                     self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window of (n, c, h, w): see functional.avg_pool2d."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                                     self.count_include_pad, self.divisor_override)


class AvgPool3d(_AvgPool):
    """The mean of each window of (n, c, d, h, w): see functional.avg_pool3d."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.avg_pool3d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                                     self.count_include_pad, self.divisor_override)


class _AdaptiveAvgPool(Module):
    def __init__(self, output_size: OptionalSize) -> None:
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of output_size windows of (n, c, length)."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.adaptive_avg_pool1d(x, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of output_size windows along each axis of (n, c, h, w); None keeps an axis.

    >>> AdaptiveAvgPool2d(1)(fl.ones((2, 3, 5, 7))).shape
    (2, 3, 1, 1)
    """

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.adaptive_avg_pool2d(x, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of output_size windows along each axis of (n, c, d, h, w)."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.adaptive_avg_pool3d(x, self.output_size)


class _AdaptiveMaxPool(Module):
    def __init__(self, output_size: OptionalSize, return_indices: bool = False) -> None:
        self.output_size, self.return_indices = output_size, return_indices

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements of output_size windows of (n, c, length)."""

    def __call__(self, x: fl.Tensor) -> Pooled:
        return functional.adaptive_max_pool1d(x, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest elements of output_size windows along each axis of (n, c, h, w)."""

    def __call__(self, x: fl.Tensor) -> Pooled:
        return functional.adaptive_max_pool2d(x, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest elements of output_size windows along each axis of (n, c, d, h, w)."""

    def __call__(self, x: fl.Tensor) -> Pooled:
        return functional.adaptive_max_pool3d(x, self.output_size, self.return_indices)
