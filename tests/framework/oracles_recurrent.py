"""What NumPy says of recurrent layers through all steps: see oracles.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Attrs = tuple[Any, ...]


def _sigmoid(x: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _steps(counts: Attrs, reverse: bool) -> list[tuple[slice, int]]:
    """The rows of each step in the order of computation, and how many of its sequences the step before had."""
    places = list(reversed(range(len(counts)))) if reverse else list(range(len(counts)))
    starts = np.cumsum([0, *counts])
    before = [0, *(counts[t] for t in places[:-1])]
    return [(slice(int(starts[t]), int(starts[t + 1])), min(counts[t], n)) for t, n in zip(places, before, strict=True)]


def _enter(now: Array, first: Array, rows: slice, old: int) -> Array:
    return np.concatenate([now[:old], first[old : rows.stop - rows.start]])


def _leave(flowing: Array, rows: slice, first: Array) -> Array:
    """A gradient for the sequences of this step; that of those it has not is put into `first`."""
    n = rows.stop - rows.start
    first[n : len(flowing)] = flowing[n:]
    return np.concatenate([flowing[:n], np.zeros((max(0, n - len(flowing)), flowing.shape[1]))])


def _lstm(inputs: list[Array], attrs: Attrs) -> list[Array]:
    x, weight, first_h, first_c = inputs[:4]
    units = first_c.shape[1]
    projection = inputs[4] if len(inputs) > 4 else np.eye(units)
    y, cells, gates = np.zeros((len(x), len(projection))), np.zeros((len(x), units)), np.zeros(x.shape)
    h, c = first_h, first_c
    for rows, old in _steps(*attrs):
        h, c = _enter(h, first_h, rows, old), _enter(c, first_c, rows, old)
        sums = x[rows] + h @ weight.T
        gates[rows] = _sigmoid(sums)
        gates[rows, 2 * units : 3 * units] = np.tanh(sums[:, 2 * units : 3 * units])
        i, f, g, o = np.split(gates[rows], 4, axis=1)
        c = f * c + i * g
        h = o * np.tanh(c) @ projection.T
        y[rows], cells[rows] = h, c
    return [y, cells, gates]


def _lstm_grad(inputs: list[Array], attrs: Attrs) -> list[Array]:
    dy, gates, cells, first, weight = inputs[:5]
    dc_given = inputs[5] if len(inputs) > 5 else np.zeros(cells.shape)
    dgates = inputs[6] if len(inputs) > 6 else np.zeros(gates.shape)
    projection = inputs[7] if len(inputs) > 7 else np.eye(cells.shape[1])
    dx, dh0, dc0 = np.zeros(gates.shape), np.zeros((len(first), dy.shape[1])), np.zeros(first.shape)
    dh, carried = dh0[:0], dc0[:0]
    steps = _steps(*attrs)
    for place in reversed(range(len(steps))):
        rows, old = steps[place]
        i, f, g, o = np.split(gates[rows], 4, axis=1)
        before = _enter(cells[steps[place - 1][0]] if place else first, first, rows, old)
        bent = np.tanh(cells[rows])
        dh = _leave(dh, rows, dh0) + dy[rows]
        hidden = dh @ projection
        dc = _leave(carried, rows, dc0) + dc_given[rows] + hidden * o * (1 - bent**2)
        each = np.concatenate([dc * g, dc * before, dc * i, hidden * bent], axis=1) + dgates[rows]
        dx[rows] = each * np.concatenate([i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)], axis=1)
        dh, carried = dx[rows] @ weight, dc * f
    dh0[: len(dh)], dc0[: len(carried)] = dh, carried
    return [dx, dh0, dc0]


def _gru(inputs: list[Array], attrs: Attrs) -> list[Array]:
    x, weight, first = inputs[:3]
    units = first.shape[1]
    bias = inputs[3] if len(inputs) > 3 else np.zeros(3 * units)
    y, gates, h = np.zeros((len(x), units)), np.zeros((len(x), 4 * units)), first
    for rows, old in _steps(*attrs):
        h = _enter(h, first, rows, old)
        product = h @ weight.T + bias
        both = _sigmoid(x[rows, : 2 * units] + product[:, : 2 * units])
        r, z, m = both[:, :units], both[:, units:], product[:, 2 * units :]
        s = np.tanh(x[rows, 2 * units :] + r * m)
        h = (1 - z) * s + z * h
        y[rows], gates[rows] = h, np.concatenate([r, z, s, m], axis=1)
    return [y, gates]


def _gru_grad(inputs: list[Array], attrs: Attrs) -> list[Array]:
    dy, gates, y, first, weight = inputs[:5]
    given = inputs[5] if len(inputs) > 5 else np.zeros(gates.shape)
    units = dy.shape[1]
    dx, dproducts, dh0 = np.zeros((len(dy), 3 * units)), np.zeros((len(dy), 3 * units)), np.zeros(first.shape)
    dh = dh0[:0]
    steps = _steps(*attrs)
    for place in reversed(range(len(steps))):
        rows, old = steps[place]
        r, z, s, m = np.split(gates[rows], 4, axis=1)
        dr, dz, ds, dm = np.split(given[rows], 4, axis=1)
        before = _enter(y[steps[place - 1][0]] if place else first, first, rows, old)
        dh = _leave(dh, rows, dh0) + dy[rows]
        at_s = (ds + dh * (1 - z)) * (1 - s**2)
        both = [(dr + at_s * m) * r * (1 - r), (dz + dh * (before - s)) * z * (1 - z)]
        dx[rows] = np.concatenate([*both, at_s], axis=1)
        dproducts[rows] = np.concatenate([*both, dm + at_s * r], axis=1)
        dh = dh * z + dproducts[rows] @ weight
    dh0[: len(dh)] = dh
    return [dx, dproducts, dh0]


def _rnn(inputs: list[Array], attrs: Attrs) -> Array:
    x, weight, first = inputs
    counts, reverse, relu = attrs
    y, h = np.zeros(x.shape), first
    for rows, old in _steps(counts, reverse):
        sums = x[rows] + _enter(h, first, rows, old) @ weight.T
        y[rows] = h = np.maximum(sums, 0) if relu else np.tanh(sums)
    return y


def _rnn_grad(inputs: list[Array], attrs: Attrs) -> list[Array]:
    dy, y, first, weight = inputs
    counts, reverse, relu = attrs
    dx, dh0 = np.zeros(dy.shape), np.zeros(first.shape)
    dh = dh0[:0]
    for rows, _ in reversed(_steps(counts, reverse)):
        dh = _leave(dh, rows, dh0) + dy[rows]
        dx[rows] = dh * (y[rows] > 0) if relu else dh * (1 - y[rows] ** 2)
        dh = dx[rows] @ weight
    dh0[: len(dh)] = dh
    return [dx, dh0]


NUMPY: dict[str, Callable[[list[Array], Attrs], Any]] = {
    "lstm": _lstm,
    "lstm_grad": _lstm_grad,
    "gru": _gru,
    "gru_grad": _gru_grad,
    "rnn": _rnn,
    "rnn_grad": _rnn_grad,
}
