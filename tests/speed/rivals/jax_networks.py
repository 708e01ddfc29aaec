"""JAX's networks, as its users write them without a layer library: parameters are trees, a step is one function."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.speed.rows import Work
from tests.speed.works.networks import BATCH, HEADS, LAYERS, LENGTH, STAGES, SYMBOLS, WIDTH

Parameters = Any
Loss = Callable[[Parameters, Any, Any], Any]


def weights(*shape: int) -> Any:
    """Of a layer whose last axis is summed over."""
    bound = shape[-1] ** -0.5
    return jnp.asarray(np.random.default_rng(0).uniform(-bound, bound, shape), "float32")


def linear(inputs: int, outputs: int) -> Parameters:
    return {"weight": weights(outputs, inputs), "bias": jnp.zeros(outputs)}


def apply_linear(layer: Parameters, x: Any) -> Any:
    return x @ layer["weight"].T + layer["bias"]


def cross_entropy(logits: Any, classes: Any) -> Any:
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), classes[:, None], axis=1)
    return -picked.mean()


def sgd_step(loss_of: Loss, parameters: Parameters, x: Any, y: Any, *, momentum: float = 0.0) -> Work:
    """One jitted step of gradient descent; the state goes from call to call."""

    def step(state: Parameters, x: Any, y: Any) -> Parameters:
        parameters, moving = state
        moving = jax.tree.map(lambda m, g: momentum * m + g, moving, jax.grad(loss_of)(parameters, x, y))
        return jax.tree.map(lambda p, m: p - 0.01 * m, parameters, moving), moving

    return _repeated(step, (parameters, jax.tree.map(jnp.zeros_like, parameters)), x, y)


def adam_step(loss_of: Loss, parameters: Parameters, x: Any, y: Any, *, decay: float = 0.0) -> Work:
    """One jitted step of AdamW. Source: Kingma and Ba, arXiv:1412.6980."""

    def moved(p: Any, m: Any, v: Any, t: Any) -> Any:
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        return p * (1 - 1e-3 * decay) - 1e-3 * m_hat / (jnp.sqrt(v_hat) + 1e-8)

    def step(state: Parameters, x: Any, y: Any) -> Parameters:
        parameters, first, second, t = state
        gradients = jax.grad(loss_of)(parameters, x, y)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        parameters = jax.tree.map(lambda p, m, v: moved(p, m, v, t + 1.0), parameters, first, second)
        return parameters, first, second, t + 1.0

    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return _repeated(step, (parameters, zeros, zeros, jnp.float32(0)), x, y)


def mlp_step(lib: Any, batch: int, sizes: tuple[int, ...], *, adam: bool = False) -> Work:
    def loss_of(layers: Parameters, x: Any, y: Any) -> Any:
        for layer in layers[:-1]:
            x = jax.nn.relu(apply_linear(layer, x))
        return cross_entropy(apply_linear(layers[-1], x), y)

    layers = [linear(*pair) for pair in pairwise(sizes)]
    images, classes = lib.given(batch, sizes[0]), lib.integers(sizes[-1], batch)
    return (
        adam_step(loss_of, layers, images, classes, decay=0.01) if adam else sgd_step(loss_of, layers, images, classes)
    )


def convolution(channels: int, out: int, kernel: int = 3) -> Parameters:
    """With its batch norm."""
    flat = weights(out, channels * kernel**2)
    return {"weight": flat.reshape(out, channels, kernel, kernel), "gain": jnp.ones(out), "shift": jnp.zeros(out)}


def convolved(lib: Any, layer: Parameters, x: Any, stride: int = 1) -> Any:
    y = lib.conv2d(x, layer["weight"], stride, layer["weight"].shape[-1] // 2)
    return lib.batch_norm(y, layer["gain"], layer["shift"])


def cnn_step(lib: Any) -> Work:
    def loss_of(net: Parameters, x: Any, y: Any) -> Any:
        for layer in net["convolutions"]:
            x = lib.max_pool(jax.nn.relu(convolved(lib, layer, x)))
        x = jax.nn.relu(apply_linear(net["feed"], x.reshape(64, -1)))
        return cross_entropy(apply_linear(net["head"], x), y)

    net = {
        "convolutions": [convolution(1, 32), convolution(32, 64)],
        "feed": linear(64 * 7 * 7, 128), "head": linear(128, 10),
    }  # fmt: skip
    return sgd_step(loss_of, net, lib.given(64, 1, 28, 28), lib.integers(10, 64))


def resnet_step(lib: Any) -> Work:
    def block(layers: Parameters, x: Any) -> Any:
        stride = 2 if "short" in layers else 1
        y = jax.nn.relu(convolved(lib, layers["conv1"], x, stride))
        short = convolved(lib, layers["short"], x, stride) if "short" in layers else x
        return jax.nn.relu(convolved(lib, layers["conv2"], y) + short)

    def loss_of(net: Parameters, x: Any, y: Any) -> Any:
        x = jax.nn.relu(convolved(lib, net["stem"], x, 2))
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), ((0, 0), (0, 0), (1, 1), (1, 1)))
        for layers in net["blocks"]:
            x = block(layers, x)
        return cross_entropy(apply_linear(net["head"], x.mean((2, 3))), y)

    blocks, channels = [], 64
    for out, stride in STAGES:
        first = {"conv1": convolution(channels, out), "conv2": convolution(out, out)}
        blocks.append(first | {"short": convolution(channels, out, 1)} if stride > 1 else first)
        blocks.append({"conv1": convolution(out, out), "conv2": convolution(out, out)})
        channels = out
    net = {"stem": convolution(3, 64, 7), "blocks": blocks, "head": linear(512, 1000)}
    return sgd_step(loss_of, net, lib.given(8, 3, 64, 64), lib.integers(1000, 8), momentum=0.9)


def gpt_step(lib: Any) -> Work:
    """The layers are one scan over stacked parameters, which compiles a layer once."""

    def norm(layer: Parameters, x: Any) -> Any:
        return lib.layer_norm(x, layer["weight"], layer["bias"])

    def block(x: Any, layer: Parameters) -> tuple[Any, None]:
        parts = apply_linear(layer["attend"], norm(layer["norm1"], x)).reshape(BATCH, LENGTH, 3, HEADS, WIDTH // HEADS)
        query, key, value = (parts[:, :, i].transpose(0, 2, 1, 3) for i in range(3))
        scores = query @ key.transpose(0, 1, 3, 2) / (WIDTH // HEADS) ** 0.5
        scores = jnp.where(jnp.tri(LENGTH, dtype=bool), scores, -jnp.inf)
        mixed = (jax.nn.softmax(scores) @ value).transpose(0, 2, 1, 3).reshape(BATCH, LENGTH, WIDTH)
        x = x + apply_linear(layer["project"], mixed)
        inner = jax.nn.gelu(apply_linear(layer["grow"], norm(layer["norm2"], x)), approximate=False)
        return x + apply_linear(layer["shrink"], inner), None

    def loss_of(net: Parameters, codes: Any, following: Any) -> Any:
        x = net["symbols"][codes] + net["places"]
        x, _ = lax.scan(block, x, net["layers"])
        return cross_entropy((norm(net["norm"], x) @ net["head"].T).reshape(-1, SYMBOLS), following)

    def plain() -> Parameters:
        return {"weight": jnp.ones(WIDTH), "bias": jnp.zeros(WIDTH)}

    layer = {
        "norm1": plain(), "attend": linear(WIDTH, 3 * WIDTH), "project": linear(WIDTH, WIDTH),
        "norm2": plain(), "grow": linear(WIDTH, 4 * WIDTH), "shrink": linear(4 * WIDTH, WIDTH),
    }  # fmt: skip
    net = {
        "symbols": weights(SYMBOLS, WIDTH), "places": weights(LENGTH, WIDTH),
        "layers": jax.tree.map(lambda p: jnp.stack([p] * LAYERS), layer),
        "norm": plain(), "head": weights(SYMBOLS, WIDTH),
    }  # fmt: skip
    codes = lib.integers(SYMBOLS, BATCH, LENGTH)
    return adam_step(loss_of, net, codes, codes.reshape(-1), decay=0.01)


def lstm_step(lib: Any) -> Work:
    def loss_of(net: Parameters, x: Any, y: Any) -> Any:
        def cell(state: tuple[Any, Any], gates_of_x: Any) -> tuple[tuple[Any, Any], None]:
            h, c = state
            i, f, g, o = jnp.split(gates_of_x + h @ net["recurrent"].T, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        start = jnp.zeros((x.shape[1], 256))
        (h, _), _ = lax.scan(cell, (start, start), apply_linear(net["input"], x))
        return cross_entropy(apply_linear(net["head"], h), y)

    net = {"input": linear(128, 4 * 256), "recurrent": weights(4 * 256, 256), "head": linear(256, 10)}
    return adam_step(loss_of, net, lib.given(64, 32, 128), lib.integers(10, 32))


def _repeated(step: Callable[[Parameters, Any, Any], Parameters], state: Parameters, x: Any, y: Any) -> Work:
    jitted = jax.jit(step)
    kept = [state]

    def work() -> None:
        kept[0] = jax.block_until_ready(jitted(kept[0], x, y))

    return work
