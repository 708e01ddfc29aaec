"""Sizes as PyTorch takes them: one number for all spatial axes, or one for each."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import flambeau as fl

Size = int | Sequence[int]


def many(name: str, size: Size, axes: int) -> tuple[int, ...]:
    """One number for each axis.

    >>> many("conv2d", 3, 2), many("conv2d", [1, 2], 2)
    ((3, 3), (1, 2))
    """
    if isinstance(size, int):
        return (size,) * axes
    if not isinstance(size, Sequence):
        try:
            return (operator.index(size),) * axes
        except TypeError:
            raise TypeError(f"{name}: {size!r} is given where one integer, or {axes}, belongs") from None
    numbers = tuple(size)
    if len(numbers) == 1:
        return numbers * axes
    if len(numbers) != axes or not all(isinstance(n, int) for n in numbers):
        raise ValueError(f"{name}: {size!r} is given for {axes} spatial axes; give one integer, or {axes}")
    return numbers


def batched(name: str, x: fl.Tensor, axes: int) -> tuple[fl.Tensor, bool]:
    """x as (batch, channels, ...), and whether it came without the batch."""
    if x.ndim == axes + 1:
        return x[None], True
    if x.ndim != axes + 2:
        raise fl.ShapeError(f"{name}: input is {tuple(x.shape)}; it must be (batch, channels, ...) or (channels, ...) "
                            f"with {axes} spatial axes")
    return x, False
