"""Sequential computes a ReLU behind the pool that follows it, and that pool with a norm: the clock alone can tell."""

from __future__ import annotations

from collections.abc import Callable

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core, nn
from flambeau.testing import gradcheck, gradgradcheck

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


def normed(net: nn.Module, norm: nn.BatchNorm2d, size: tuple[int, ...], dtype: str) -> list[np.ndarray]:
    """The result, the gradients and the running statistics of a norm of its own values."""
    random = np.random.default_rng(4)
    learned = {name: fl.tensor(random.normal(size=size[1]).astype(np.float32)) for name in ("weight", "bias")}
    norm.load_state_dict(nn.BatchNorm2d(size[1]).state_dict() | learned)
    norm.zero_grad()
    x = fl.tensor(random.normal(size=size).astype(dtype), requires_grad=True)
    y = net(x)
    y.backward(fl.tensor(random.normal(size=y.shape)).astype(y.dtype))
    found = [y, x.grad, *(p.grad for p in norm.parameters()), *norm.buffers()]
    return [t.detach().numpy() for t in found if t is not None]


class OneByOne(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        self.layers = nn.ModuleList(layers)

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("size", [(5, 3, 28, 28), (2, 17, 7, 37), (1, 2, 4, 5), (9, 4, 14, 14)])
def test_a_norm_and_a_pool_in_one_pass_have_the_bits_of_both_one_by_one(size: tuple[int, ...], dtype: str) -> None:
    norm, relu, pool = nn.BatchNorm2d(size[1]), nn.ReLU(), nn.MaxPool2d(2)
    found = normed(nn.Sequential(norm, relu, pool), norm, size, dtype)
    assert len(found) == 7
    for got, wanted in zip(found, normed(OneByOne(norm, relu, pool), norm, size, dtype), strict=True):
        np.testing.assert_array_equal(got, wanted)


def ops_of(net: nn.Sequential, x: fl.Tensor) -> list[str]:
    with fl.profiler.profile() as profile:
        net(x)
    return [event.name for event in profile.events() if "batch_norm" in event.name or event.name == "max_pool"]


def test_the_one_pass_is_for_training_and_for_squares_that_touch() -> None:
    x = fl.ones((2, 3, 6, 6))
    assert ops_of(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)), x) == ["batch_norm_max_pool"]
    assert ops_of(nn.Sequential(nn.BatchNorm2d(3), nn.MaxPool2d(3)), x) == ["batch_norm", "max_pool"]
    assert ops_of(nn.Sequential(nn.BatchNorm2d(3), nn.MaxPool2d(2, padding=1)), x) == ["batch_norm", "max_pool"]
    assert ops_of(nn.Sequential(nn.BatchNorm2d(3, affine=False), nn.MaxPool2d(2)), x) == ["batch_norm", "max_pool"]
    assert ops_of(nn.Sequential(nn.BatchNorm2d(3), nn.MaxPool2d(2)).eval(), x) == ["max_pool"]
    watched = nn.BatchNorm2d(3)
    with watched.register_forward_hook(lambda layer, args, output: output):
        assert ops_of(nn.Sequential(watched, nn.MaxPool2d(2)), x) == ["batch_norm", "max_pool"]


def test_what_the_one_pass_cannot_take_fails_as_the_layers_do() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), nn.MaxPool2d(2))
    with pytest.raises(ValueError, match=r"weight is \(3,\)"):
        net(fl.ones((2, 4, 6, 6)))
    with pytest.raises(fl.ShapeError, match="needs 4 dimensions"):
        net(fl.ones((3, 6, 6)))
    with pytest.raises(ValueError, match="a batch of nothing"):
        net(fl.ones((0, 3, 6, 6)))


def test_gradients_of_gradients_go_through_the_one_pass() -> None:
    random = np.random.default_rng(5)
    inputs = [fl.tensor(random.normal(size=s), requires_grad=True) for s in ((2, 2, 4, 5), (2,), (2,))]
    op = _core.ops["batch_norm_max_pool"]
    gradcheck(lambda *t: op(*t, 1e-5), inputs)
    gradgradcheck(lambda *t: op(*t, 1e-5)[0], inputs)
