"""Sequential computes a ReLU behind the max pool that follows it: nobody can tell but by the clock."""

from __future__ import annotations

from collections.abc import Callable

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn

POOLS: list[Callable[[], nn.Module]] = [
    lambda: nn.MaxPool2d(2),
    lambda: nn.MaxPool2d(3, stride=2, padding=1),
    lambda: nn.MaxPool2d((2, 3), stride=(1, 2), ceil_mode=True),
    lambda: nn.MaxPool2d(2, dilation=(2, 1)),
]


def images(dtype: str = "float32") -> np.ndarray:
    """Whole numbers, so that many are equal; zeros of both signs, infinities and NaN among them."""
    random = np.random.default_rng(2)
    x = random.integers(-2, 3, (3, 4, 13, 18)).astype(dtype)
    x[0] = -np.abs(x[0])
    x[1].flat[random.integers(0, x[1].size, 40)] = np.nan
    x[2].flat[random.integers(0, x[2].size, 40)] = np.inf
    return x


def value_and_gradient(net: Callable[[fl.Tensor], fl.Tensor], dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    x = fl.tensor(images(dtype), requires_grad=True)
    y = net(x)
    y.backward(fl.reshape(fl.arange(1, y.size + 1, dtype=y.dtype), y.shape))
    assert x.grad is not None
    return y.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("pool", POOLS)
def test_a_relu_behind_a_pool_has_the_bits_of_one_before_it(pool: Callable[[], nn.Module], dtype: str) -> None:
    relu, layer = nn.ReLU(), pool()
    for got, wanted in zip(value_and_gradient(nn.Sequential(relu, layer), dtype),
                           value_and_gradient(lambda x: layer(relu(x)), dtype), strict=True):
        np.testing.assert_array_equal(got, wanted)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))


def layers_in_turn(net: nn.Sequential, x: fl.Tensor) -> list[str]:
    with fl.profiler.profile() as profile:
        net(x)
    return [event.name.split(":")[1].split("(")[0].strip() for event in profile.events() if event.name[0].isdigit()]


def test_the_relu_goes_behind_all_pools_that_follow() -> None:
    net = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.MaxPool2d(2), nn.Flatten())
    assert layers_in_turn(net, fl.ones((1, 1, 8, 8))) == ["MaxPool2d", "MaxPool2d", "ReLU", "Flatten"]


def test_a_window_between_the_elements_stays_minus_infinity() -> None:
    pool = nn.MaxPool1d(2, dilation=4, padding=1)
    y, wanted = nn.Sequential(nn.ReLU(), pool)(fl.ones((1, 1, 3))), pool(fl.ones((1, 1, 3)))
    assert isinstance(wanted, fl.Tensor)
    assert y.tolist() == wanted.tolist() == [[[float("-inf")]]]


def test_hooks_and_layers_of_ones_own_see_the_order_that_was_written() -> None:
    seen: list[tuple[int, ...]] = []
    relu = nn.ReLU()
    relu.register_forward_hook(lambda layer, args, output: seen.append(output.shape))
    nn.Sequential(relu, nn.MaxPool2d(2))(fl.ones((1, 1, 4, 4)))
    assert seen == [(1, 1, 4, 4)]

    class Pool(nn.MaxPool2d):
        def __call__(self, x: fl.Tensor) -> fl.Tensor | tuple[fl.Tensor, fl.Tensor]:
            seen.append(tuple(x.tolist()[0][0][0]))
            return super().__call__(x)

    nn.Sequential(nn.ReLU(), Pool(2))(-fl.ones((1, 1, 2, 2)))
    assert seen[1] == (0.0, 0.0)
