"""How far vectors are apart."""

from __future__ import annotations

from typing import Never

import flambeau as fl
from flambeau.arguments import refuse


def cosine_similarity(x1: fl.Tensor, x2: fl.Tensor, dim: int = 1, eps: float = 1e-8, **other: Never) -> fl.Tensor:
    """The cosine of the angle between vectors along `dim`; lengths below eps count as eps.

    >>> cosine_similarity(fl.tensor([[1.0, 0.0]]), fl.tensor([[3.0, 0.0]])).tolist()
    [1.0]
    """
    if other:
        refuse("cosine_similarity", other)
    lengths = fl.maximum(norm(x1, 2.0, dim, True), eps), fl.maximum(norm(x2, 2.0, dim, True), eps)
    return fl.sum((x1 / lengths[0]) * (x2 / lengths[1]), axis=dim)


def pairwise_distance(
    x1: fl.Tensor, x2: fl.Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> fl.Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension.

    >>> pairwise_distance(fl.tensor([[3.0, 4.0]]), fl.zeros((1, 2)), eps=0.0).tolist()
    [5.0]
    """
    return norm(x1 - x2 + eps, p, -1, keepdim)


def normalize(input: fl.Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, **other: Never) -> fl.Tensor:
    """The input over its p-norm along `dim`, or over eps where that is larger.

    >>> [round(x, 2) for x in normalize(fl.tensor([3.0, 4.0]), dim=0).tolist()]
    [0.6, 0.8]
    """
    if other:
        refuse("normalize", other)
    return input / fl.maximum(norm(input, p, dim, True), eps)


def norm(x: fl.Tensor, p: float, dim: int | None, keepdim: bool) -> fl.Tensor:
    """The p-norm along `dim`, or of all elements; where it is 0 its gradient is 0 and not NaN."""
    if p == float("inf"):
        return fl.max(fl.abs(x), axis=dim, keepdims=keepdim)
    if p == 1:
        return fl.sum(fl.abs(x), axis=dim, keepdims=keepdim)
    if p <= 0:
        raise ValueError(f"norm: p is {p}; it must be positive, or infinite for the largest")
    total = fl.sum(fl.square(x) if p == 2 else fl.pow(fl.abs(x), p), axis=dim, keepdims=keepdim)
    nothing = total == 0  # NaN is not, and stays
    safe = fl.where(nothing, 1.0, total)
    return fl.where(nothing, 0.0, fl.sqrt(safe) if p == 2 else fl.pow(safe, 1.0 / p))
