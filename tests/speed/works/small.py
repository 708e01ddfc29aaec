"""Small work, where the cost of a call is everything."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

from tests.speed.rows import Row, Work


def _add(lib: Any) -> Work:
    return lib.work(operator.add, lib.given(100), lib.given(100, seed=1))


def _add_grad(lib: Any) -> Work:
    return lib.work(operator.add, lib.given(100, grad=True), lib.given(100, seed=1, grad=True))


def _backward(lib: Any) -> Work:
    relu, total = lib.relu, lib.sum
    inputs = [lib.given(100, seed=seed, grad=True) for seed in range(3)]
    return lib.gradients(lambda a, b, c: total(relu(a * b + c)), inputs)


def _mlp_step(lib: Any, batch: int) -> Work:
    if not hasattr(lib, "nn"):
        return lib.networks.mlp_step(lib, batch, (64, 64, 10))
    nn = lib.nn
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return lib.training(net, nn.CrossEntropyLoss(), lib.given(batch, 64), lib.integers(10, batch), "SGD", lr=0.01)


def _digits_step(lib: Any) -> Work:
    if not hasattr(lib, "nn"):
        return lib.networks.mlp_step(lib, 128, (64, 128, 64, 10), adam=True)
    nn = lib.nn
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    return lib.training(net, nn.CrossEntropyLoss(), lib.given(128, 64), lib.integers(10, 128), "AdamW", lr=3e-3)


ROWS = (
    Row("small_add", "a + b, 100 float32", _add, {"E": 4.0, "numpy": 1 / 1.2}, peers=("numpy", "jax"), threads=(1,)),
    Row("small_add_grad", "a + b recorded for gradients", _add_grad, {"E": 4.0}, threads=(1,)),
    Row("small_backward", "sum(relu(a * b + c)) and its gradients, 100", _backward, {"E": 6.0}, peers=("jax",),
        threads=(1,)),
    Row("mlp_1", "MLP 64-64-10, one SGD step, batch 1", partial(_mlp_step, batch=1), {"E": 3.0}, means=("fused",),
        peers=("numpy", "jax"), threads=(1,)),
    Row("mlp_32", "MLP 64-64-10, batch 32", partial(_mlp_step, batch=32), {"E": 3.0}, means=("fused",),
        peers=("numpy", "jax"), threads=(1,)),
    Row("digits_step", "digits MLP, one AdamW step, batch 128", _digits_step, {"E": 2.0},
        means=("fused",), peers=("jax",)),
)  # fmt: skip
