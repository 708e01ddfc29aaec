"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import flambeau as fl


def parameters_to_vector(parameters: Iterable[fl.Tensor]) -> fl.Tensor:
    """The parameters one after the other, flat.

    >>> parameters_to_vector([fl.ones((1, 2)), fl.zeros(1)]).tolist()
    [1.0, 1.0, 0.0]
    """
    return fl.concat([fl.reshape(x, (-1,)) for x in parameters])


def vector_to_parameters(vec: fl.Tensor, parameters: Iterable[fl.Tensor]) -> None:
    """Write a flat vector into the parameters, one after the other. Raises: ShapeError unless it has their size."""
    given = list(parameters)
    needed = sum(x.size for x in given)
    if tuple(vec.shape) != (needed,):
        raise fl.ShapeError(f"vector_to_parameters: the vector is {tuple(vec.shape)}, the parameters need ({needed},)")
    start = 0
    with fl.no_grad():
        for x in given:
            part = vec.detach()[start : start + x.size]
            x[...] = fl.reshape(part, x.shape).to(x.device).to(x.dtype)
            start += x.size
