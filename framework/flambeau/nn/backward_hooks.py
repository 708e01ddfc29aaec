"""Hooks around a layer's gradient: its inputs and results pass through functions that tell what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as fl
from flambeau import _core
from flambeau.autograd.function import Function

Gradients = tuple[fl.Tensor | None, ...]
Hook = Callable[..., Any]


class _Passing(Function):
    """Tensors as they are; what `tell` makes of their gradients goes further back."""

    @staticmethod
    def forward(ctx: Any, tell: Callable[[Gradients], Gradients], *tensors: fl.Tensor) -> tuple[fl.Tensor, ...]:
        ctx.tell = tell
        ctx.set_materialize_grads(False)
        return tuple(x.detach() for x in tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: fl.Tensor | None) -> Any:
        return None, *ctx.tell(gradients)


class BackwardHooks:
    """The hooks of one call of a layer: `before` takes its arguments, `after` its output, and both give them back."""

    def __init__(self, layer: object, pre_hooks: list[Hook], hooks: list[Hook]) -> None:
        self.layer, self.pre_hooks, self.hooks = layer, pre_hooks, hooks
        self.inputs = 0
        self.waits = False  # whether gradients of inputs are still to come
        self.outputs: Gradients = ()

    def before(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments; their gradients will be told."""
        places = [i for i, x in enumerate(args) if isinstance(x, fl.Tensor)]
        self.inputs = len(places)
        self.waits = bool(self.hooks) and _core.grad_enabled() and any(args[i].requires_grad for i in places)
        if not self.waits:
            return args
        passed = dict(zip(places, _Passing.apply(self._input, *(args[i] for i in places)), strict=True))
        return tuple(passed.get(i, x) for i, x in enumerate(args))

    def after(self, output: Any) -> Any:
        """The output; its gradients will be told."""
        alone = isinstance(output, fl.Tensor)
        results = (output,) if alone else output
        if not isinstance(results, tuple) or not all(isinstance(x, fl.Tensor) for x in results):
            raise TypeError(f"backward hook: {type(self.layer).__name__} gave a {type(output).__name__}; its results "
                            "must be a tensor or a tuple of tensors")
        if not any(x.requires_grad for x in results):
            return output
        passed = _Passing.apply(self._output, *results)
        return passed[0] if alone else passed

    def _output(self, gradients: Gradients) -> Gradients:
        for hook in self.pre_hooks:
            gradients = _taken(hook(self.layer, gradients), gradients, "backward pre-hook")
        self.outputs = gradients
        if not self.waits:
            for hook in self.hooks:
                hook(self.layer, (None,) * self.inputs, gradients)
        return gradients

    def _input(self, gradients: Gradients) -> Gradients:
        for hook in self.hooks:
            gradients = _taken(hook(self.layer, gradients, self.outputs), gradients, "backward hook")
        return gradients


def _taken(given: Any, gradients: Gradients, kind: str) -> Gradients:
    if given is None:
        return gradients
    found = given if isinstance(given, tuple) else (given,)
    if len(found) != len(gradients):
        raise ValueError(f"{kind}: it gave {len(found)} gradients in place of {len(gradients)}")
    return found
