"""What NumPy says of padding, weighted sums along an axis and images read between their elements: see oracles.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Attrs = tuple[Any, ...]

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _pad(x: list[Array], attrs: Attrs) -> Array:
    before, behind, mode = attrs
    options = {"constant_values": x[1] if len(x) > 1 else 0} if mode == "constant" else {}
    if x[0].ndim == 0:
        return x[0]
    if 0 in x[0].shape and mode != "constant":  # nothing is added where there is nothing
        return np.zeros([n + b + e for n, b, e in zip(x[0].shape, before, behind, strict=True)])
    return np.pad(x[0], list(zip(before, behind, strict=True)), _MODES[mode], **options)


def _pad_grad(x: list[Array], attrs: Attrs) -> Array:
    before, behind = attrs[:2]
    g = x[0]
    shape = [n - b - e for n, b, e in zip(g.shape, before, behind, strict=True)]
    places = _pad([np.arange(1, 1 + int(np.prod(shape))).reshape(shape)], attrs).astype(int).reshape(-1)
    sums = np.zeros(1 + int(np.prod(shape)), g.dtype)
    np.add.at(sums, places, g.reshape(-1))  # what is constant comes from element 0, which nobody asks for
    return sums[1:].reshape(shape)


def _weighted_take(x: list[Array], attrs: Attrs) -> Array:
    moved = np.moveaxis(x[0], attrs[0], -1)
    return np.moveaxis((moved[..., x[1]] * x[2]).sum(-2), -1, attrs[0])


def _weighted_take_grad(x: list[Array], attrs: Attrs) -> Array:
    axis, size = attrs
    shares = np.moveaxis(x[0], axis, -1)[..., None, :] * x[2]
    result = np.zeros((*shares.shape[:-2], size))
    np.add.at(result, (..., x[1]), shares)
    return np.moveaxis(result, -1, axis)


def _reflected(place: float, n: int, align: bool) -> tuple[float, float]:
    low, high = (0.0, n - 1.0) if align else (-0.5, n - 0.5)
    if low == high:
        return 0.0, 0.0
    slope = 1.0
    while not low <= place <= high:
        place, slope = (2 * low - place if place < low else 2 * high - place), -slope
    return place, slope


def _inside(place: float, n: int, outside: str, align: bool) -> tuple[float, float]:
    """Where it is read, and how fast that moves with the place."""
    if outside == "zeros":
        return place, 1.0
    place, slope = _reflected(place, n, align) if outside == "reflection" else (place, 1.0)
    return min(max(place, 0.0), n - 1.0), slope if 0 < place < n - 1 else 0.0


def _cubic(d: float) -> float:
    a, d = -0.75, abs(d)
    return (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a


def _cubic_slope(d: float) -> float:
    a, sign, d = -0.75, np.sign(d), abs(d)
    return sign * (3 * (a + 2) * d**2 - 2 * (a + 3) * d if d <= 1 else 3 * a * d**2 - 10 * a * d + 8 * a)


def _taps(at: float, n: int, mode: str, outside: str, align: bool) -> list[tuple[int, float, float]]:
    """What an axis n long reads at a place from -1 to 1: numbers, weights, and the weights' slopes."""
    scale = (n - 1) / 2 if align else n / 2
    place = (at + 1) * scale if align else (at + 1) * scale - 0.5
    if mode == "bicubic":
        low = int(np.floor(place))
        return [(int(_inside(low + tap, n, outside, align)[0]), _cubic(place - low - tap),
                 _cubic_slope(place - low - tap) * scale) for tap in range(-1, 3)]  # fmt: skip
    place, slope = _inside(place, n, outside, align)
    if mode == "nearest":
        return [(round(place), 1.0, 0.0)]
    low = int(np.floor(place))
    return [(low, low + 1 - place, -slope * scale), (low + 1, place - low, slope * scale)]


def _corners(grid: Array, sizes: Attrs, how: Attrs) -> Iterator[tuple[tuple[int, ...], Any, float, list[float]]]:
    """Each point, an element (batch, slice, ...) that it reads, with what weight, and the weight's slopes."""
    axes = len(sizes)
    for point in np.ndindex(grid.shape[:-1]):
        each = [_taps(grid[point][axes - 1 - a], n, *how) for a, n in enumerate(sizes)]
        for corner in product(*each):
            if not all(0 <= number < n for (number, _, _), n in zip(corner, sizes, strict=True)):
                continue
            weights = [weight for _, weight, _ in corner]
            slopes = [np.prod([*weights[:a], corner[a][2], *weights[a + 1 :]]) for a in range(axes)]
            yield point, (point[0], slice(None), *(number for number, _, _ in corner)), float(np.prod(weights)), slopes


def _grid_sample(x: list[Array], attrs: Attrs) -> Array:
    image, grid = x
    result = np.zeros((*image.shape[:2], *grid.shape[1:-1]))
    for (n, *place), element, weight, _ in _corners(grid, image.shape[2:], attrs):
        result[(n, slice(None), *place)] += weight * image[element]
    return result


def _input_grad(x: list[Array], attrs: Attrs) -> Array:
    g, grid = x
    result = np.zeros((*g.shape[:2], *attrs[0]))
    for (n, *place), element, weight, _ in _corners(grid, attrs[0], attrs[1:]):
        result[element] += weight * g[(n, slice(None), *place)]
    return result


def _grid_grad(x: list[Array], attrs: Attrs) -> Array:
    g, image, grid = x
    result = np.zeros(grid.shape)
    for (n, *place), element, _, slopes in _corners(grid, image.shape[2:], attrs):
        result[(n, *place)] += (image[element] * g[(n, slice(None), *place)]).sum() * np.array(slopes[::-1])
    return result


NUMPY: dict[str, Callable[[list[Array], Attrs], Any]] = {
    "pad": _pad,
    "pad_grad": _pad_grad,
    "weighted_take": _weighted_take,
    "weighted_take_grad": _weighted_take_grad,
    "grid_sample": _grid_sample,
    "grid_sample_input_grad": _input_grad,
    "grid_sample_grid_grad": _grid_grad,
}
