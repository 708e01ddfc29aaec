"""Losses as layers."""

from __future__ import annotations

import flambeau as fl
from flambeau.nn import functional
from flambeau.nn.functional import Reduction
from flambeau.nn.module import Module


class CrossEntropyLoss(Module):
    """The loss of logits (n, classes), or (n, classes, ...), against class numbers.

    >>> CrossEntropyLoss()(fl.zeros((2, 4)), fl.tensor([0, 3])).item()
    1.3862943649291992
    """

    def __init__(self, ignore_index: int = -100, reduction: Reduction = "mean", label_smoothing: float = 0.0) -> None:
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.cross_entropy(input, target, ignore_index=self.ignore_index, reduction=self.reduction,
                                        label_smoothing=self.label_smoothing)


class MSELoss(Module):
    """The square of the difference.

    >>> MSELoss()(fl.tensor([1.0, 2.0]), fl.tensor([1.0, 4.0])).item()
    2.0
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.mse_loss(input, target, reduction=self.reduction)
