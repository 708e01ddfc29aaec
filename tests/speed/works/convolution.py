"""Convolutions: the shapes of ResNet at batch 8, and the first layer of a small network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.speed.rows import FLOOR, Mean, Row, Work


@dataclass(frozen=True)
class Shape:
    """Images (n, channels, size, size), and `out` kernels of `kernel` by `kernel`, padded to keep the size."""

    n: int
    channels: int
    out: int
    size: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1

    @property
    def operations(self) -> float:
        """Multiplications and additions of a forward pass."""
        places = self.n * (self.size // self.stride) ** 2
        return 2.0 * places * (self.channels // self.groups) * self.out * self.kernel**2

    def function(self, lib: Any) -> Any:
        return lambda x, weight: lib.conv2d(x, weight, self.stride, self.kernel // 2, self.groups)

    def inputs(self, lib: Any, **grad: bool) -> tuple[Any, Any]:
        images = lib.given(self.n, self.channels, self.size, self.size, **grad)
        return images, lib.given(self.out, self.channels // self.groups, self.kernel, self.kernel, seed=1, **grad)


RESNET = {
    "conv_64": ("conv2d 3x3, 64 channels at 56", Shape(8, 64, 64, 56)),
    "conv_128": ("conv2d 3x3, 128 channels at 28", Shape(8, 128, 128, 28)),
    "conv_256": ("conv2d 3x3, 256 channels at 14", Shape(8, 256, 256, 14)),
    "conv_512": ("conv2d 3x3, 512 channels at 7", Shape(8, 512, 512, 7)),
    "conv_1x1": ("conv2d 1x1, 64 to 256 at 56", Shape(8, 64, 256, 56, kernel=1)),
    "conv_stride": ("conv2d 3x3 stride 2, 64 to 128 at 56", Shape(8, 64, 128, 56, stride=2)),
    "conv_stem": ("conv2d 7x7 stride 2, 3 to 64 at 224", Shape(8, 3, 64, 224, kernel=7, stride=2)),
}

# MobileNet's: a kernel for each channel.
DEPTHWISE = {
    "conv_depth_56": ("depthwise conv2d 3x3, 128 channels at 56", Shape(8, 128, 128, 56, groups=128)),
    "conv_depth_stride": ("depthwise conv2d 3x3 stride 2, 128 at 56", Shape(8, 128, 128, 56, stride=2, groups=128)),
    "conv_depth_14": ("depthwise conv2d 3x3, 512 channels at 14", Shape(8, 512, 512, 14, groups=512)),
    "conv_depth_7": ("depthwise conv2d 3x3, 1024 channels at 7", Shape(8, 1024, 1024, 7, groups=1024)),
}


def _forward(lib: Any, shape: Shape) -> Work:
    return lib.work(shape.function(lib), *shape.inputs(lib))


def _step(lib: Any, shape: Shape) -> Work:
    side = shape.size // shape.stride
    return lib.gradients(shape.function(lib), shape.inputs(lib, grad=True), lib.given(shape.n, shape.out, side, side))


def _row(name: str, title: str, shape: Shape, target: float = FLOOR) -> Row:
    return Row(name, title, partial(_forward, shape=shape), {"B": target}, means=("channels_last",), peers=("jax",),
               operations=shape.operations)  # fmt: skip


def _step_row(name: str, title: str, shape: Shape, target: float = FLOOR) -> Row:
    return Row(f"{name}_step", f"{title}, gradients too", partial(_step, shape=shape), {"B": target},
               means=("channels_last",), peers=("jax",), operations=3 * shape.operations)  # fmt: skip


ROWS = (
    *(_row(name, *found) for name, found in RESNET.items()),
    *(_step_row(name, *found) for name, found in RESNET.items()),
    _step_row("conv_small", "conv2d 3x3, 1 to 32 at 28, batch 64", Shape(64, 1, 32, 28), 2.0),
    *(_row(name, *found, 0.95) for name, found in DEPTHWISE.items()),
    *(_step_row(name, *found, 0.95) for name, found in DEPTHWISE.items()),
)
MEANS = (
    Mean("resnet_convs", "geometric mean of ResNet's shapes", {"B": 0.95}, tuple(RESNET)),
    Mean("resnet_convs_step", "geometric mean with gradients", {"B": 1.15}, tuple(f"{name}_step" for name in RESNET)),
)
