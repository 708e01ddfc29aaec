"""NumPy; its threads are set by the environment (workers.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.speed.rivals import numpy_networks
from tests.speed.rows import Work


class NumPy:
    networks = numpy_networks

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def version(self) -> str:
        return np.__version__

    def given(self, *shape: int, seed: int = 0) -> Any:
        return np.random.default_rng(seed).random(shape, dtype=np.float32)

    def integers(self, below: int, *shape: int) -> Any:
        return np.random.default_rng(1).integers(0, below, shape)

    def work(self, function: Callable[..., object], *arguments: Any) -> Work:
        return partial(function, *arguments)

    def var(self, x: Any) -> Any:
        return np.var(x, axis=-1)

    def cumsum(self, x: Any) -> Any:
        return np.cumsum(x, axis=-1)

    def relu(self, x: Any) -> Any:
        return np.maximum(x, np.float32(0))
