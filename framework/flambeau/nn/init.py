"""How parameters begin: PyTorch's distributions, drawn from flambeau's own generator (`fl.manual_seed`)."""

from __future__ import annotations

import math

import flambeau as fl


def uniform_(tensor: fl.Tensor, a: float = 0.0, b: float = 1.0) -> fl.Tensor:
    """Fill with numbers spread evenly over [a, b).

    >>> x = uniform_(fl.zeros(1000), -1.0, 1.0)
    >>> bool(fl.all(x >= -1)), bool(fl.all(x < 1))
    (True, True)
    """
    _fill(tensor, fl.random.uniform(tensor.shape, low=a, high=b, device=tensor.device))
    return tensor


def normal_(tensor: fl.Tensor, mean: float = 0.0, std: float = 1.0) -> fl.Tensor:
    """Fill with numbers from a normal distribution."""
    _fill(tensor, fl.random.normal(tensor.shape, mean=mean, std=std, device=tensor.device))
    return tensor


def constant_(tensor: fl.Tensor, value: float) -> fl.Tensor:
    """Fill with one value."""
    _fill(tensor, fl.full(tensor.shape, value, dtype=tensor.dtype, device=tensor.device))
    return tensor


def zeros_(tensor: fl.Tensor) -> fl.Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: fl.Tensor) -> fl.Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def kaiming_uniform_(tensor: fl.Tensor, a: float = 0.0) -> fl.Tensor:
    """Fill a weight (out, in, ...) evenly within sqrt(6 / ((1 + a^2) fan_in)).

    Source: He and others, arXiv:1502.01852; `a` is the negative slope of the activation that follows.
    """
    bound = math.sqrt(6.0 / ((1.0 + a * a) * _fans(tensor)[0]))
    return uniform_(tensor, -bound, bound)


def xavier_uniform_(tensor: fl.Tensor, gain: float = 1.0) -> fl.Tensor:
    """Fill a weight (out, in, ...) evenly within gain sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio, 2010.
    """
    bound = gain * math.sqrt(6.0 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound)


def _fans(tensor: fl.Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise fl.ShapeError(f"init: the tensor is {tuple(tensor.shape)}, which has no inputs and outputs; it must be "
                            "(out, in, ...)")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _fill(tensor: fl.Tensor, values: fl.Tensor) -> None:
    with fl.no_grad():
        tensor[...] = values.to(tensor.dtype)
