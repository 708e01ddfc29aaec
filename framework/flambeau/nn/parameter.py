"""Parameter: a tensor that belongs to a layer and is learned."""

from __future__ import annotations

from typing import Any, Self

import flambeau as fl


class Parameter(fl.Tensor):
    """A tensor that belongs to a layer and is learned.

    >>> weight = Parameter(fl.zeros((2, 3)))
    >>> weight.requires_grad, weight.shape
    (True, (2, 3))
    """

    def __new__(cls, data: fl.Tensor, requires_grad: bool = True) -> Self:
        parameter = super().__new__(cls, data.detach())
        parameter.requires_grad = requires_grad
        return parameter

    def __init__(self, data: fl.Tensor, requires_grad: bool = True) -> None:
        pass

    def __copy__(self) -> Parameter:
        return Parameter(super().__copy__(), self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """A parameter of its own, without the gradient that this one has summed up, as in PyTorch."""
        memo[id(self)] = copied = Parameter(self.detach().copy(), self.requires_grad)
        return copied
