"""Dropping at random while training."""

from __future__ import annotations

import flambeau as fl


def dropout(input: fl.Tensor, p: float = 0.5, training: bool = True) -> fl.Tensor:
    """While training, each element is zero with probability p, and the others are divided by 1 - p."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is {p}, a probability is between 0 and 1")
    if not training or p == 0.0:
        return input
    if p == 1.0:
        return input * 0.0
    kept = fl.random.uniform(input.shape, device=input.device) >= p
    return fl.where(kept, input * (1.0 / (1.0 - p)), 0.0)
