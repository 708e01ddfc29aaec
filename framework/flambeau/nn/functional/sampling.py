"""Images read at places between their elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import flambeau as fl
from flambeau import _core

Mode = Literal["bilinear", "nearest", "bicubic"]
Outside = Literal["zeros", "border", "reflection"]
_sample = _core.ops["grid_sample"]


def affine_grid(theta: fl.Tensor, size: Sequence[int], align_corners: bool | None = None) -> fl.Tensor:
    """Where the elements of an image of this size come from under affine maps, for grid_sample.

    Shapes: theta (n, 2, 3) and size (n, c, h, w) -> (n, h, w, 2), or theta (n, 3, 4) and size (n, c, d, h, w) ->
    (n, d, h, w, 3). Source: Jaderberg and others, arXiv:1506.02025.

    >>> affine_grid(fl.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2)).tolist()
    [[[[0.0, 0.0], [1.0, 0.0]]]]
    """
    axes = len(size) - 2
    if axes not in (2, 3) or tuple(theta.shape) != (size[0], axes, axes + 1):
        raise fl.ShapeError(f"affine_grid: theta is {tuple(theta.shape)}, size {tuple(size)}: theta is (n, 2, 3) for a "
                            "size (n, c, h, w), or (n, 3, 4) for (n, c, d, h, w)")
    parts = []
    for n in size[2:]:
        end = (1.0 if align_corners else (n - 1) / n) if n > 1 else 0.0
        parts.append(fl.linspace(-end, end, n, dtype=theta.dtype, device=theta.device))
    places = [fl.reshape(x, (-1,)) for x in fl.meshgrid(*parts, indexing="ij")][::-1]  # the last axis is named first
    points = fl.stack([*places, fl.ones_like(places[0])], axis=1)
    return fl.reshape(points @ theta.mT, (size[0], *size[2:], axes))


def grid_sample(
    input: fl.Tensor,
    grid: fl.Tensor,
    mode: Mode = "bilinear",
    padding_mode: Outside = "zeros",
    align_corners: bool | None = None,
) -> fl.Tensor:
    """The input at the places of a grid, with gradients for both.

    Shapes: input (n, c, h, w) and grid (n, h', w', 2) -> (n, c, h', w'), or with a depth and grid (n, d', h', w', 3). A
    place is (x, y) or (x, y, z), -1 and 1 being the edges of the image, or the centers of its outermost elements with
    align_corners. What lies outside is zeros, the border, or the image reflected at its border.
    Raises: ShapeError if the shapes do not fit; ValueError for an unknown mode, or "bicubic" with a depth.

    >>> image = fl.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> grid_sample(image, fl.tensor([[[[0.0, 0.0], [1.0, 1.0]]]]), align_corners=True).tolist()
    [[[[2.5, 4.0]]]]
    """
    return _sample(input, grid, mode, padding_mode, bool(align_corners))
