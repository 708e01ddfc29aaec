"""PyTorch, as its users write it, and with the means they have to make it faster."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from tests.speed.rivals.eager import Eager


class Torch(Eager):
    nn, functional, optim, Module = torch.nn, torch.nn.functional, torch.optim, torch.nn.Module
    relu, sigmoid = staticmethod(torch.relu), staticmethod(torch.sigmoid)

    def __init__(self, threads: int, means: set[str]) -> None:
        torch.set_num_threads(threads)
        self.means = means
        if "compile" in means:
            torch._dynamo.reset()

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def version(self) -> str:
        return str(torch.__version__)

    def compiled(self, function: Any) -> Any:
        return torch.compile(function) if "compile" in self.means else function

    def laid_out(self, tensor_or_network: Any) -> Any:
        if "channels_last" not in self.means:
            return tensor_or_network
        return tensor_or_network.to(memory_format=torch.channels_last)

    def autocast(self, dtype: str) -> AbstractContextManager[Any]:
        return torch.autocast("cpu", dtype=getattr(torch, dtype))

    def optimizer(self, name: str, parameters: Any, **options: Any) -> Any:
        return super().optimizer(name, parameters, **options, **({"fused": True} if "fused" in self.means else {}))

    def given(self, *shape: int, seed: int = 0, grad: bool = False, dtype: str = "float32") -> Any:
        x = torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32)).to(getattr(torch, dtype))
        return (self.laid_out(x) if x.ndim == 4 else x).requires_grad_(grad)

    def integers(self, below: int, *shape: int) -> Any:
        return torch.from_numpy(np.random.default_rng(1).integers(0, below, shape))

    def permute(self, x: Any, *axes: int) -> Any:
        return x.permute(*axes)

    def nonzero(self, x: Any) -> Any:
        return torch.nonzero(x, as_tuple=True)

    def var(self, x: Any) -> Any:
        return torch.var(x, -1, correction=0)

    def cumsum(self, x: Any) -> Any:
        return torch.cumsum(x, -1)
