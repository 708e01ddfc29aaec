"""Distances as layers."""

from __future__ import annotations

import flambeau as fl
from flambeau.nn import functional
from flambeau.nn.module import Module


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along `dim`.

    >>> CosineSimilarity()(fl.tensor([[1.0, 0.0]]), fl.tensor([[0.0, 3.0]])).tolist()
    [0.0]
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        self.dim = dim
        self.eps = eps

    def __call__(self, x1: fl.Tensor, x2: fl.Tensor) -> fl.Tensor:
        return functional.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last dimension."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        self.p = p
        self.eps = eps
        self.keepdim = keepdim

    def __call__(self, x1: fl.Tensor, x2: fl.Tensor) -> fl.Tensor:
        return functional.pairwise_distance(x1, x2, self.p, self.eps, self.keepdim)
