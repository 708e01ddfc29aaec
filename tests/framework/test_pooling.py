"""Pools of any windows give the reference's values and gradients."""

from __future__ import annotations

from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau.nn import functional
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.framework.beside_torch import torch


def run(device: str, pool: Any, x: Any, g: Any) -> list[Any]:
    """The result and, given what flows back into it, the gradient."""
    given_x = fl.asarray(x).to(device).requires_grad_()
    y = pool(given_x)
    y.backward(fl.asarray(np.resize(g, y.shape).astype(x.dtype)).to(device))
    assert given_x.grad is not None
    return [t.detach().to("cpu").numpy() for t in (y, given_x.grad)]


@st.composite
def pools(draw: st.DrawFn) -> tuple[Any, tuple[int, ...]]:
    axes = draw(st.integers(1, 3))
    kernel, stride, dilation = (draw(st.integers(1, most)) for most in (4, 4, 2))
    padding, maximum = draw(st.integers(0, kernel // 2)), draw(st.booleans())
    reach = (kernel - 1) * (dilation if maximum else 1) + 1
    ceil_mode = draw(st.booleans())
    least = reach - 2 * padding - (stride - 1 if ceil_mode else 0)
    shape = tuple(draw(st.integers(max(1, least), 70 if axes < 3 else 9)) for _ in range(axes))
    options: dict[str, Any] = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    if maximum:
        options["dilation"] = dilation
    else:
        options["count_include_pad"] = draw(st.booleans())
    function = getattr(functional, f"{'max' if maximum else 'avg'}_pool{axes}d")
    return lambda x: function(x, kernel, **options), (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=80, deadline=None)
@given(pool=pools(), seed=st.integers(0, 99))
def test_any_windows_give_the_references_values(pool: tuple[Any, tuple[int, ...]], seed: int, dtype: Any) -> None:
    work, shape = pool
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, shape).astype(dtype)  # with equals
    g = rng.standard_normal(1000)
    for actual, expected in zip(run("cpu", work, x, g), run("reference", work, x, g), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=32 * np.finfo(dtype).eps)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("n", "kernel", "stride", "padding"), [
    (2, 3, 2, 0), (2, 3, 3, 0), (1, 2, 2, 0), (1, 4, 4, 0), (1, 3, 5, 1), (2, 7, 3, 1), (2, 7, 4, 1), (3, 5, 2, 0),
    (3, 5, 3, 0), (2, 4, 2, 0), (1, 5, 2, 1),
])  # fmt: skip
def test_with_ceil_mode_a_window_may_reach_over_a_small_image_where_pytorch_lets_it(
    n: int, kernel: int, stride: int, padding: int, kind: str
) -> None:
    x = np.arange(1.0, 2 * n * n + 1).reshape(1, 2, n, n)
    name, words = f"{kind}_pool2d", {"stride": stride, "padding": padding, "ceil_mode": True}
    theirs = torch().tensor(x, requires_grad=True)
    try:
        expected = getattr(torch().nn.functional, name)(theirs, kernel, **words)
    except RuntimeError:
        with pytest.raises(fl.ShapeError, match="does not fit along spatial axis 0"):
            getattr(functional, name)(fl.asarray(x), kernel, **words)
        return
    expected.sum().backward()
    for device in ("cpu", "reference"):
        y, grad = run(device, lambda x: getattr(functional, name)(x, kernel, **words), x, np.ones(1))
        np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(grad, theirs.grad.numpy(), rtol=1e-12)


def test_with_ceil_mode_a_window_of_any_length_takes_no_memory_for_it() -> None:
    x, g = np.arange(6.0).reshape(1, 1, 3, 2), np.ones(2)
    y, grad = run("cpu", lambda x: functional.avg_pool2d(x, (2, 10**8), (1, 10**8), ceil_mode=True), x, g)
    assert y.tolist() == [[[[1.5], [3.5]]]]
    assert grad.tolist() == [[[[0.25, 0.25], [0.5, 0.5], [0.25, 0.25]]]]
    y, grad = run("cpu", lambda x: functional.max_pool2d(x, 2, (1, 10**12), 0, (1, 10**12), ceil_mode=True), x, g)
    assert y.tolist() == [[[[2.0], [4.0]]]]
    assert grad.tolist() == [[[[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]]]


@pytest.mark.parametrize("work", [
    lambda x: functional.max_pool2d(x, 2),
    lambda x: functional.max_pool2d(x, 3, 2, 1),
    lambda x: functional.max_pool2d(x, (2, 3), (2, 1)),
])  # fmt: skip
def test_the_gradient_of_a_maximum_goes_to_the_first_of_equals_and_the_last_nan(work: Any) -> None:
    rng = np.random.default_rng(0)
    for x in (
        np.zeros((1, 2, 37, 41)),
        np.full((1, 2, 9, 40), -np.inf),
        rng.choice([0.0, 1.0, np.nan], (1, 2, 20, 39)),
    ):
        x = x.astype(np.float32)
        for actual, expected in zip(
            run("cpu", work, x, np.ones(1)), run("reference", work, x, np.ones(1)), strict=True
        ):
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [2, 7, 30, 33, 64, 67])
def test_one_nan_anywhere_is_found_by_the_square_that_has_it(width: int, dtype: Any) -> None:
    def pool(x: Any) -> Any:
        return functional.max_pool2d(x, 2)

    rng = np.random.default_rng(1)
    for row in range(4):
        for column in range(width):
            x = rng.standard_normal((1, 1, 5, width)).astype(dtype)
            x[0, 0, row, column] = np.nan
            g = rng.standard_normal(1)
            for actual, expected in zip(run("cpu", pool, x, g), run("reference", pool, x, g), strict=True):
                np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_window_without_an_element_of_x_gives_no_gradient(device: str) -> None:
    def beside(x: Any) -> Any:  # planes -1 and 2 of two
        return functional.max_pool3d(x, (2, 3, 1), 2, (1, 0, 0), (3, 2, 1), ceil_mode=True)

    def along(x: Any) -> Any:  # elements -1 and 2, then 1 and 4
        return functional.max_pool1d(x, 2, 2, 1, 3)

    for work, shape, missing in ((beside, (2, 1, 2, 5, 6), True), (along, (1, 2, 2), True), (along, (1, 1, 4), False)):
        x = fl.asarray(np.arange(1.0, 1 + np.prod(shape)).reshape(shape)).to(device).requires_grad_()
        y = work(x)
        missed = np.isinf(y.detach().to("cpu").numpy())
        assert missed.any() == missing
        y.sum().backward()
        assert x.grad is not None
        assert float(x.grad.sum()) == (~missed).sum()

        def given(v: Any, work: Any = work, x: Any = x) -> Any:
            return fl.grad(lambda at: (work(at) * v).sum())(x.detach()).sum()

        v = fl.ones(y.shape, dtype=x.dtype).to(device)
        np.testing.assert_array_equal(fl.grad(given)(v).to("cpu").numpy(), (~missed).astype(float))
