"""Losses as functions: what classes and values cost."""

from __future__ import annotations

from typing import Literal

import flambeau as fl
from flambeau import _core
from flambeau.autograd.precision import in_float32
from flambeau.nn.functional.activation import log_softmax

Reduction = Literal["none", "mean", "sum"]
REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}

_cross_entropy, _nll_loss = _core.ops["cross_entropy"], _core.ops["nll_loss"]


def cross_entropy(
    input: fl.Tensor,
    target: fl.Tensor,
    weight: fl.Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> fl.Tensor:
    """The loss of logits against class numbers, or against probabilities: log_softmax, then its negative there.

    Shapes: input (n, classes) and target (n,); or (classes,) and (); or (n, classes, ...) and (n, ...). A target of
    floats has the input's shape and holds probabilities. weight (classes,) counts classes differently. The mean is over
    the targets that are not ignore_index, each counted with its class's weight.

    >>> round(cross_entropy(fl.tensor([[2.0, 0.0]]), fl.tensor([0])).item(), 4)
    0.1269
    """
    number = check_reduction("cross_entropy", reduction)
    if target.dtype.is_float:
        if input.ndim == target.ndim + 1:
            raise fl.DTypeError(f"cross_entropy: target is {target.dtype} of shape {tuple(target.shape)} for an input "
                                f"of {tuple(input.shape)}; class numbers are integers: target.astype(fl.int64)")
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if weight is not None:
        return _weighted_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    rows, classes = _rows_of("cross_entropy", input, target)
    loss, _ = _cross_entropy(rows, classes, reduction=number, ignore_index=ignore_index,
                             label_smoothing=label_smoothing)
    return fl.reshape(loss, target.shape) if reduction == "none" else loss


@in_float32
def nll_loss(
    input: fl.Tensor,
    target: fl.Tensor,
    weight: fl.Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> fl.Tensor:
    """The negative of the logarithms `input` at the class numbers `target`; shapes and mean as for cross_entropy.

    >>> nll_loss(fl.tensor([[-1.0, -2.0]]), fl.tensor([1])).item()
    2.0
    """
    number = check_reduction("nll_loss", reduction)
    rows, classes = _rows_of("nll_loss", input, target)
    if weight is None:
        losses = _nll_loss(rows, classes, reduction=number, ignore_index=ignore_index)
    else:
        weight = _class_weights("nll_loss", weight, rows)
        losses = _negative_at("nll_loss", rows, classes, weight, ignore_index, reduction)
    return fl.reshape(losses, target.shape) if reduction == "none" else losses


def _negative_at(
    function: str, rows: fl.Tensor, classes: fl.Tensor, weight: fl.Tensor | None, ignore_index: int,
    reduction: Reduction,
) -> fl.Tensor:
    """What nll_loss says of rows (n, classes): (n,), or their sum or mean."""
    kept, index = _readable(classes, rows.shape[1], ignore_index)
    losses = -fl.squeeze(at_classes(function, rows, index, classes), axis=1)
    weights = kept.to(rows.dtype)
    if weight is not None:
        weights = weights * fl.take(weight, index)
    losses = fl.where(kept, losses * weights, 0.0)
    if reduction == "none":
        return losses
    return fl.sum(losses) if reduction == "sum" else fl.sum(losses) / fl.sum(weights)


@in_float32
def _weighted_cross_entropy(
    input: fl.Tensor, target: fl.Tensor, weight: fl.Tensor, ignore_index: int, reduction: Reduction, smoothing: float
) -> fl.Tensor:
    rows, classes = _rows_of("cross_entropy", input, target)
    weight = _class_weights("cross_entropy", weight, rows)
    logarithms = log_softmax(rows, dim=1)
    picked = _negative_at("cross_entropy", logarithms, classes, weight, ignore_index, reduction)
    if not smoothing:
        return fl.reshape(picked, target.shape) if reduction == "none" else picked
    kept, index = _readable(classes, rows.shape[1], ignore_index)
    spread = fl.where(kept, -fl.sum(logarithms * weight, axis=1), 0.0)
    if reduction == "sum":
        spread = fl.sum(spread)
    elif reduction == "mean":
        spread = fl.sum(spread) / fl.sum(fl.where(kept, fl.take(weight, index), 0.0))
    total = picked * (1.0 - smoothing) + spread * (smoothing / rows.shape[1])
    return fl.reshape(total, target.shape) if reduction == "none" else total


@in_float32
def _soft_cross_entropy(
    input: fl.Tensor, target: fl.Tensor, weight: fl.Tensor | None, reduction: Reduction, smoothing: float
) -> fl.Tensor:
    same_shape("cross_entropy", input, target)
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing is {smoothing}; it must be between 0 and 1")
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    if smoothing:
        target = target * (1.0 - smoothing) + smoothing / classes
    products = log_softmax(input, dim=dim) * target
    if weight is not None:
        products = products * fl.reshape(weight, (-1,) + (1,) * (input.ndim - dim - 1))
    losses = -fl.sum(products, axis=dim)
    return reduced("cross_entropy", losses, reduction)


@in_float32
def mse_loss(
    input: fl.Tensor, target: fl.Tensor, reduction: Reduction = "mean", weight: fl.Tensor | None = None
) -> fl.Tensor:
    """The square of the difference, times a weight for each; the mean is then that of the weights.

    Raises: ShapeError unless all have one shape.

    >>> mse_loss(fl.tensor([1.0, 2.0]), fl.tensor([1.0, 4.0]), reduction="none").tolist()
    [0.0, 4.0]
    """
    same_shape("mse_loss", input, target)
    return _weighted("mse_loss", fl.square(input - target), weight, reduction)


@in_float32
def l1_loss(
    input: fl.Tensor, target: fl.Tensor, reduction: Reduction = "mean", weight: fl.Tensor | None = None
) -> fl.Tensor:
    """The size of the difference, times a weight for each; the mean is then that of the weights."""
    same_shape("l1_loss", input, target)
    return _weighted("l1_loss", fl.abs(input - target), weight, reduction)


@in_float32
def smooth_l1_loss(
    input: fl.Tensor, target: fl.Tensor, reduction: Reduction = "mean", beta: float = 1.0
) -> fl.Tensor:
    """Half the square of the difference over beta where it is below beta, else its size less beta / 2.

    >>> smooth_l1_loss(fl.tensor([0.5, 3.0]), fl.zeros(2), reduction="none").tolist()
    [0.125, 2.5]
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta is {beta} and cannot be negative")
    if beta == 0:
        return l1_loss(input, target, reduction)
    return huber_loss(input, target, reduction, beta) / beta


@in_float32
def huber_loss(
    input: fl.Tensor,
    target: fl.Tensor,
    reduction: Reduction = "mean",
    delta: float = 1.0,
    weight: fl.Tensor | None = None,
) -> fl.Tensor:
    """Half the square of the difference where it is below delta, else delta times (its size less delta / 2).

    All of it times a weight for each, which the mean does not divide by, as in PyTorch.
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta is {delta} and must be positive")
    same_shape("huber_loss", input, target)
    losses = _core.ops["huber"](input - target, delta=delta)
    if weight is not None:
        same_shape("huber_loss", input, weight, "weight")
        losses = losses * weight
    return reduced("huber_loss", losses, reduction)


@in_float32
def kl_div(
    input: fl.Tensor,
    target: fl.Tensor,
    reduction: Literal["none", "mean", "sum", "batchmean"] = "mean",
    log_target: bool = False,
) -> fl.Tensor:
    """target (log target - input), where `input` holds logarithms; "batchmean" divides the sum by the first size.

    >>> kl_div(fl.log(fl.tensor([0.5, 0.5])), fl.tensor([0.5, 0.5]), reduction="sum").item()
    0.0
    """
    same_shape("kl_div", input, target)
    if log_target:
        losses = fl.exp(target) * (target - input)
    else:
        positive = target > 0
        losses = fl.where(positive, target * fl.log(fl.where(positive, target, 1.0)), 0.0) - target * input
    if reduction == "batchmean":
        return fl.sum(losses) / (losses.shape[0] if losses.ndim else 1)
    return reduced("kl_div", losses, reduction)


def check_reduction(function: str, reduction: str) -> int:
    """The number of a reduction in the op table. Raises: ValueError for one that is none."""
    if reduction not in REDUCTIONS:
        raise ValueError(f'{function}: reduction is {reduction!r}; it is "mean", "sum" or "none"')
    return REDUCTIONS[reduction]


def reduced(function: str, losses: fl.Tensor, reduction: str) -> fl.Tensor:
    """The losses as they are, their mean or their sum."""
    check_reduction(function, reduction)
    if reduction == "none":
        return losses
    return fl.mean(losses) if reduction == "mean" else fl.sum(losses)


def _weighted(function: str, losses: fl.Tensor, weight: fl.Tensor | None, reduction: str) -> fl.Tensor:
    if weight is None:
        return reduced(function, losses, reduction)
    same_shape(function, losses, weight, "weight")
    if reduction == "mean":
        return fl.sum(losses * weight) / fl.sum(weight)
    return reduced(function, losses * weight, reduction)


def same_shape(function: str, input: fl.Tensor, target: fl.Tensor, name: str = "target") -> None:
    """Raise ShapeError unless both have one shape: broadcasting would compare everything with everything."""
    if input.shape != target.shape:
        raise fl.ShapeError(f"{function}: input is {tuple(input.shape)}, {name} is {tuple(target.shape)}: they must be "
                            "equal; reshape one, or broadcast it yourself")


def _rows_of(function: str, input: fl.Tensor, target: fl.Tensor) -> tuple[fl.Tensor, fl.Tensor]:
    """Logits (examples, classes) and class numbers (examples,)."""
    if input.ndim == 1 and target.ndim == 0:
        return fl.expand_dims(input, axis=0), fl.expand_dims(target, axis=0)
    if input.ndim < 2 or tuple(target.shape) != (input.shape[0], *input.shape[2:]):
        wanted = (input.shape[0], *input.shape[2:]) if input.ndim > 1 else ()
        raise fl.ShapeError(f"{function}: input is {tuple(input.shape)}, target is {tuple(target.shape)}: the target "
                            f"of class numbers must be {wanted}, the input without its classes")
    if input.ndim > 2:  # classes to the end, the rest one after the other
        order = (0, *range(2, input.ndim), 1)
        rows = fl.permute_dims(input, order)
        return fl.reshape(rows, (target.size, input.shape[1])), fl.reshape(target, (target.size,))
    return input, target


def _readable(classes: fl.Tensor, count: int, ignore_index: int) -> tuple[fl.Tensor, fl.Tensor]:
    """Which targets count, and indices: 0 for the others, and negative ones past the end, so that reading raises."""
    kept = classes != ignore_index
    return kept, fl.where(kept, fl.where(classes < 0, count, classes), 0)


def at_classes(function: str, rows: fl.Tensor, index: fl.Tensor, classes: fl.Tensor) -> fl.Tensor:
    """Each row's element (n, 1) at its index, which is past the end where the target is no class: IndexError."""
    try:
        return fl.take_along_axis(rows, fl.expand_dims(index, axis=1), axis=1)
    except IndexError:
        count = rows.shape[1]
        wrong = "a target" if _core.vmap_depth() else f"target {classes[index >= count][0].item()}"
        raise IndexError(f"{function}: {wrong} is out of range: classes go from 0 to {count - 1}") from None


def _class_weights(function: str, weight: fl.Tensor, rows: fl.Tensor) -> fl.Tensor:
    if tuple(weight.shape) != (rows.shape[1],):
        raise fl.ShapeError(f"{function}: weight is {tuple(weight.shape)}: it must be ({rows.shape[1]},), one for each "
                            "class")
    return weight.to(rows.dtype)
