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


def bilinear(
    input1: fl.Tensor, input2: fl.Tensor, weight: fl.Tensor, bias: fl.Tensor | None = None
) -> fl.Tensor:
    """Output o is the sum over i and j of input1_i weight_oij input2_j, plus the bias (out,).

    Shapes: input1 (..., in1), input2 (..., in2), weight (out, in1, in2) -> (..., out).

    >>> bilinear(fl.tensor([2.0]), fl.tensor([3.0]), fl.ones((1, 1, 1))).tolist()
    [6.0]
    """
    if weight.ndim != 3 or input1.shape[-1:] != weight.shape[1:2] or input2.shape[-1:] != weight.shape[2:]:
        raise fl.ShapeError(f"bilinear: inputs are {tuple(input1.shape)} and {tuple(input2.shape)}, weight is "
                            f"{tuple(weight.shape)}: it must be (out, {input1.shape[-1]}, {input2.shape[-1]})")
    products = fl.expand_dims(input1, axis=-1) * fl.expand_dims(input2, axis=-2)
    flat = fl.reshape(products, (*products.shape[:-2], weight.shape[1] * weight.shape[2]))
    return _linear(flat, fl.reshape(weight, (weight.shape[0], -1)), bias)


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


def one_hot(input: fl.Tensor, num_classes: int = -1) -> fl.Tensor:
    """A last dimension of zeros with a one at the class; -1 classes: one more than the largest there is.

    >>> one_hot(fl.tensor([1, 0]), 3).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    if not input.dtype.is_integer:
        raise fl.DTypeError(f"one_hot: the input is {input.dtype}; class numbers are integers")
    if num_classes == -1 and not input.size:
        raise ValueError("one_hot: the input is empty, so num_classes cannot be found in it; pass it")
    if num_classes == -1:
        num_classes = max(int(fl.max(input).item()) + 1, 1)
    if input.size and input.device.name != "cpu":  # there the op looks at each itself
        least, most = int(fl.min(input).item()), int(fl.max(input).item())
        if not 0 <= least <= most < num_classes:
            raise IndexError(f"one_hot: classes must be from 0 to {max(num_classes - 1, 0)}, and go from {least} to "
                             f"{most}")
    return _core.ops["one_hot"](input, num_classes)
