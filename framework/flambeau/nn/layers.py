"""Layers with parameters, and those that shape or drop."""

from __future__ import annotations

import math

import flambeau as fl
from flambeau.nn import functional, init
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter


class Linear(Module):
    """x times the transposed weight, plus the bias.

    Shapes: weight (out, in), bias (out,), x (..., in) -> (..., out). Both begin evenly within 1 / sqrt(in).

    >>> Linear(3, 2)(fl.zeros((5, 3))).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        if not (hasattr(in_features, "__index__") and hasattr(out_features, "__index__")):
            raise TypeError(f"Linear: {in_features!r} inputs and {out_features!r} outputs; they are integers")
        if in_features < 0 or out_features < 0:
            raise ValueError(f"Linear: {in_features} inputs and {out_features} outputs; neither can be negative")
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(fl.zeros((out_features, in_features)))
        self.bias = Parameter(fl.zeros(out_features)) if bias else None
        bound = 1.0 / math.sqrt(in_features) if in_features else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Bilinear(Module):
    """x1 times a weight for each output times x2, plus the bias. Weight (out, in1, in2), within 1 / sqrt(in1).

    >>> Bilinear(3, 4, 2)(fl.zeros((5, 3)), fl.zeros((5, 4))).shape
    (5, 2)
    """

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True) -> None:
        if in1_features <= 0:
            raise ValueError(f"Bilinear: in1_features is {in1_features} and must be positive")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = Parameter(fl.zeros((out_features, in1_features, in2_features)))
        self.bias = Parameter(fl.zeros(out_features)) if bias else None
        for parameter in self.parameters():
            init.uniform_(parameter, -1.0 / math.sqrt(in1_features), 1.0 / math.sqrt(in1_features))

    def __call__(self, input1: fl.Tensor, input2: fl.Tensor) -> fl.Tensor:
        return functional.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        sizes = f"{self.in1_features}, {self.in2_features}, {self.out_features}"
        return sizes if self.bias is not None else sizes + ", bias=False"


class Flatten(Module):
    """Makes the dimensions from start_dim to end_dim one.

    >>> Flatten()(fl.zeros((5, 2, 3))).shape
    (5, 6)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return "" if (self.start_dim, self.end_dim) == (1, -1) else f"{self.start_dim}, {self.end_dim}"


class Unflatten(Module):
    """Makes one dimension several.

    >>> Unflatten(1, (2, 3))(fl.zeros((5, 6))).shape
    (5, 2, 3)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        dim = self.dim % x.ndim
        return fl.reshape(x, (*x.shape[:dim], *self.unflattened_size, *x.shape[dim + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Dropout(Module):
    """While training, makes each element zero with probability p and the others larger by 1 / (1 - p).

    `inplace` is taken as from PyTorch and gives a new tensor all the same.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: p is {p}, a probability is between 0 and 1")
        self.p, self.inplace = p, inplace

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.dropout(x, self.p, training=self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
