"""NumPy's network, its gradients written by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from tests.speed.rows import Work


def mlp_step(lib: Any, batch: int, sizes: tuple[int, int, int]) -> Work:
    """A step of gradient descent of two linear layers with relu between and cross entropy after them."""
    draw = np.random.default_rng(0)
    w1, w2 = (draw.standard_normal(shape, dtype=np.float32) / 8 for shape in pairwise(sizes))
    b1, b2 = np.zeros(sizes[1], np.float32), np.zeros(sizes[2], np.float32)
    x, classes, places = lib.given(batch, sizes[0]), lib.integers(sizes[2], batch), np.arange(batch)
    rate = np.float32(0.01)

    def step() -> None:
        hidden = np.maximum(x @ w1 + b1, 0)
        logits = hidden @ w2 + b2
        g = np.exp(logits - logits.max(axis=1, keepdims=True))
        g /= g.sum(axis=1, keepdims=True)
        g[places, classes] -= 1
        g /= batch
        g_hidden = (g @ w2.T) * (hidden > 0)
        w2[...] -= rate * (hidden.T @ g)
        b2[...] -= rate * g.sum(axis=0)
        w1[...] -= rate * (x.T @ g_hidden)
        b1[...] -= rate * g_hidden.sum(axis=0)

    return step
