"""Layers that move memory or mix it: pooling, batch norm, attention."""

from __future__ import annotations

import math
from typing import Any

from tests.speed.rows import Row, Work

FEATURES = (16, 64, 56, 56)
ELEMENTS = float(math.prod(FEATURES))
HEADS = (8, 6, 256, 64)  # batch, heads, length, width of a head


def _max_pool(lib: Any) -> Work:
    return lib.work(lib.max_pool, lib.given(*FEATURES))


def _max_pool_step(lib: Any) -> Work:
    return lib.gradients(lib.max_pool, [lib.given(*FEATURES, grad=True)], lib.given(16, 64, 28, 28, seed=1))


def _batch_norm(lib: Any) -> Work:
    return lib.work(lib.batch_norm, lib.given(*FEATURES), lib.given(64, seed=1), lib.given(64, seed=2))


def _batch_norm_step(lib: Any) -> Work:
    inputs = [lib.given(*FEATURES, grad=True), lib.given(64, seed=1, grad=True), lib.given(64, seed=2, grad=True)]
    return lib.gradients(lib.batch_norm, inputs, lib.given(*FEATURES, seed=3))


def _attention_step(lib: Any) -> Work:
    inputs = [lib.given(*HEADS, seed=seed, grad=True) for seed in range(3)]
    return lib.gradients(lib.attention, inputs, lib.given(*HEADS, seed=3))


ROWS = (
    Row("max_pool", "max_pool2d 2x2, 16 x 64 x 56 x 56", _max_pool, {"B": 4.0},
        means=("channels_last", "channels_last+compile"), peers=("jax",), elements=ELEMENTS,
        limit="pool_elements_per_s"),
    Row("max_pool_step", "max_pool2d 2x2, gradient too", _max_pool_step, {"B": 4.0}, means=("channels_last",),
        peers=("jax",), elements=ELEMENTS, limit="pool_step_elements_per_s"),
    Row("batch_norm", "batch_norm while training, 16 x 64 x 56 x 56", _batch_norm, {"B": 4.0},
        means=("channels_last",), peers=("jax",), elements=ELEMENTS, limit="norm_elements_per_s"),
    Row("batch_norm_step", "batch_norm while training, gradients too", _batch_norm_step, {"B": 4.0},
        means=("channels_last",), peers=("jax",), elements=ELEMENTS, limit="norm_step_elements_per_s"),
    # Two products forward and four backward, each of 2 x 48 x 256 x 256 x 64.
    Row("attention_step", "attention, 8 x 6 heads x 256 x 64, gradients too", _attention_step, {"B": 2.0},
        peers=("jax",), operations=6 * 2.0 * 48 * 256**2 * 64),
)  # fmt: skip
