"""Activations as layers."""

from __future__ import annotations

from typing import Literal

import flambeau as fl
from flambeau.nn import functional
from flambeau.nn.module import Module


class Identity(Module):
    """Gives its input back.

    >>> Identity()(fl.ones(2)).tolist()
    [1.0, 1.0]
    """

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return x


class ReLU(Module):
    """Zero where the input is negative.

    >>> ReLU()(fl.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.relu(x)


class GELU(Module):
    """The input times the share of a normal distribution below it; `approximate` is "none" or "tanh"."""

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        self.approximate = approximate

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        return "" if self.approximate == "none" else f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.tanh(x)


class Softmax(Module):
    """Probabilities along `dim`.

    >>> Softmax(dim=-1)(fl.zeros((1, 4))).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.softmax(x, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """Logarithms of probabilities along `dim`."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.log_softmax(x, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
