"""More elements around, other sizes and pixels from channels, as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import flambeau as fl
from flambeau.nn import functional
from flambeau.nn.functional.interpolation import Mode
from flambeau.nn.functional.padding import PadMode
from flambeau.nn.functional.sizes import many
from flambeau.nn.module import Module


class _Pad(Module):
    """padding: one number for every side, or (before, behind) of the last axis, then of the one before it, ..."""

    _axes: ClassVar[int] = 0
    _mode: ClassVar[PadMode] = "constant"

    def __init__(self, padding: int | Sequence[int]) -> None:
        self.padding = many(type(self).__name__, padding, 2 * self._axes)

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.pad(x, self.padding, mode=self._mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class ZeroPad1d(_Pad):
    """Zeros before and behind the last axis."""

    _axes = 1


class ZeroPad2d(_Pad):
    """Zeros around the last two axes.

    >>> ZeroPad2d((1, 0, 2, 0))(fl.ones((1, 1, 3, 3))).shape
    (1, 1, 5, 4)
    """

    _axes = 2


class ZeroPad3d(_Pad):
    """Zeros around the last three axes."""

    _axes = 3


class ConstantPad1d(_Pad):
    """One value before and behind the last axis."""

    _axes = 1

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.pad(x, self.padding, value=self.value)


class ConstantPad2d(ConstantPad1d):
    """One value around the last two axes."""

    _axes = 2


class ConstantPad3d(ConstantPad1d):
    """One value around the last three axes."""

    _axes = 3


class ReflectionPad1d(_Pad):
    """The last axis goes back from its edges."""

    _axes, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The last two axes go back from their edges."""

    _axes, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The last three axes go back from their edges."""

    _axes, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The last axis's edges, repeated."""

    _axes, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The last two axes' edges, repeated."""

    _axes, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The last three axes' edges, repeated."""

    _axes, _mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The last axis begins again at its other end."""

    _axes, _mode = 1, "circular"


class CircularPad2d(_Pad):
    """The last two axes begin again at their other ends."""

    _axes, _mode = 2, "circular"


class CircularPad3d(_Pad):
    """The last three axes begin again at their other ends."""

    _axes, _mode = 3, "circular"


class Upsample(Module):
    """(n, channels, ...) in another size: see functional.interpolate.

    >>> Upsample(scale_factor=2)(fl.ones((1, 1, 2, 3))).shape
    (1, 1, 4, 6)
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: Mode = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners,
                                      self.recompute_scale_factor)

    def extra_repr(self) -> str:
        given = f"size={self.size}" if self.size is not None else f"scale_factor={self.scale_factor}"
        return f"{given}, mode={self.mode!r}"


class PixelShuffle(Module):
    """Channels laid out as pixels: (n, c r r, h, w) -> (n, c, h r, w r). Source: Shi and others, arXiv:1609.05158."""

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """The inverse of PixelShuffle: (n, c, h r, w r) -> (n, c r r, h, w)."""

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """The channels of (n, c, ...) dealt out over `groups`: see functional.channel_shuffle."""

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.channel_shuffle(x, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
