"""Losses of yes and no, of pairs and of distances."""

from __future__ import annotations

import math
from collections.abc import Callable

import flambeau as fl
from flambeau import _core
from flambeau.autograd.precision import in_float32
from flambeau.nn.functional.activation import logsigmoid
from flambeau.nn.functional.distance import pairwise_distance
from flambeau.nn.functional.loss import Reduction, at_classes, reduced, same_shape


@in_float32
def binary_cross_entropy(
    input: fl.Tensor, target: fl.Tensor, weight: fl.Tensor | None = None, reduction: Reduction = "mean"
) -> fl.Tensor:
    """The loss of probabilities against 0 and 1; logarithms stop at -100.

    >>> round(binary_cross_entropy(fl.tensor([0.5]), fl.tensor([1.0])).item(), 4)
    0.6931
    """
    same_shape("binary_cross_entropy", input, target)
    losses = -(target * _log_from(input) + (1.0 - target) * _log_from(1.0 - input))
    result = reduced("binary_cross_entropy", losses if weight is None else losses * weight, reduction)
    if not fl.recording() and not _core.vmap_levels() and input.device.host_memory and input.size:
        with fl.no_grad():
            _require_probabilities(input, result)
    return result


def _require_probabilities(input: fl.Tensor, result: fl.Tensor) -> None:
    """Raises if the loss is NaN, as it is for every input out of range, and the input is to blame."""
    if not math.isnan(fl.sum(result).item()):
        return
    least, most = fl.min(input).item(), fl.max(input).item()
    if not (least >= 0.0 and most <= 1.0):  # so that NaN is refused too
        raise ValueError(f"binary_cross_entropy: the input goes from {least:.9g} to {most:.9g} and is to hold "
                         "probabilities, from 0 to 1; logits go to binary_cross_entropy_with_logits")


@in_float32
def binary_cross_entropy_with_logits(
    input: fl.Tensor,
    target: fl.Tensor,
    weight: fl.Tensor | None = None,
    reduction: Reduction = "mean",
    pos_weight: fl.Tensor | None = None,
) -> fl.Tensor:
    """The loss of logits against 0 and 1; pos_weight counts the ones differently.

    >>> round(binary_cross_entropy_with_logits(fl.tensor([0.0]), fl.tensor([1.0])).item(), 4)
    0.6931
    """
    same_shape("binary_cross_entropy_with_logits", input, target)
    logarithm = logsigmoid(input)
    if pos_weight is not None:
        logarithm = logarithm * (1.0 + (pos_weight - 1.0) * target)
    losses = (1.0 - target) * input - logarithm
    return reduced("binary_cross_entropy_with_logits", losses if weight is None else losses * weight, reduction)


@in_float32
def soft_margin_loss(input: fl.Tensor, target: fl.Tensor, reduction: Reduction = "mean") -> fl.Tensor:
    """log(1 + exp(-target input)), with targets 1 and -1."""
    same_shape("soft_margin_loss", input, target)
    return reduced("soft_margin_loss", -logsigmoid(target * input), reduction)


@in_float32
def multilabel_soft_margin_loss(
    input: fl.Tensor, target: fl.Tensor, weight: fl.Tensor | None = None, reduction: Reduction = "mean"
) -> fl.Tensor:
    """binary_cross_entropy_with_logits averaged over the classes, the last dimension."""
    same_shape("multilabel_soft_margin_loss", input, target)
    losses = -(target * logsigmoid(input) + (1.0 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return reduced("multilabel_soft_margin_loss", fl.mean(losses, axis=-1), reduction)


@in_float32
def multi_margin_loss(
    input: fl.Tensor,
    target: fl.Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: fl.Tensor | None = None,
    reduction: Reduction = "mean",
) -> fl.Tensor:
    """How far the scores (n, classes) of other classes come within `margin` of the right one's, to the power p."""
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p is {p}; it is 1 or 2")
    rows, classes = (input, target) if input.ndim > 1 else (fl.expand_dims(input, axis=0), fl.reshape(target, (1,)))
    index = fl.where(classes < 0, rows.shape[1], classes)
    within = fl.maximum(margin - at_classes("multi_margin_loss", rows, index, classes) + rows, 0.0)
    index = fl.expand_dims(index, axis=1)
    losses = within if p == 1 else fl.square(within)
    if weight is not None:
        losses = losses * fl.take(weight, index)
    others = fl.arange(rows.shape[1], device=rows.device) != index
    each = fl.sum(fl.where(others, losses, 0.0), axis=1) / rows.shape[1]
    return reduced("multi_margin_loss", each if input.ndim > 1 else fl.squeeze(each, axis=0), reduction)


@in_float32
def hinge_embedding_loss(
    input: fl.Tensor, target: fl.Tensor, margin: float = 1.0, reduction: Reduction = "mean"
) -> fl.Tensor:
    """The distance `input` where the target is 1, and how far it is below `margin` where it is -1."""
    same_shape("hinge_embedding_loss", input, target)
    far = fl.where(target == 1, 0.0, fl.maximum(margin - input, 0.0))
    return reduced("hinge_embedding_loss", fl.where(target == -1, 0.0, input) + far, reduction)


@in_float32
def margin_ranking_loss(
    input1: fl.Tensor, input2: fl.Tensor, target: fl.Tensor, margin: float = 0.0, reduction: Reduction = "mean"
) -> fl.Tensor:
    """How far input1 fails to be above input2 by `margin` where the target is 1, and below it where it is -1.

    >>> margin_ranking_loss(fl.tensor([1.0]), fl.tensor([3.0]), fl.tensor([1.0])).item()
    2.0
    """
    same_shape("margin_ranking_loss", input1, input2)
    return reduced("margin_ranking_loss", fl.maximum(margin - target * (input1 - input2), 0.0), reduction)


@in_float32
def cosine_embedding_loss(
    input1: fl.Tensor, input2: fl.Tensor, target: fl.Tensor, margin: float = 0.0, reduction: Reduction = "mean"
) -> fl.Tensor:
    """1 - cosine where the target is 1, and how far the cosine is above `margin` where it is -1.

    Shapes: inputs (n, d) and target (n,); or (d,) and ().
    """
    same_shape("cosine_embedding_loss", input1, input2)
    squares = [fl.sum(fl.square(x), axis=-1) + 1e-12 for x in (input1, input2)]
    cosine = fl.sum(input1 * input2, axis=-1) / fl.sqrt(squares[0] * squares[1])
    losses = fl.where(target == 1, 1.0 - cosine, fl.where(target == -1, fl.maximum(cosine - margin, 0.0), 0.0))
    return reduced("cosine_embedding_loss", losses, reduction)


@in_float32
def triplet_margin_loss(
    anchor: fl.Tensor,
    positive: fl.Tensor,
    negative: fl.Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> fl.Tensor:
    """How far the anchor's distance to the positive fails to be below that to the negative by `margin`.

    swap: the positive's distance to the negative counts if it is smaller. Source: Balntas and others, 2016.
    """
    return _triplet("triplet_margin_loss", (anchor, positive, negative), lambda a, b: pairwise_distance(a, b, p, eps),
                    margin, swap, reduction)


@in_float32
def triplet_margin_with_distance_loss(
    anchor: fl.Tensor,
    positive: fl.Tensor,
    negative: fl.Tensor,
    *,
    distance_function: Callable[[fl.Tensor, fl.Tensor], fl.Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> fl.Tensor:
    """triplet_margin_loss with a distance of your own."""
    return _triplet("triplet_margin_with_distance_loss", (anchor, positive, negative),
                    distance_function or pairwise_distance, margin, swap, reduction)


def _triplet(
    function: str,
    points: tuple[fl.Tensor, fl.Tensor, fl.Tensor],
    distance: Callable[[fl.Tensor, fl.Tensor], fl.Tensor],
    margin: float,
    swap: bool,
    reduction: Reduction,
) -> fl.Tensor:
    anchor, positive, negative = points
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = fl.minimum(far, distance(positive, negative))
    return reduced(function, fl.maximum(margin + near - far, 0.0), reduction)


@in_float32
def poisson_nll_loss(
    input: fl.Tensor,
    target: fl.Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> fl.Tensor:
    """exp(input) - target input, or input - target log(input + eps); full: with Stirling's term of the target."""
    losses = fl.exp(input) - target * input if log_input else input - target * fl.log(input + eps)
    if full:
        safe = fl.where(target > 1, target, 1.0)
        stirling = safe * fl.log(safe) - safe + 0.5 * fl.log(2 * math.pi * safe)
        losses = losses + fl.where(target > 1, stirling, 0.0)
    return reduced("poisson_nll_loss", losses, reduction)


@in_float32
def gaussian_nll_loss(
    input: fl.Tensor,
    target: fl.Tensor,
    var: fl.Tensor,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> fl.Tensor:
    """Half of log var + (input - target)^2 / var, with var at least eps; full: plus half of log(2 pi)."""
    held = fl.maximum(var.detach(), eps)
    var = var + (held - var.detach())  # its gradient goes through where it was below eps, as in PyTorch
    losses = 0.5 * (fl.log(var) + fl.square(input - target) / var)
    return reduced("gaussian_nll_loss", losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def _log_from(probability: fl.Tensor) -> fl.Tensor:
    """The logarithm, and -100 where it would be below: no gradient goes there. Of what is below 0 NaN."""
    zero = probability == 0
    return fl.where(zero, -100.0, fl.maximum(fl.log(fl.where(zero, 1.0, probability)), -100.0))
