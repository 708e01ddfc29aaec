"""JAX: every work is one compiled function, and a call ends when its results are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.speed.rivals import jax_networks
from tests.speed.rows import Work


class Jax:
    networks = jax_networks
    relu, sigmoid = staticmethod(jax.nn.relu), staticmethod(jax.nn.sigmoid)

    def __getattr__(self, name: str) -> Any:
        return getattr(jnp, name)

    def version(self) -> str:
        return jax.__version__

    def given(self, *shape: int, seed: int = 0, grad: bool = False, dtype: str = "float32") -> Any:
        """What needs a gradient is told to `gradients` by its place, so `grad` says nothing here."""
        return jnp.asarray(np.random.default_rng(seed).random(shape, dtype=np.float32), dtype)

    def integers(self, below: int, *shape: int) -> Any:
        return jnp.asarray(np.random.default_rng(1).integers(0, below, shape), "int32")

    def work(self, function: Callable[..., object], *arguments: Any) -> Work:
        jitted = jax.jit(function)
        return lambda: jax.block_until_ready(jitted(*arguments))

    def gradients(self, function: Callable[..., Any], inputs: Sequence[Any], g: Any = None) -> Work:
        def with_gradients(g: Any, *inputs: Any) -> Any:
            y, pull = jax.vjp(function, *inputs)
            return y, pull(jnp.ones_like(y) if g is None else g)

        return self.work(with_gradients, g, *inputs)

    def gelu(self, x: Any, approximate: str = "none") -> Any:
        return jax.nn.gelu(x, approximate=approximate == "tanh")

    def softmax(self, x: Any) -> Any:
        return jax.nn.softmax(x, axis=-1)

    def layer_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(var + 1e-5) * weight + bias

    def batch_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        axes = (0, 2, 3)
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        return (x - mean) * lax.rsqrt(var + 1e-5) * weight[:, None, None] + bias[:, None, None]

    def max_pool(self, x: Any) -> Any:
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def conv2d(self, x: Any, weight: Any, stride: int, padding: int, groups: int = 1) -> Any:
        return lax.conv_general_dilated(
            x, weight, (stride, stride), [(padding, padding)] * 2, feature_group_count=groups
        )

    def attention(self, query: Any, key: Any, value: Any) -> Any:
        scores = jnp.einsum("bhqd,bhkd->bhqk", query, key) / query.shape[-1] ** 0.5
        return jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(scores, axis=-1), value)

    def var(self, x: Any) -> Any:
        return jnp.var(x, axis=-1)

    def cumsum(self, x: Any) -> Any:
        return jnp.cumsum(x, axis=-1)
