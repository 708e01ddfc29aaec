"""Losses as functions."""

from __future__ import annotations

from typing import Literal

import flambeau as fl
from flambeau import _core

Reduction = Literal["none", "mean", "sum"]
_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}

_cross_entropy = _core.ops["cross_entropy"]


def cross_entropy(
    input: fl.Tensor,
    target: fl.Tensor,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> fl.Tensor:
    """The loss of logits against class numbers: log_softmax, then the negative logarithm at the class.

    Shapes: input (n, classes) and target (n,); or (classes,) and (); or (n, classes, ...) and (n, ...). The mean is
    over the targets that are not ignore_index.

    >>> round(cross_entropy(fl.tensor([[2.0, 0.0]]), fl.tensor([0])).item(), 4)
    0.1269
    """
    number = _reduction("cross_entropy", reduction)
    shape = target.shape
    if input.ndim == 1:
        input, target = fl.expand_dims(input, axis=0), fl.expand_dims(target, axis=0)
    elif input.ndim > 2:  # classes to the end, the rest one after the other
        order = (0, *range(2, input.ndim), 1)
        input = fl.reshape(fl.permute_dims(input, order), (-1, input.shape[1]))
        target = fl.reshape(target, (-1,))
    loss, _ = _cross_entropy(input, target, reduction=number, ignore_index=ignore_index,
                                     label_smoothing=label_smoothing)
    return fl.reshape(loss, shape) if reduction == "none" else loss


def nll_loss(input: fl.Tensor, target: fl.Tensor, reduction: Reduction = "mean") -> fl.Tensor:
    """The negative of the logarithms `input` (n, classes) at the classes (n,)."""
    picked = -fl.squeeze(fl.take_along_axis(input, fl.expand_dims(target, axis=1), axis=1), axis=1)
    return _reduced("nll_loss", picked, reduction)


def mse_loss(input: fl.Tensor, target: fl.Tensor, reduction: Reduction = "mean") -> fl.Tensor:
    """The square of the difference.

    >>> mse_loss(fl.tensor([1.0, 2.0]), fl.tensor([1.0, 4.0]), reduction="none").tolist()
    [0.0, 4.0]
    """
    return _reduced("mse_loss", fl.square(input - target), reduction)


def l1_loss(input: fl.Tensor, target: fl.Tensor, reduction: Reduction = "mean") -> fl.Tensor:
    """The size of the difference."""
    return _reduced("l1_loss", fl.abs(input - target), reduction)


def _reduction(function: str, reduction: str) -> int:
    if reduction not in _REDUCTIONS:
        raise ValueError(f'{function}: reduction is {reduction!r}; it is "mean", "sum" or "none"')
    return _REDUCTIONS[reduction]


def _reduced(function: str, losses: fl.Tensor, reduction: str) -> fl.Tensor:
    _reduction(function, reduction)
    if reduction == "none":
        return losses
    return fl.mean(losses) if reduction == "mean" else fl.sum(losses)
