"""Images read at places between their elements."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Literal

import flambeau as fl
from flambeau.nn.functional.interpolation import CUBIC

Mode = Literal["bilinear", "nearest", "bicubic"]
Outside = Literal["zeros", "border", "reflection"]


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
    axes = input.ndim - 2
    if axes not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != axes or grid.shape[0] != input.shape[0]:
        raise fl.ShapeError(f"grid_sample: input is {tuple(input.shape)}, grid {tuple(grid.shape)}: the input is (n, "
                            "c, h, w) and the grid (n, h', w', 2), or (n, c, d, h, w) and (n, d', h', w', 3)")
    if mode not in ("bilinear", "nearest", "bicubic") or padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"grid_sample: mode is {mode!r}, padding_mode {padding_mode!r}; there are bilinear, nearest, "
                         "bicubic, and zeros, border, reflection")
    if mode == "bicubic" and axes == 3:
        raise ValueError("grid_sample: bicubic is for images without a depth")
    if 0 in input.shape[2:]:
        raise fl.ShapeError(f"grid_sample: input is {tuple(input.shape)}: there is nothing to read from")
    sizes = input.shape[2:]
    inside = [_inside(n, padding_mode, bool(align_corners)) for n in sizes]
    taps = []
    for axis, n in enumerate(sizes):
        at = grid[..., axes - 1 - axis]
        place = (at + 1.0) * (0.5 * (n - 1)) if align_corners else ((at + 1.0) * n - 1.0) * 0.5
        taps.append(_taps(place, mode, inside[axis]))
    parts = []
    for corner in itertools.product(*taps):
        weight = functools.reduce(operator.mul, [weight for _, weight in corner])
        parts.append(_read(input, [place for place, _ in corner]) * weight[:, None])
    return functools.reduce(operator.add, parts)


Tap = tuple[fl.Tensor, fl.Tensor]  # a whole place, and how much it counts


def _taps(place: fl.Tensor, mode: str, inside: Callable[[fl.Tensor], fl.Tensor]) -> list[Tap]:
    if mode == "bicubic":
        low = fl.floor(place)
        return [(inside(low + tap), _cubic(fl.abs(place - low - tap))) for tap in (-1.0, 0.0, 1.0, 2.0)]
    place = inside(place)
    if mode == "nearest":
        return [(fl.round(place), fl.ones_like(place))]
    low = fl.floor(place)
    return [(low, low + 1.0 - place), (low + 1.0, place - low)]


def _cubic(distance: fl.Tensor) -> fl.Tensor:
    """Keys' kernel, as interpolate has it."""
    d = distance
    near = ((CUBIC + 2.0) * d - (CUBIC + 3.0)) * d * d + 1.0
    return fl.where(d <= 1.0, near, ((CUBIC * d - 5.0 * CUBIC) * d + 8.0 * CUBIC) * d - 4.0 * CUBIC)


def _inside(n: int, padding_mode: str, align: bool) -> Callable[[fl.Tensor], fl.Tensor]:
    """What takes a place outside of 0 to n - 1 to where it is read, if it is."""

    def border(place: fl.Tensor) -> fl.Tensor:
        return fl.clip(place, 0.0, n - 1.0)

    def reflection(place: fl.Tensor) -> fl.Tensor:
        first, span = (0.0, n - 1.0) if align else (-0.5, float(n))
        if span == 0.0:
            return place * 0.0
        away = fl.abs(place - first)
        turns = fl.floor(away / span)
        rest = away - turns * span
        odd = turns - 2.0 * fl.floor(turns / 2.0) == 1.0
        return border(fl.where(odd, span - rest, rest) + first)

    return {"zeros": lambda place: place, "border": border, "reflection": reflection}[padding_mode]


def _read(x: fl.Tensor, places: list[fl.Tensor]) -> fl.Tensor:
    """The elements at whole places (n, ...) along each spatial axis: (n, c, ...), zeros outside of the image."""
    sizes, shape = x.shape[2:], places[0].shape
    index = fl.zeros(shape, dtype=fl.int64, device=x.device)
    seen = fl.ones(shape, dtype=fl.bool, device=x.device)
    for place, n in zip(places, sizes, strict=True):
        place = place.detach()
        there = (place >= 0.0) & (place <= n - 1.0)
        number = fl.where(there, place, 0.0).to(fl.int64)
        index, seen = index * n + number, seen & there
    flat = fl.reshape(x, (*x.shape[:2], -1))
    wanted = fl.broadcast_to(fl.reshape(index, (shape[0], 1, -1)), (shape[0], x.shape[1], index.size // shape[0]))
    found = fl.reshape(fl.take_along_axis(flat, wanted, axis=2), (shape[0], x.shape[1], *shape[1:]))
    return fl.where(seen[:, None], found, 0.0)
