"""Activations as functions."""

from __future__ import annotations

from typing import Literal

import flambeau as fl
from flambeau import _core

_relu, _gelu, _sigmoid = (_core.ops[name] for name in ("relu", "gelu", "sigmoid"))
_softmax, _log_softmax = (_core.ops[name] for name in ("softmax", "log_softmax"))


def relu(input: fl.Tensor) -> fl.Tensor:
    """Zero where the input is negative."""
    return _relu(input)


def leaky_relu(input: fl.Tensor, negative_slope: float = 0.01) -> fl.Tensor:
    """The input, times negative_slope where it is negative.

    >>> leaky_relu(fl.tensor([-2.0, 2.0]), 0.5).tolist()
    [-1.0, 2.0]
    """
    return fl.where(input > 0, input, input * negative_slope)


def gelu(input: fl.Tensor, approximate: Literal["none", "tanh"] = "none") -> fl.Tensor:
    """The input times the share of a normal distribution below it, exactly or by tanh."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu: approximate is {approximate!r}; it is "none" or "tanh"')
    return _gelu(input, approximate=approximate == "tanh")


def silu(input: fl.Tensor) -> fl.Tensor:
    """The input times its sigmoid."""
    return input * sigmoid(input)


def sigmoid(input: fl.Tensor) -> fl.Tensor:
    """1 / (1 + exp(-input))."""
    return _sigmoid(input)


def tanh(input: fl.Tensor) -> fl.Tensor:
    """The hyperbolic tangent."""
    return fl.tanh(input)


def softmax(input: fl.Tensor, dim: int) -> fl.Tensor:
    """Probabilities along `dim` from logits.

    >>> softmax(fl.tensor([0.0, 0.0]), dim=0).tolist()
    [0.5, 0.5]
    """
    return _softmax(input, axis=dim)


def log_softmax(input: fl.Tensor, dim: int) -> fl.Tensor:
    """Logarithms of probabilities along `dim` from logits."""
    return _log_softmax(input, axis=dim)
