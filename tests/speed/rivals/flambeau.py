"""Ours."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import flambeau as fl
import flambeau.nn as nn
import flambeau.optim as optim
import numpy as np

from tests.speed.rivals.eager import Eager


class _Module(nn.Module):
    def __call__(self, *arguments: Any) -> Any:
        return self.forward(*arguments)


class Flambeau(Eager):
    nn, functional, optim, Module = nn, nn.functional, optim, _Module
    relu, sigmoid = staticmethod(nn.functional.relu), staticmethod(nn.functional.sigmoid)

    def __init__(self, threads: int) -> None:
        fl.set_num_threads(threads)

    def __getattr__(self, name: str) -> Any:
        return getattr(fl, name)

    def version(self) -> str:
        """With the device's driver in words: level of instructions, GEMM."""
        (cpu,) = [device for device in fl.devices() if device.name == "cpu"]
        return f"{fl.__version__}, {cpu.driver}"

    def given(self, *shape: int, seed: int = 0, grad: bool = False, dtype: str = "float32") -> Any:
        """Random numbers from 0 to 1, the same for every rival."""
        x = fl.tensor(np.random.default_rng(seed).random(shape, dtype=np.float32), requires_grad=grad)
        return x if dtype == "float32" else x.astype(getattr(fl, dtype))

    def integers(self, below: int, *shape: int) -> Any:
        return fl.asarray(np.random.default_rng(1).integers(0, below, shape))

    def autocast(self, dtype: str) -> AbstractContextManager[Any]:
        return fl.autocast(dtype=getattr(fl, dtype))

    def permute(self, x: Any, *axes: int) -> Any:
        return x.permute_dims(*axes)

    def var(self, x: Any) -> Any:
        return fl.var(x, axis=-1)

    def cumsum(self, x: Any) -> Any:
        return fl.cumulative_sum(x, axis=-1)
