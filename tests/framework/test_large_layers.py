"""Norms and pools whose results are so large that they are written past the caches, and sums that could cancel."""

from __future__ import annotations

from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau.nn import functional

LARGE = (5, 67, 81, 79)  # 8.6 MB, and no plane begins where a vector may
Numbers = np.ndarray[Any, np.dtype[Any]]


def numbers(*shape: int, seed: int = 0) -> Numbers:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def normalized(x: Numbers, g: Numbers) -> tuple[Numbers, Numbers]:
    """Batch norm by its definition, in double, and the gradient for x."""
    axes = (0, 2, 3)
    wide, flow = x.astype(np.float64), g.astype(np.float64)
    mean, scale = wide.mean(axes, keepdims=True), 1 / np.sqrt(wide.var(axes, keepdims=True) + 1e-5)
    y = (wide - mean) * scale
    return y, scale * (flow - flow.mean(axes, keepdims=True) - y * (flow * y).mean(axes, keepdims=True))


def assert_batch_norm(x: Numbers) -> None:
    g = numbers(*x.shape, seed=1)
    leaf = fl.asarray(x).requires_grad_()
    y = functional.batch_norm(leaf, None, None, training=True)
    y.backward(fl.asarray(g))
    expected, expected_grad = normalized(x, g)
    assert leaf.grad is not None
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(leaf.grad.numpy(), expected_grad, rtol=1e-5, atol=1e-5)


def test_a_large_batch_norm_is_its_definition() -> None:
    assert_batch_norm(numbers(*LARGE))


@pytest.mark.parametrize("far", [30.0, 1000.0, -1e5])
def test_a_channel_that_begins_far_from_its_mean_keeps_its_spread(far: float) -> None:
    """The sums are taken about its first values."""
    x = numbers(40, 3, 20, 20)
    x[0] += far
    assert_batch_norm(x)


def test_a_constant_channel_has_no_spread() -> None:
    y = functional.batch_norm(fl.full((4, 2, 5, 5), 3.0), None, None, training=True)
    assert not y.any()


def test_batch_norm_of_a_nan_or_an_infinity_is_nan_in_its_channel_alone() -> None:
    x = numbers(4, 3, 20, 20)
    x[2, 0, 3, 4], x[0, 2, 0, 1] = np.nan, np.inf
    y = functional.batch_norm(fl.asarray(x), None, None, training=True).numpy()
    assert np.isnan(y[:, [0, 2]]).all()
    assert np.isfinite(y[:, 1]).all()


def test_large_pools_of_squares_are_their_definition() -> None:
    x, g = numbers(*LARGE), numbers(5, 67, 40, 39, seed=1)
    squares = x[:, :, :80, :78].reshape(5, 67, 40, 2, 39, 2).transpose(0, 1, 2, 4, 3, 5).reshape(5, 67, 40, 39, 4)
    for pool, expected, shares in (
        (functional.max_pool2d, squares.max(-1), squares == squares.max(-1, keepdims=True)),
        (functional.avg_pool2d, squares.astype(np.float64).mean(-1), np.full(squares.shape, 0.25)),
    ):
        leaf = fl.asarray(x).requires_grad_()
        y = pool(leaf, 2)
        y.backward(fl.asarray(g))
        back = np.zeros(LARGE, np.float32)
        parts = (shares * g[..., None]).reshape(5, 67, 40, 39, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        back[:, :, :80, :78] = parts.reshape(5, 67, 80, 78)
        assert leaf.grad is not None
        np.testing.assert_allclose(y.detach().numpy(), expected, rtol=2e-6, atol=1e-6)
        np.testing.assert_array_equal(leaf.grad.numpy(), back)


@pytest.mark.parametrize("shape", [LARGE, (3, 5, 30, 31)])
def test_norms_and_pools_have_the_same_bits_on_any_number_of_threads(shape: tuple[int, ...]) -> None:
    before, results = fl.get_num_threads(), []
    x, g = numbers(*shape), numbers(*shape, seed=1)
    try:
        for threads in (1, 2, 3, 8):
            fl.set_num_threads(threads)
            leaf = fl.asarray(x).requires_grad_()
            y = functional.batch_norm(leaf, None, None, training=True)
            y.backward(fl.asarray(g))
            pooled = functional.max_pool2d(leaf, 3, stride=2, padding=1)
            pooled.backward(fl.ones_like(pooled))
            assert leaf.grad is not None
            results.append([a.detach().numpy().tobytes() for a in (y, pooled, leaf.grad)])
    finally:
        fl.set_num_threads(before)
    assert all(result == results[0] for result in results)
