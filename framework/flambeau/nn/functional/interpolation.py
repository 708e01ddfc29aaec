"""Images in another size."""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Sequence
from typing import Literal

import flambeau as fl
from flambeau import _core
from flambeau.nn.functional.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from flambeau.nn.functional.sizes import many

Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area", "lanczos"]
_AXES = {"linear": (1,), "bilinear": (2,), "bicubic": (2,), "trilinear": (3,), "lanczos": (2,)}
_REACHES = {"bilinear": 1, "bicubic": 2, "lanczos": 3}  # so far from a place elements count, where nothing shrinks
_weighted_take = _core.ops["weighted_take"]
CUBIC = -0.75  # the slope at the neighbours, as PyTorch and OpenCV have it


def interpolate(
    input: fl.Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: Mode = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> fl.Tensor:
    """Input (n, channels, ...) in another spatial size, given as such or by a factor.

    With align_corners the centers of the outermost elements stay where they are, else the edges of the image. With
    antialias ("bilinear", "bicubic" and "lanczos") a smaller image is made of all elements, not only of those next to
    its places, as image programs do. Places are computed in float64, those of "nearest" in float32 as in PyTorch.
    Raises: ValueError unless exactly one of size and scale_factor is given and the mode fits the number of axes.

    >>> interpolate(fl.tensor([[[1.0, 3.0]]]), size=4, mode="linear").tolist()
    [[[1.0, 1.5, 2.5, 3.0]]]
    """
    axes = input.ndim - 2
    if not 1 <= axes <= 3:
        raise fl.ShapeError(f"interpolate: input is {tuple(input.shape)}; it must be (n, channels, ...) with one to "
                            "three spatial axes")
    if mode not in ("nearest", "nearest-exact", "area") and axes not in _AXES.get(mode, ()):
        known = "nearest, nearest-exact, area, linear (one axis), bilinear, bicubic, lanczos (two), trilinear (three)"
        raise ValueError(f"interpolate: mode is {mode!r} for {axes} spatial axes; there are {known}")
    if align_corners is not None and mode not in _AXES:
        raise ValueError(f"interpolate: align_corners means nothing to mode {mode!r}; leave it out")
    if align_corners and mode == "lanczos":
        raise ValueError("interpolate: align_corners=True is not defined for mode 'lanczos'; leave it out, or take "
                         "bicubic")
    if recompute_scale_factor and size is not None:
        raise ValueError(f"interpolate: recompute_scale_factor means nothing beside size {size}; leave it out")
    if (antialias and mode not in _REACHES) or (mode == "lanczos" and not antialias):
        raise ValueError(f"interpolate: mode is {mode!r} and antialias {antialias}: antialias goes with bilinear, "
                         "bicubic and lanczos, and lanczos with nothing else")
    wanted, scales = _wanted(input, size, scale_factor, bool(recompute_scale_factor), axes)
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[axes - 1](input, wanted)
    result = input
    for i, (to, scale) in enumerate(zip(wanted, scales, strict=True)):
        n = input.shape[i + 2]
        if antialias:
            result = _weighted(result, i + 2, _filtered(n, to, scale, bool(align_corners), mode))
        elif mode in ("nearest", "nearest-exact"):
            places = _nearest(n, to, scale, 0.5 if mode == "nearest-exact" else 0.0)
            result = fl.take(result, fl.tensor(places, dtype="int32", device=input.device), axis=i + 2)
        else:
            result = _weighted(result, i + 2, _next_to(n, to, scale, bool(align_corners), mode == "bicubic"))
    return result


def pixel_shuffle(input: fl.Tensor, upscale_factor: int) -> fl.Tensor:
    """Channels laid out as pixels: (..., c r r, h, w) -> (..., c, h r, w r) with r = upscale_factor.

    >>> pixel_shuffle(fl.tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """
    r = upscale_factor
    if r < 1 or input.ndim < 3 or input.shape[-3] % (r * r):
        raise fl.ShapeError(f"pixel_shuffle: input is {tuple(input.shape)}, upscale_factor {r}: (..., channels, h, w) "
                            f"with channels divisible by {r * r} is needed")
    lead, (c, h, w) = tuple(input.shape[:-3]), input.shape[-3:]
    n = len(lead)
    parts = fl.reshape(input, (*lead, c // (r * r), r, r, h, w))
    turned = fl.permute_dims(parts, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return fl.reshape(turned, (*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: fl.Tensor, downscale_factor: int) -> fl.Tensor:
    """The inverse of pixel_shuffle: (..., c, h r, w r) -> (..., c r r, h, w).

    >>> pixel_unshuffle(fl.ones((1, 2, 4, 6)), 2).shape
    (1, 8, 2, 3)
    """
    r = downscale_factor
    if r < 1 or input.ndim < 3 or input.shape[-2] % r or input.shape[-1] % r:
        raise fl.ShapeError(f"pixel_unshuffle: input is {tuple(input.shape)}, downscale_factor {r}: (..., channels, "
                            "h, w) with h and w divisible by it is needed")
    lead, (c, h, w) = tuple(input.shape[:-3]), input.shape[-3:]
    n = len(lead)
    parts = fl.reshape(input, (*lead, c, h // r, r, w // r, r))
    turned = fl.permute_dims(parts, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return fl.reshape(turned, (*lead, c * r * r, h // r, w // r))


def channel_shuffle(input: fl.Tensor, groups: int) -> fl.Tensor:
    """The channels (n, c, ...) dealt out: the first of each of `groups` parts, then the second of each, ...

    Source: Zhang and others, arXiv:1707.01083.

    >>> channel_shuffle(fl.tensor([[[1.0], [2.0], [3.0], [4.0]]]), 2)[0, :, 0].tolist()
    [1.0, 3.0, 2.0, 4.0]
    """
    if input.ndim < 3 or groups < 1 or input.shape[1] % groups:
        raise fl.ShapeError(f"channel_shuffle: input is {tuple(input.shape)}, groups {groups}: (n, channels, ...) with "
                            "channels divisible by groups is needed")
    n, c, *rest = input.shape
    parts = fl.reshape(input, (n, groups, c // groups, *rest))
    return fl.reshape(fl.moveaxis(parts, 1, 2), (n, c, *rest))


def _wanted(
    x: fl.Tensor,
    size: int | Sequence[int] | None,
    scale_factor: float | Sequence[float] | None,
    recompute: bool,
    axes: int,
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The new sizes, and the factors where they were given and count."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: size is {size}, scale_factor {scale_factor}; give one of them")
    if size is not None:
        wanted, factors = many("interpolate", size, axes), None
    else:
        given = scale_factor if isinstance(scale_factor, Sequence) else (float(scale_factor or 0.0),) * axes
        if len(given) != axes:
            raise ValueError(f"interpolate: scale_factor is {scale_factor} for {axes} spatial axes")
        factors = tuple(float(f) for f in given)
        exact = [n * f for n, f in zip(x.shape[2:], factors, strict=True)]
        if not all(map(math.isfinite, exact)):
            raise ValueError(f"interpolate: scale_factor {scale_factor} makes sizes of {exact}; give finite ones")
        wanted = tuple(map(math.floor, exact))
    if min(wanted) < 1 or 0 in x.shape[2:]:
        raise fl.ShapeError(f"interpolate: input is {tuple(x.shape)}, the new size {wanted}: sizes are at least 1")
    return wanted, (None,) * axes if factors is None or recompute else factors


def _single(value: float) -> float:
    """The nearest float32."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _nearest(n: int, to: int, factor: float | None, shift: float) -> list[int]:
    step = _single(1.0 / factor) if factor else _single(n / to)
    return [min(math.floor(_single((i + shift) * step)), n - 1) for i in range(to)]


def _weighted(x: fl.Tensor, axis: int, taps: _Taps) -> fl.Tensor:
    indices, weights = taps
    return _weighted_take(x, fl.tensor(indices, dtype="int32", device=x.device),
                          fl.tensor(weights, dtype=x.dtype, device=x.device), axis)  # fmt: skip


# Which elements (taps, to) make each of `to` new ones of n, and how much each counts.
_Taps = tuple[list[list[int]], list[list[float]]]


@functools.lru_cache(maxsize=128)
def _next_to(n: int, to: int, factor: float | None, align: bool, cubic: bool) -> _Taps:
    """The elements next to a place: two, or four."""
    if align:
        step = (n - 1) / (to - 1) if to > 1 else 0.0
        places = [i * step for i in range(to)]
    else:
        step = 1.0 / factor if factor else n / to
        places = [(i + 0.5) * step - 0.5 for i in range(to)]
    if cubic:
        taps = range(-1, 3)
        weights = [[_cubic(place - math.floor(place) - tap) for place in places] for tap in taps]
    else:
        places = [min(max(place, 0.0), n - 1.0) for place in places]
        taps = range(2)
        weights = [[1.0 - abs(place - math.floor(place) - tap) for place in places] for tap in taps]
    return [[min(max(math.floor(place) + tap, 0), n - 1) for place in places] for tap in taps], weights


@functools.lru_cache(maxsize=128)
def _filtered(n: int, to: int, factor: float | None, align: bool, mode: str) -> _Taps:
    """All elements under a filter as wide as the share of them that a new one stands for."""
    step = ((n - 1) / (to - 1) if to > 1 else 0.0) if align else 1.0 / factor if factor else n / to
    wide = max(step, 1.0)
    indices, rows = [], []
    for i in range(to):
        center = step * (i + 0.5)
        first, last = (int(center + sign * _REACHES[mode] * wide + 0.5) for sign in (-1, 1))
        first, last = max(first, 0), min(last, n)
        weights = [_FILTERS[mode]((j - center + 0.5) / wide) for j in range(first, last)]
        total = sum(weights)
        indices.append(list(range(first, last)))
        rows.append([weight / total for weight in weights])
    taps = range(max(len(row) for row in rows))
    return ([[row[t] if t < len(row) else row[0] for row in indices] for t in taps],
            [[row[t] if t < len(row) else 0.0 for row in rows] for t in taps])  # fmt: skip


def _cubic(distance: float, slope: float = CUBIC) -> float:
    """Keys' kernel. Source: Keys, Cubic convolution interpolation for digital image processing, 1981."""
    d = abs(distance)
    if d <= 1.0:
        return ((slope + 2.0) * d - (slope + 3.0)) * d * d + 1.0
    return ((slope * d - 5.0 * slope) * d + 8.0 * slope) * d - 4.0 * slope if d < 2.0 else 0.0


def _lanczos(distance: float) -> float:
    d = math.pi * abs(distance)
    return 1.0 if d == 0 else 3.0 * math.sin(d) * math.sin(d / 3.0) / (d * d) if d < 3.0 * math.pi else 0.0


_FILTERS: dict[str, Callable[[float], float]] = {
    "bilinear": lambda d: max(1.0 - abs(d), 0.0),
    "bicubic": lambda d: _cubic(d, -0.5),  # as Pillow has it, where the filter without antialias is OpenCV's
    "lanczos": _lanczos,
}
