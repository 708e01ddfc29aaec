"""A weight as a length and a direction."""

from __future__ import annotations

from typing import Any, TypeVar

import flambeau as fl
from flambeau.nn.functional.distance import norm
from flambeau.nn.hooks import RemovableHandle
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter

Layer = TypeVar("Layer", bound=Module)


class _WeightNorm:
    """Computes the weight anew before each call of the layer."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = dim
        self.handle: RemovableHandle | None = None

    def __call__(self, layer: Module, args: tuple[Any, ...]) -> None:
        setattr(layer, self.name, self.compute(layer))

    def compute(self, layer: Module) -> fl.Tensor:
        length, direction = getattr(layer, self.name + "_g"), getattr(layer, self.name + "_v")
        return direction * (length / lengths_of(direction, self.dim))


def weight_norm(module: Layer, name: str = "weight", dim: int | None = 0) -> Layer:
    """Let a layer learn the length (`weight_g`) and the direction (`weight_v`) of a weight in its place.

    Lengths are those along `dim`, or of the whole weight with None. Gives the layer back.
    Source: Salimans and Kingma, arXiv:1602.07868.

    >>> from flambeau import nn
    >>> sorted(weight_norm(nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    if _norm_of(module, name) is not None:
        raise RuntimeError(f"weight_norm: {name} of {module!r} has one already; remove_weight_norm takes it off")
    weight = module.get_parameter(name)
    hook = _WeightNorm(name, dim)
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(lengths_of(weight.detach(), dim)))
    module.register_parameter(name + "_v", Parameter(weight.detach().copy()))
    setattr(module, name, hook.compute(module))
    hook.handle = module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Layer, name: str = "weight") -> Layer:
    """Make the weight a parameter again. Raises: ValueError if it has no weight_norm."""
    hook = _norm_of(module, name)
    if hook is None or hook.handle is None:
        raise ValueError(f"remove_weight_norm: {name} of {module!r} has none")
    weight = hook.compute(module).detach()
    hook.handle.remove()
    for attribute in (name, name + "_g", name + "_v"):
        delattr(module, attribute)
    module.register_parameter(name, Parameter(weight))
    return module


def lengths_of(weight: fl.Tensor, dim: int | None) -> fl.Tensor:
    """The lengths along `dim`, kept as dimensions of 1 elsewhere, so that they divide the weight."""
    if dim is None:
        return norm(weight, 2.0, None, False)
    others = (-1,) + (1,) * (weight.ndim - 1)
    rows = fl.reshape(fl.moveaxis(weight, dim, 0), (weight.shape[dim], -1))
    lengths = fl.reshape(norm(rows, 2.0, 1, False), others)
    return fl.moveaxis(lengths, 0, dim)


def _norm_of(module: Module, name: str) -> _WeightNorm | None:
    for hook, _ in module._hooks_of("forward_pre"):
        if isinstance(hook, _WeightNorm) and hook.name == name:
            return hook
    return None
