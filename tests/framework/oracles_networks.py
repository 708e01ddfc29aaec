"""What NumPy says of convolutions, pools, norms, embedding, dropout and attention: see oracles.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from tests.framework.oracles_random import uniform

Array = np.ndarray[Any, np.dtype[Any]]
Attrs = tuple[Any, ...]


def _taps(kernel: Attrs, dilation: Attrs, stride: Attrs, counts: Attrs) -> Iterator[tuple[Any, tuple[slice, ...]]]:
    """Each kernel element and the slices of a padded input that all positions see under it."""
    for tap in product(*(range(k) for k in kernel)):
        starts = [t * d for t, d in zip(tap, dilation, strict=True)]
        yield (
            tap,
            tuple(slice(s, s + (n - 1) * step + 1, step) for s, n, step in zip(starts, counts, stride, strict=True)),
        )


def _zeros_around(x: Array, padding: Attrs) -> Array:
    axes = len(padding) // 2
    return np.pad(x, [(0, 0), (0, 0), *zip(padding[:axes], padding[axes:], strict=True)])


def convolution(inputs: list[Array], attrs: Attrs) -> Array:
    x, weight = inputs[:2]
    stride, padding, dilation, groups = attrs
    kernel = weight.shape[2:]
    padded = _zeros_around(x, padding)
    counts = tuple(
        (n - d * (k - 1) - 1) // s + 1 for n, k, d, s in zip(padded.shape[2:], kernel, dilation, stride, strict=True)
    )
    result = np.zeros((x.shape[0], groups, weight.shape[0] // groups, *counts))
    split = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    for tap, place in _taps(kernel, dilation, stride, counts):
        seen = padded[(slice(None), slice(None), *place)].reshape(x.shape[0], groups, weight.shape[1], *counts)
        result += np.einsum("ngc...,goc->ngo...", seen, split[(..., *tap)])
    result = result.reshape(x.shape[0], weight.shape[0], *counts)
    return result + inputs[2].reshape(-1, *[1] * len(kernel)) if len(inputs) > 2 else result


def convolution_input_grad(inputs: list[Array], attrs: Attrs) -> Array:
    g, weight = inputs
    shape, stride, padding, dilation, groups = attrs
    axes = len(shape)
    channels = weight.shape[1] * groups
    padded = np.zeros((g.shape[0], channels, *(n + padding[i] + padding[axes + i] for i, n in enumerate(shape))))
    split = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    given = g.reshape(g.shape[0], groups, weight.shape[0] // groups, *g.shape[2:])
    for tap, place in _taps(weight.shape[2:], dilation, stride, g.shape[2:]):
        part = np.einsum("ngo...,goc->ngc...", given, split[(..., *tap)])
        padded[(slice(None), slice(None), *place)] += part.reshape(g.shape[0], channels, *g.shape[2:])
    inside = tuple(slice(padding[i], padding[i] + n) for i, n in enumerate(shape))
    return np.asarray(padded[(slice(None), slice(None), *inside)])


def convolution_weight_grad(inputs: list[Array], attrs: Attrs) -> Array:
    g, x = inputs
    kernel, stride, padding, dilation, groups = attrs
    padded = _zeros_around(x, padding)
    result = np.zeros((g.shape[1], x.shape[1] // groups, *kernel))
    given = g.reshape(g.shape[0], groups, g.shape[1] // groups, int(np.prod(g.shape[2:])))
    for tap, place in _taps(kernel, dilation, stride, g.shape[2:]):
        seen = padded[(slice(None), slice(None), *place)]
        seen = seen.reshape(g.shape[0], groups, x.shape[1] // groups, given.shape[-1])
        result[(..., *tap)] = np.einsum("ngop,ngcp->goc", given, seen).reshape(result.shape[:2])
    return result


# ---- pools ----


def _windows(
    x: tuple[int, ...], kernel: Attrs, stride: Attrs, padding: Attrs, dilation: Attrs, ceil_mode: bool
) -> list[list[tuple[range, int]]]:
    """For each axis and position: the places inside x, and how many there are with the zeros around."""
    axes = []
    for n, k, s, p, d in zip(x, kernel, stride, padding, dilation, strict=True):
        count = -(-(n + 2 * p - d * (k - 1) - 1) // s) if ceil_mode else (n + 2 * p - d * (k - 1) - 1) // s
        count += 1
        if (count - 1) * s >= n + p:
            count -= 1
        whole = [range(i * s - p, i * s - p + d * (k - 1) + 1, d) for i in range(count)]
        axes.append(
            [
                (range(*(r[np.argmax([i >= 0 for i in r])], min(r[-1] + 1, n), d)), min(r[-1] + 1, n + p) - r[0])
                for r in whole
            ]
        )
    return axes


def _adaptive(x: tuple[int, ...], size: Attrs) -> list[list[tuple[range, int]]]:
    return [[(range(i * n // m, -(-(i + 1) * n // m)), 0) for i in range(m)] for n, m in zip(x, size, strict=True)]


def _each(axes: list[list[tuple[range, int]]]) -> Iterator[tuple[tuple[int, ...], Any, int, int]]:
    for place in product(*(range(len(axis)) for axis in axes)):
        chosen = [axis[i] for axis, i in zip(axes, place, strict=True)]
        counted = int(np.prod([count for _, count in chosen]))
        inside = int(np.prod([len(r) for r, _ in chosen]))
        yield place, np.ix_(*(list(r) for r, _ in chosen)), counted, inside


def _largest(x: Array, axes: list[list[tuple[range, int]]], g: Array | None = None) -> tuple[Array, Array, Array]:
    flat = np.arange(int(np.prod(x.shape[2:]))).reshape(x.shape[2:])
    shape = (*x.shape[:2], *(len(axis) for axis in axes))
    best, places, grad = np.zeros(shape), np.zeros(shape, dtype=np.int64), np.zeros(x.shape)
    for place, window, _, _ in _each(axes):
        numbers = flat[window].reshape(-1)
        for n, c in product(*(range(k) for k in x.shape[:2])):
            values = x[n, c][window].reshape(-1)
            chosen = int(np.flatnonzero(np.isnan(values))[-1]) if np.isnan(values).any() else int(np.argmax(values))
            best[(n, c, *place)], places[(n, c, *place)] = values[chosen], numbers[chosen]
            if g is not None:
                grad[n, c].reshape(-1)[numbers[chosen]] += g[(n, c, *place)]
    return best, places, grad


def _means(
    x_shape: tuple[int, ...],
    axes: list[list[tuple[range, int]]],
    divisor: Callable[[int, int], int],
    x: Array | None,
    g: Array | None,
) -> Array:
    shape = (*x_shape[:2], *(len(axis) for axis in axes))
    result = np.zeros(shape if g is None else x_shape)
    for place, window, counted, inside in _each(axes):
        for n, c in product(*(range(k) for k in x_shape[:2])):
            if g is None:
                result[(n, c, *place)] = x[n, c][window].sum() / divisor(counted, inside)  # type: ignore[index]  # x is given here
            else:
                result[n, c][window] += g[(n, c, *place)] / divisor(counted, inside)
    return result


def _avg(x: tuple[int, ...], attrs: Attrs) -> tuple[list[list[tuple[range, int]]], Callable[[int, int], int]]:
    kernel, stride, padding, ceil_mode, counts, divisor = attrs
    axes = _windows(x, kernel, stride, padding, (1,) * len(kernel), ceil_mode)
    return axes, lambda counted, inside: divisor or (counted if counts else inside)


def _avg_pool(x: list[Array], attrs: Attrs) -> Array:
    return _means(x[0].shape, *_avg(x[0].shape[2:], attrs), x[0], None)


def _avg_pool_grad(x: list[Array], attrs: Attrs) -> Array:
    return _means((*x[0].shape[:2], *attrs[0]), *_avg(attrs[0], attrs[1:]), None, x[0])


# ---- norms ----


def _normal(x: Array, axes: tuple[int, ...], eps: float, centered: bool = True) -> tuple[Array, Array]:
    away = x - x.mean(axis=axes, keepdims=True) if centered else x
    scale = 1 / np.sqrt((away * away).mean(axis=axes, keepdims=True) + eps)
    return away * scale, scale


def _grads(
    g: Array, factor: Array | float, normal: Array, scale: Array, axes: tuple[int, ...], centered: bool = True
) -> Array:
    scaled = g * factor
    middle = scaled.mean(axis=axes, keepdims=True) if centered else 0.0
    return np.asarray(scale * (scaled - middle - normal * (scaled * normal).mean(axis=axes, keepdims=True)))


def _rows(centered: bool) -> Callable[[list[Array], Attrs], Any]:
    def oracle(x: list[Array], attrs: Attrs) -> Any:
        if x[0].size == 0:
            return x[0]
        axes = tuple(range(x[0].ndim - attrs[0], x[0].ndim))
        y = _normal(x[0], axes, attrs[1], centered)[0]
        return y * (x[1] if len(x) > 1 else 1.0) + (x[2] if len(x) > 2 else 0.0)

    return oracle


def _rows_grad(centered: bool) -> Callable[[list[Array], Attrs], Any]:
    def oracle(x: list[Array], attrs: Attrs) -> Any:
        first = x[1].ndim - attrs[0]
        axes, leading = tuple(range(first, x[1].ndim)), tuple(range(first))
        normal, scale = _normal(x[1], axes, attrs[1], centered) if x[1].size else (x[1], x[1])
        dx = _grads(x[0], x[2] if len(x) > 2 else 1.0, normal, scale, axes, centered) if x[1].size else x[1]
        return [dx, (x[0] * normal).sum(axis=leading), x[0].sum(axis=leading)][: 3 if centered else 2]

    return oracle


def _channel(parameter: Array, ndim: int) -> Array:
    return parameter.reshape(-1, *[1] * (ndim - 2))


def _around(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _group_normal(x: Array, groups: int, eps: float) -> tuple[Array, Array]:
    return _normal(x.reshape(x.shape[0], groups, -1), (2,), eps)


def _group_norm(x: list[Array], attrs: Attrs) -> Any:
    if x[0].size == 0:
        return x[0]
    y = _group_normal(x[0], *attrs)[0].reshape(x[0].shape)
    y = y * (_channel(x[1], y.ndim) if len(x) > 1 else 1.0)
    return y + (_channel(x[2], y.ndim) if len(x) > 2 else 0.0)


def _group_norm_grad(inputs: list[Array], attrs: Attrs) -> Any:
    g, x = inputs[:2]
    if x.size == 0:
        return [x, np.zeros(x.shape[1]), np.zeros(x.shape[1])]
    normal, scale = _group_normal(x, *attrs)
    scaled = g * _channel(inputs[2], x.ndim) if len(inputs) > 2 else g
    dx = _grads(scaled.reshape(normal.shape), 1.0, normal, scale, (2,)).reshape(x.shape)
    return [dx, (g * normal.reshape(x.shape)).sum(axis=_around(x)), g.sum(axis=_around(x))]


def _batch_norm(x: list[Array], attrs: Attrs) -> Any:
    if x[0].size == 0:
        return [x[0], np.zeros(0), np.zeros(0)]
    y = _normal(x[0], _around(x[0]), attrs[0])[0] * (_channel(x[1], x[0].ndim) if len(x) > 1 else 1.0)
    y = y + (_channel(x[2], y.ndim) if len(x) > 2 else 0.0)
    return [y, x[0].mean(axis=_around(y)), x[0].var(axis=_around(y))]


def _batch_norm_grad(inputs: list[Array], attrs: Attrs) -> Any:
    g, x, mean, variance = inputs[:4]
    if x.size == 0:
        return [x, np.zeros(0), np.zeros(0)]
    scale = _channel(1 / np.sqrt(variance + attrs[0]), x.ndim)
    normal = (x - _channel(mean, x.ndim)) * scale
    dx = _grads(g, _channel(inputs[4], x.ndim) if len(inputs) > 4 else 1.0, normal, scale, _around(x))
    return [dx, (g * normal).sum(axis=_around(x)), g.sum(axis=_around(x))]


def _squares(x: Array) -> Array:
    """The squares of 2 by 2 of every plane, each in a row."""
    n, c, h, w = x.shape
    cut = x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2)
    return cut.transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)


def _batch_norm_max_pool(x: list[Array], attrs: Attrs) -> Any:
    y, mean, variance = _batch_norm(x, attrs)
    return [_squares(y).max(axis=-1), mean, variance]


def _batch_norm_max_pool_grad(inputs: list[Array], attrs: Attrs) -> Any:
    g, x, mean, variance, weight, bias = inputs
    y = (x - _channel(mean, 4)) * _channel(weight / np.sqrt(variance + attrs[0]), 4) + _channel(bias, 4)
    taken = np.eye(4)[_squares(y).argmax(axis=-1)] * g[..., None]
    n, c, h, w = g.shape
    dy = np.zeros(x.shape)
    dy[:, :, : 2 * h, : 2 * w] = taken.reshape(n, c, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, 2 * h, 2 * w)
    return _batch_norm_grad([dy, x, mean, variance, weight], attrs)


def _max_axes(x: Array, attrs: Attrs) -> list[list[tuple[range, int]]]:
    return _windows(x.shape[2:], *attrs)


def _dropout(x: list[Array], attrs: Attrs) -> Array:
    p, seed, offset = attrs
    drawn = uniform([], (x[0].shape, seed, offset, "float32"))
    return np.where(drawn >= np.float32(p), x[0] / (1 - p), 0.0)


def _scores(query: Array, key: Array, mask: Array | None, causal: bool, scale: float) -> Array:
    scores = scale * query @ np.swapaxes(key, -1, -2)
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    if mask is None:
        return scores
    return np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask


def _for_heads(x: Array, heads: int) -> Array:
    return x if x.ndim < 3 else np.repeat(x, heads // x.shape[-3], axis=-3)


def _attention(x: list[Array], attrs: Attrs) -> list[Array]:
    query, key, value = x[:3]
    heads = query.shape[-3] if query.ndim > 2 else 1
    scores = _scores(query, _for_heads(key, heads), x[3] if len(x) > 3 else None, *attrs)
    seen = np.isfinite(scores).any(axis=-1, keepdims=True)
    top = np.where(seen, scores.max(axis=-1, keepdims=True), 0.0)
    total = np.exp(scores - top).sum(axis=-1, keepdims=True)
    weights = np.where(seen, np.exp(scores - top) / total, 0.0)
    return [weights @ _for_heads(value, heads), np.where(seen, top + np.log(total), np.inf)[..., 0]]


def _attention_grad(x: list[Array], attrs: Attrs) -> list[Array]:
    query, key, value, lse, delta, g = x[:6]
    heads = query.shape[-3] if query.ndim > 2 else 1
    keys, values = _for_heads(key, heads), _for_heads(value, heads)
    scores = _scores(query, keys, x[6] if len(x) > 6 else None, *attrs)
    seen = np.isfinite(scores).any(axis=-1, keepdims=True)
    p = np.where(seen, np.exp(scores - lse[..., None]), 0.0)
    ds = attrs[1] * p * (g @ np.swapaxes(values, -1, -2) - delta[..., None])

    def summed(y: Array, like: Array) -> Array:
        shared = heads // like.shape[-3] if like.ndim > 2 else 1
        return y if shared == 1 else y.reshape(*like.shape[:-2], shared, *like.shape[-2:]).sum(axis=-3)

    return [ds @ keys, summed(np.swapaxes(ds, -1, -2) @ query, key), summed(np.swapaxes(p, -1, -2) @ g, value)]


NUMPY: dict[str, Callable[[list[Array], Attrs], Any]] = {
    "convolution": convolution,
    "convolution_input_grad": convolution_input_grad,
    "convolution_weight_grad": convolution_weight_grad,
    "max_pool": lambda x, attrs: _largest(x[0], _max_axes(x[0], attrs))[0],
    "max_pool_indices": lambda x, attrs: _largest(x[0], _max_axes(x[0], attrs))[1],
    "max_pool_grad": lambda x, attrs: _largest(x[1], _max_axes(x[1], attrs), x[0])[2],
    "avg_pool": _avg_pool,
    "avg_pool_grad": _avg_pool_grad,
    "adaptive_avg_pool": lambda x, attrs: _means(
        x[0].shape, _adaptive(x[0].shape[2:], attrs[0]), lambda _, n: n, x[0], None
    ),
    "adaptive_avg_pool_grad": lambda x, attrs: _means(
        (*x[0].shape[:2], *attrs[0]), _adaptive(attrs[0], x[0].shape[2:]), lambda _, n: n, None, x[0]
    ),
    "adaptive_max_indices": lambda x, attrs: _largest(x[0], _adaptive(x[0].shape[2:], attrs[0]))[1],
    "layer_norm": _rows(True),
    "layer_norm_grad": _rows_grad(True),
    "rms_norm": _rows(False),
    "rms_norm_grad": _rows_grad(False),
    "group_norm": _group_norm,
    "group_norm_grad": _group_norm_grad,
    "batch_norm": _batch_norm,
    "batch_norm_grad": _batch_norm_grad,
    "batch_norm_max_pool": _batch_norm_max_pool,
    "batch_norm_max_pool_grad": _batch_norm_max_pool_grad,
    "embedding": lambda x, attrs: x[0][x[1]],
    "dropout": _dropout,
    "attention": _attention,
    "attention_grad": _attention_grad,
}
