"""Rows of convolutions, norms and pools, ours and PyTorch's: what worker.py runs under the names of rows.py.

A name that ends in `_last` is the same work with PyTorch's memory format channels_last, which helps its convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Work = Callable[[], object]
# images (n, channels, h, w) and kernels (out, channels, k, k) of ResNet's stages, and of a first small layer
CONVOLUTIONS = {
    "conv_64": ((8, 64, 56, 56), (64, 64, 3, 3)),
    "conv_256": ((8, 256, 14, 14), (256, 256, 3, 3)),
    "conv_small": ((64, 1, 28, 28), (32, 1, 3, 3)),
}
FEATURES = (16, 64, 56, 56)
ROWS_OF_TEN_MILLION = (9766, 1024)


def convolution_operations(name: str) -> float:
    """Multiplications and additions of a forward pass."""
    (n, channels, h, w), (out, _, k, _) = CONVOLUTIONS[name]
    return 2.0 * n * channels * h * w * out * k * k


def flambeau_rows(fl: Any, np: Any) -> dict[str, Callable[[], Work]]:
    """Ours."""
    from flambeau import nn, optim

    functional = nn.functional

    def given(*shape: int, grad: bool = False, seed: int = 0) -> Any:
        return fl.tensor(np.random.default_rng(seed).random(shape, dtype=np.float32), requires_grad=grad)

    def forward(name: str) -> Callable[[], Work]:
        def make() -> Work:
            x, weight = (given(*shape) for shape in CONVOLUTIONS[name])
            return lambda: functional.conv2d(x, weight, padding=1)

        return make

    def backward(name: str) -> Callable[[], Work]:
        def make() -> Work:
            x, weight = (given(*shape, grad=True) for shape in CONVOLUTIONS[name])
            g = given(CONVOLUTIONS[name][0][0], CONVOLUTIONS[name][1][0], *CONVOLUTIONS[name][0][2:])

            def step() -> None:
                x.grad = weight.grad = None
                functional.conv2d(x, weight, padding=1).backward(g)

            return step

        return make

    def layer_norm_10m() -> Work:
        x, weight, bias = given(*ROWS_OF_TEN_MILLION), given(1024), given(1024)
        return lambda: functional.layer_norm(x, (1024,), weight, bias)

    def batch_norm() -> Work:
        x, layer = given(*FEATURES), nn.BatchNorm2d(FEATURES[1])
        with fl.no_grad():
            layer.requires_grad_(False)
        return lambda: layer(x)

    def batch_norm_step() -> Work:
        x, layer, g = given(*FEATURES, grad=True), nn.BatchNorm2d(FEATURES[1]), given(*FEATURES, seed=1)

        def step() -> None:
            x.grad = None
            layer.zero_grad()
            layer(x).backward(g)

        return step

    def max_pool() -> Work:
        x = given(*FEATURES)
        return lambda: functional.max_pool2d(x, 2)

    def max_pool_step() -> Work:
        x = given(*FEATURES, grad=True)
        g = given(FEATURES[0], FEATURES[1], FEATURES[2] // 2, FEATURES[3] // 2, seed=1)

        def step() -> None:
            x.grad = None
            functional.max_pool2d(x, 2).backward(g)

        return step

    def cnn_step() -> Work:
        net = _cnn(nn)
        optimizer = optim.SGD(net.parameters(), lr=0.01)
        loss_of = nn.CrossEntropyLoss()
        images = given(64, 1, 28, 28)
        classes = fl.asarray(np.random.default_rng(1).integers(0, 10, 64))

        def step() -> None:
            optimizer.zero_grad()
            loss_of(net(images), classes).backward()
            optimizer.step()

        return step

    rows: tuple[Any, ...] = (layer_norm_10m, batch_norm, batch_norm_step, max_pool, max_pool_step, cnn_step)
    found = {row.__name__: row for row in rows}
    for name in CONVOLUTIONS:
        found |= {name: forward(name), f"{name}_step": backward(name)}
    return found | {f"{name}_last": row for name, row in found.items()}


def torch_rows(torch: Any, np: Any) -> dict[str, Callable[[], Work]]:
    """PyTorch eager, contiguous and (`_last`) channels_last."""
    found = _torch_rows(torch, np, torch.contiguous_format)
    return found | {f"{name}_last": row for name, row in _torch_rows(torch, np, torch.channels_last).items()}


def _torch_rows(torch: Any, np: Any, memory_format: Any) -> dict[str, Callable[[], Work]]:
    nn, functional = torch.nn, torch.nn.functional

    def given(*shape: int, grad: bool = False, seed: int = 0) -> Any:
        x = torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))
        return (x.to(memory_format=memory_format) if x.ndim == 4 else x).requires_grad_(grad)

    def forward(name: str) -> Callable[[], Work]:
        def make() -> Work:
            x, weight = (given(*shape) for shape in CONVOLUTIONS[name])
            return lambda: functional.conv2d(x, weight, padding=1)

        return make

    def backward(name: str) -> Callable[[], Work]:
        def make() -> Work:
            x, weight = (given(*shape, grad=True) for shape in CONVOLUTIONS[name])
            g = given(CONVOLUTIONS[name][0][0], CONVOLUTIONS[name][1][0], *CONVOLUTIONS[name][0][2:])

            def step() -> None:
                x.grad = weight.grad = None
                functional.conv2d(x, weight, padding=1).backward(g)

            return step

        return make

    def layer_norm_10m() -> Work:
        x, weight, bias = given(*ROWS_OF_TEN_MILLION), given(1024), given(1024)
        return lambda: functional.layer_norm(x, (1024,), weight, bias)

    def batch_norm() -> Work:
        x, layer = given(*FEATURES), nn.BatchNorm2d(FEATURES[1]).requires_grad_(False)
        return lambda: layer(x)

    def batch_norm_step() -> Work:
        x, layer, g = given(*FEATURES, grad=True), nn.BatchNorm2d(FEATURES[1]), given(*FEATURES, seed=1)

        def step() -> None:
            x.grad = None
            layer.zero_grad()
            layer(x).backward(g)

        return step

    def max_pool() -> Work:
        x = given(*FEATURES)
        return lambda: functional.max_pool2d(x, 2)

    def max_pool_step() -> Work:
        x = given(*FEATURES, grad=True)
        g = given(FEATURES[0], FEATURES[1], FEATURES[2] // 2, FEATURES[3] // 2, seed=1)

        def step() -> None:
            x.grad = None
            functional.max_pool2d(x, 2).backward(g)

        return step

    def cnn_step() -> Work:
        net = _cnn(nn).to(memory_format=memory_format)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        loss_of = nn.CrossEntropyLoss()
        images = given(64, 1, 28, 28)
        classes = torch.from_numpy(np.random.default_rng(1).integers(0, 10, 64))

        def step() -> None:
            optimizer.zero_grad()
            loss_of(net(images), classes).backward()
            optimizer.step()

        return step

    rows: tuple[Any, ...] = (layer_norm_10m, batch_norm, batch_norm_step, max_pool, max_pool_step, cnn_step)
    found = {row.__name__: row for row in rows}
    for name in CONVOLUTIONS:
        found |= {name: forward(name), f"{name}_step": backward(name)}
    return found


def _cnn(nn: Any) -> Any:
    """A network for images of 28 by 28, as tutorials have it."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
