"""Losses as layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import flambeau as fl
from flambeau.nn import functional
from flambeau.nn.functional import Reduction
from flambeau.nn.module import Module


class CrossEntropyLoss(Module):
    """The loss of logits (n, classes), or (n, classes, ...), against class numbers or probabilities.

    >>> CrossEntropyLoss()(fl.zeros((2, 4)), fl.tensor([0, 3])).item()
    1.3862943649291992
    """

    weight: fl.Tensor | None

    def __init__(
        self,
        weight: fl.Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.cross_entropy(input, target, weight=self.weight, ignore_index=self.ignore_index,
                                        label_smoothing=self.label_smoothing, reduction=self.reduction)


class NLLLoss(Module):
    """The negative of logarithms (n, classes), or (n, classes, ...), at class numbers."""

    weight: fl.Tensor | None

    def __init__(
        self,
        weight: fl.Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index,
                                   reduction=self.reduction)


class MSELoss(Module):
    """The square of the difference.

    >>> MSELoss()(fl.tensor([1.0, 2.0]), fl.tensor([1.0, 4.0])).item()
    2.0
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Module):
    """The size of the difference."""

    def __init__(self, reduction: Reduction = "mean") -> None:
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Module):
    """Half the square of the difference over beta where it is below beta, else its size less beta / 2."""

    def __init__(self, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        self.beta = beta
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.smooth_l1_loss(input, target, beta=self.beta, reduction=self.reduction)


class HuberLoss(Module):
    """Half the square of the difference where it is below delta, else delta times (its size less delta / 2)."""

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        self.delta = delta
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.huber_loss(input, target, delta=self.delta, reduction=self.reduction)


class KLDivLoss(Module):
    """How far probabilities `target` are from those whose logarithms are the input."""

    def __init__(
        self,
        reduction: Literal["none", "mean", "sum", "batchmean"] = "mean",
        log_target: bool = False,
    ) -> None:
        self.log_target = log_target
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.kl_div(input, target, log_target=self.log_target, reduction=self.reduction)


class BCELoss(Module):
    """The loss of probabilities against 0 and 1."""

    weight: fl.Tensor | None

    def __init__(self, weight: fl.Tensor | None = None, reduction: Reduction = "mean") -> None:
        self.register_buffer("weight", weight)
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(Module):
    """The loss of logits against 0 and 1; pos_weight counts the ones differently."""

    weight: fl.Tensor | None
    pos_weight: fl.Tensor | None

    def __init__(
        self,
        weight: fl.Tensor | None = None,
        reduction: Reduction = "mean",
        pos_weight: fl.Tensor | None = None,
    ) -> None:
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.binary_cross_entropy_with_logits(input, target, weight=self.weight,
                                                           pos_weight=self.pos_weight, reduction=self.reduction)


class SoftMarginLoss(Module):
    """log(1 + exp(-target input)), with targets 1 and -1."""

    def __init__(self, reduction: Reduction = "mean") -> None:
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(Module):
    """BCEWithLogitsLoss averaged over the classes, the last dimension."""

    weight: fl.Tensor | None

    def __init__(self, weight: fl.Tensor | None = None, reduction: Reduction = "mean") -> None:
        self.register_buffer("weight", weight)
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class MultiMarginLoss(Module):
    """How far the scores of other classes come within `margin` of the right one's, to the power p."""

    weight: fl.Tensor | None

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: fl.Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        self.register_buffer("weight", weight)
        self.p = p
        self.margin = margin
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.multi_margin_loss(input, target, weight=self.weight, p=self.p, margin=self.margin,
                                            reduction=self.reduction)


class HingeEmbeddingLoss(Module):
    """The distance where the target is 1, and how far it is below `margin` where it is -1."""

    def __init__(self, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        self.margin = margin
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(Module):
    """How far the first input fails to be above the second by `margin` (target 1), or below it (-1)."""

    def __init__(self, margin: float = 0.0, reduction: Reduction = "mean") -> None:
        self.margin = margin
        self.reduction = reduction

    def __call__(self, input1: fl.Tensor, input2: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(Module):
    """1 - cosine where the target is 1, and how far the cosine is above `margin` where it is -1."""

    def __init__(self, margin: float = 0.0, reduction: Reduction = "mean") -> None:
        self.margin = margin
        self.reduction = reduction

    def __call__(self, input1: fl.Tensor, input2: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(Module):
    """How far the distance to the positive fails to be below that to the negative by `margin`."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap
        self.reduction = reduction

    def __call__(self, anchor: fl.Tensor, positive: fl.Tensor, negative: fl.Tensor) -> fl.Tensor:
        return functional.triplet_margin_loss(anchor, positive, negative, margin=self.margin, p=self.p, eps=self.eps,
                                              swap=self.swap, reduction=self.reduction)


class PoissonNLLLoss(Module):
    """exp(input) - target input, or input - target log(input + eps)."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        eps: float = 1e-8,
        reduction: Reduction = "mean",
    ) -> None:
        self.log_input = log_input
        self.full = full
        self.eps = eps
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor) -> fl.Tensor:
        return functional.poisson_nll_loss(input, target, log_input=self.log_input, full=self.full, eps=self.eps,
                                           reduction=self.reduction)


class GaussianNLLLoss(Module):
    """Half of log var + (input - target)^2 / var."""

    def __init__(self, full: bool = False, eps: float = 1e-6, reduction: Reduction = "mean") -> None:
        self.full = full
        self.eps = eps
        self.reduction = reduction

    def __call__(self, input: fl.Tensor, target: fl.Tensor, var: fl.Tensor) -> fl.Tensor:
        return functional.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class TripletMarginWithDistanceLoss(Module):
    """TripletMarginLoss with a distance of your own, which takes two tensors."""

    def __init__(
        self,
        *,
        distance_function: Callable[[fl.Tensor, fl.Tensor], fl.Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        self.distance_function = distance_function
        self.margin = margin
        self.swap = swap
        self.reduction = reduction

    def __call__(self, anchor: fl.Tensor, positive: fl.Tensor, negative: fl.Tensor) -> fl.Tensor:
        return functional.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap,
            reduction=self.reduction)


class CTCLoss(Module):
    """The loss of sequences whose places in time are unknown: see functional.ctc_loss."""

    def __init__(self, blank: int = 0, reduction: Reduction = "mean", zero_infinity: bool = False) -> None:
        self.blank = blank
        self.reduction = reduction
        self.zero_infinity = zero_infinity

    def __call__(
        self,
        log_probs: fl.Tensor,
        targets: fl.Tensor,
        input_lengths: fl.Tensor | Sequence[int],
        target_lengths: fl.Tensor | Sequence[int],
    ) -> fl.Tensor:
        return functional.ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction,
                                   self.zero_infinity)
