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
        memo[id(self)] = copied = Parameter(super().__deepcopy__({}), self.requires_grad)
        if self.grad is not None:
            copied.grad = self.grad.copy()
        return copied
