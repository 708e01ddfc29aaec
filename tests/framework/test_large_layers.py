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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 3, 8), (3, 70, 37), (1, 40, 600)], ids=str)
def test_softmax_along_columns_is_that_of_rows_and_the_same_on_any_number_of_threads(dtype: str, shape: Any) -> None:
    rng = np.random.default_rng(31)
    x, g = (rng.normal(size=shape).astype(dtype) * 4 for _ in range(2))
    x.flat[3], x.flat[-1] = -np.inf, 90
    for name in ("softmax", "log_softmax"):
        given = fl.tensor(x, requires_grad=True)
        results = []
        for threads in (1, 3):
            fl.set_num_threads(threads)
            results.append(np.asarray(getattr(functional, name)(given, 1).detach()).tobytes())
        fl.set_num_threads(2)
        assert results[0] == results[1]
        turned = fl.tensor(np.ascontiguousarray(np.swapaxes(x, 1, 2)), requires_grad=True)
        along, of_rows = getattr(functional, name)(given, 1), getattr(functional, name)(turned, 2)
        close = {"rtol": 4e-6, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-14, "atol": 1e-15}
        np.testing.assert_allclose(np.asarray(along.detach()), np.swapaxes(np.asarray(of_rows.detach()), 1, 2), **close)
        along.backward(fl.tensor(g))
        of_rows.backward(fl.tensor(np.ascontiguousarray(np.swapaxes(g, 1, 2))))
        scale = {"rtol": 1e-5, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-13, "atol": 1e-13}
        np.testing.assert_allclose(np.asarray(given.grad), np.swapaxes(np.asarray(turned.grad), 1, 2), **scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_variance_of_a_row_whose_first_elements_lie_apart_is_exact(dtype: str) -> None:
    rows = np.random.default_rng(34).normal(size=(6, 1500))
    rows[1] += 1e4  # all of it
    rows[2, :80] += 1e4  # what its mean is guessed from
    rows[3] = 7
    rows[4, 5] = np.inf
    rows[5] *= 1e17 if dtype == "float32" else 1e150  # the sum of squares stays inside, barely
    x = rows.astype(dtype)
    with np.errstate(invalid="ignore"):
        exact = np.var(x.astype(np.longdouble), axis=1).astype(dtype)
    np.testing.assert_allclose(np.asarray(fl.var(fl.tensor(x), axis=1)), exact, rtol=8 * np.finfo(dtype).eps)
