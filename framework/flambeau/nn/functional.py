"""What layers compute, as functions with PyTorch's names and keywords (`dim`, `keepdim`)."""

from __future__ import annotations

from typing import Literal

import flambeau as fl
from flambeau import _core

Reduction = Literal["none", "mean", "sum"]
_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}

_linear, _relu, _gelu, _sigmoid = (_core.ops[name] for name in ("linear", "relu", "gelu", "sigmoid"))
_softmax, _log_softmax, _cross_entropy = (_core.ops[name] for name in ("softmax", "log_softmax", "cross_entropy"))


def linear(input: fl.Tensor, weight: fl.Tensor, bias: fl.Tensor | None = None) -> fl.Tensor:
    """input (..., in) times the transposed weight (out, in), plus the bias (out,).

    >>> linear(fl.tensor([1.0, 2.0]), fl.tensor([[1.0, 1.0]])).tolist()
    [3.0]
    """
    return _linear(input, weight, bias)


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


def flatten(input: fl.Tensor, start_dim: int = 0, end_dim: int = -1) -> fl.Tensor:
    """Make the dimensions from start_dim to end_dim one.

    >>> flatten(fl.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    ndim = max(input.ndim, 1)
    first, last = (dim + ndim if dim < 0 else dim for dim in (start_dim, end_dim))
    if not 0 <= first <= last < ndim:
        raise fl.ShapeError(f"flatten: dimensions {start_dim} to {end_dim} of {tuple(input.shape)}: they must exist "
                            "and stand in order")
    size = 1
    for dim in input.shape[first : last + 1]:
        size *= dim
    return fl.reshape(input, (*input.shape[:first], size, *input.shape[last + 1 :]))


def one_hot(input: fl.Tensor, num_classes: int) -> fl.Tensor:
    """A last dimension of zeros with a one at the class.

    >>> one_hot(fl.tensor([1, 0]), 3).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    classes = fl.arange(num_classes, dtype=input.dtype, device=input.device)
    return fl.astype(fl.expand_dims(input, axis=-1) == classes, input.dtype)


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
