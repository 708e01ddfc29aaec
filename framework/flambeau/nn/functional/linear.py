"""Products with weights, and the shaping of vectors."""

from __future__ import annotations

import flambeau as fl
from flambeau import _core

_linear = _core.ops["linear"]


def linear(input: fl.Tensor, weight: fl.Tensor, bias: fl.Tensor | None = None) -> fl.Tensor:
    """input (..., in) times the transposed weight (out, in), plus the bias (out,).

    >>> linear(fl.tensor([1.0, 2.0]), fl.tensor([[1.0, 1.0]])).tolist()
    [3.0]
    """
    return _linear(input, weight, bias)


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
