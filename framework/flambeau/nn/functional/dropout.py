"""Dropping at random while training. What is dropped depends on the seed and an element's place alone."""

from __future__ import annotations

import math
from typing import Never

import flambeau as fl
from flambeau import _core
from flambeau.arguments import refuse

_dropout = _core.ops["dropout"]


def dropout(input: fl.Tensor, p: float = 0.5, training: bool = True, **other: Never) -> fl.Tensor:
    """While training, each element is zero with probability p, and the others are divided by 1 - p.

    The mask is drawn from `fl.manual_seed`'s generator, and again for the gradient: it is not kept.

    >>> fl.manual_seed(0)
    >>> sorted(set(dropout(fl.ones(100), 0.5).tolist()))
    [0.0, 2.0]
    """
    if other:
        refuse("dropout", other)
    _check("dropout", p)
    if not training or p == 0.0:
        return input
    if p == 1.0:
        return input * 0.0
    if _core.recording():
        raise RuntimeError("dropout: a recorded function would drop the same elements in every run; call eval() first, "
                           "or multiply by a mask that is passed in")
    if _core.vmap_depth():  # one seed would drop the same of every example: vmap's policy says how the mask is drawn
        kept = fl.random.uniform(input.shape, device=input.device) >= p
        return fl.where(kept, input * (1.0 / (1.0 - p)), 0.0)
    return _dropout(input, p, *fl.random.default_generator.reserve(input.size))


def dropout1d(input: fl.Tensor, p: float = 0.5, training: bool = True, **other: Never) -> fl.Tensor:
    """While training, each channel of (n, c, length) or (c, length) is zero with probability p."""
    if other:
        refuse("dropout1d", other)
    return _channels("dropout1d", 1, input, p, training)


def dropout2d(input: fl.Tensor, p: float = 0.5, training: bool = True, **other: Never) -> fl.Tensor:
    """While training, each channel of (n, c, h, w) or (c, h, w) is zero with probability p.

    Source: Tompson and others, arXiv:1411.4280.
    """
    if other:
        refuse("dropout2d", other)
    return _channels("dropout2d", 2, input, p, training)


def dropout3d(input: fl.Tensor, p: float = 0.5, training: bool = True, **other: Never) -> fl.Tensor:
    """While training, each channel of (n, c, d, h, w) or (c, d, h, w) is zero with probability p."""
    if other:
        refuse("dropout3d", other)
    return _channels("dropout3d", 3, input, p, training)


def alpha_dropout(input: fl.Tensor, p: float = 0.5, training: bool = False, **other: Never) -> fl.Tensor:
    """While training, elements become SELU's lowest value with probability p; mean and variance stay 0 and 1.

    Source: Klambauer and others, arXiv:1706.02515.
    """
    if other:
        refuse("alpha_dropout", other)
    _check("alpha_dropout", p)
    if not training or p == 0.0:
        return input
    if p == 1.0:
        return input * 0.0
    lowest = -1.7580993408473766  # -scale alpha of SELU
    kept = dropout(fl.ones(input.shape, dtype=fl.float32, device=input.device), p) > 0
    a = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * lowest * lowest))
    return fl.where(kept, input, lowest) * a - a * lowest * p


def _channels(name: str, axes: int, input: fl.Tensor, p: float, training: bool) -> fl.Tensor:
    _check(name, p)
    if input.ndim not in (axes + 1, axes + 2):
        raise fl.ShapeError(f"{name}: input is {tuple(input.shape)}; (n, channels, ...) or (channels, ...) with {axes} "
                            "spatial axes is needed")
    if not training or p == 0.0:
        return input
    mask = fl.ones((*input.shape[:-axes], *(1,) * axes), dtype=input.dtype, device=input.device)
    return input * dropout(mask, p)


def _check(name: str, p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: p is {p}, a probability is between 0 and 1")
