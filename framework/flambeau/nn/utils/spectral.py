"""A weight over its largest singular value."""

from __future__ import annotations

from typing import Any, TypeVar

import flambeau as fl
from flambeau.nn.convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from flambeau.nn.functional.distance import normalize
from flambeau.nn.hooks import RemovableHandle
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter

Layer = TypeVar("Layer", bound=Module)


class _SpectralNorm:
    """Computes the weight anew before each call of the layer, while training after some steps of power iteration."""

    def __init__(self, name: str, iterations: int, eps: float, dim: int) -> None:
        self.name, self.iterations, self.eps, self.dim = name, iterations, eps, dim
        self.handle: RemovableHandle | None = None

    def __call__(self, layer: Module, args: tuple[Any, ...]) -> None:
        setattr(layer, self.name, self.compute(layer, self.iterations if layer.training else 0))

    def compute(self, layer: Module, iterations: int) -> fl.Tensor:
        weight, u, v = (getattr(layer, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = self.matrix(weight)
        with fl.no_grad():
            for _ in range(iterations):
                v[...] = normalize(matrix.detach().mT @ u, dim=0, eps=self.eps)
                u[...] = normalize(matrix.detach() @ v, dim=0, eps=self.eps)
        # Copies: the next call writes into the vectors, and the gradient of this one still needs them.
        return weight / (u.copy() @ (matrix @ v.copy()))

    def matrix(self, weight: fl.Tensor) -> fl.Tensor:
        return fl.reshape(fl.moveaxis(weight, self.dim, 0), (weight.shape[self.dim], -1))


def spectral_norm(
    module: Layer, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Layer:
    """Let a layer compute with its weight over the largest singular value, so that it stretches nothing.

    That value comes from power iteration, n_power_iterations steps in each call while training. `weight_orig` is
    learned in the weight's place; `weight_u` and `weight_v` are buffers. dim is the axis of the outputs: 0, or 1 for
    transposed convolutions. Gives the layer back. Source: Miyato and others, arXiv:1802.05957.

    >>> from flambeau import nn
    >>> sorted(spectral_norm(nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: n_power_iterations is {n_power_iterations}; at least one is needed")
    if _norm_of(module, name) is not None:
        raise RuntimeError(f"spectral_norm: {name} of {module!r} has one already; remove_spectral_norm takes it off")
    if dim is None:
        dim = 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d) else 0
    weight = module.get_parameter(name).detach()
    hook = _SpectralNorm(name, n_power_iterations, eps, dim)
    rows, columns = hook.matrix(weight).shape
    delattr(module, name)
    module.register_parameter(name + "_orig", Parameter(weight.copy()))
    for part, size in (("u", rows), ("v", columns)):
        vector = fl.random.normal(size).to(weight.device).to(weight.dtype)
        module.register_buffer(f"{name}_{part}", normalize(vector, dim=0, eps=eps))
    setattr(module, name, hook.compute(module, 15).detach())
    hook.handle = module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Layer, name: str = "weight") -> Layer:
    """Make the weight, as it is computed now, a parameter again. Raises: ValueError if it has no spectral_norm."""
    hook = _norm_of(module, name)
    if hook is None or hook.handle is None:
        raise ValueError(f"remove_spectral_norm: {name} of {module!r} has none")
    weight = hook.compute(module, 0).detach()
    hook.handle.remove()
    for attribute in (name, name + "_orig", name + "_u", name + "_v"):
        delattr(module, attribute)
    for part in ("u", "v"):
        module.__dict__["_buffers"].pop(f"{name}_{part}")
    module.register_parameter(name, Parameter(weight))
    return module


def _norm_of(module: Module, name: str) -> _SpectralNorm | None:
    for hook, _ in module._hooks_of("forward_pre"):
        if isinstance(hook, _SpectralNorm) and hook.name == name:
            return hook
    return None
