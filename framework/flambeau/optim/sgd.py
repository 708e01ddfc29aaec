"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flambeau as fl
from flambeau import _core
from flambeau.optim.optimizer import Optimizer, Parameters, buckets, check_not_negative

_step = _core.ops["sgd_step"]


class SGD(Optimizer):
    """Steps against the gradient, with momentum if asked.

    The options mean what PyTorch's mean; `lr` may be changed in `param_groups` between steps.

    >>> x = fl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([x], lr=0.5)
    >>> fl.sum(x * x).backward()
    >>> optimizer.step()
    >>> x.tolist()
    [0.0, 0.0]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening,
                                  "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize})

    def _check(self, options: Mapping[str, Any]) -> None:
        check_not_negative("SGD", options, "lr", "momentum", "weight_decay")
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError(f"SGD: nesterov needs a momentum and no dampening, not momentum {options['momentum']} and "
                             f"dampening {options['dampening']}")

    def _step_group(self, group: Mapping[str, Any]) -> None:
        momentum = group["momentum"]
        for parameters in buckets(group["params"], lambda p: p not in self.state):
            inputs = [*parameters, *(p.grad for p in parameters)]
            first = parameters[0] not in self.state
            if momentum:
                if first:
                    self.state.update({p: {"momentum_buffer": fl.zeros_like(p.detach())} for p in parameters})
                inputs += [self.state[p]["momentum_buffer"] for p in parameters]
            _step(inputs, count=len(parameters), lr=group["lr"], momentum=momentum,
                  dampening=group["dampening"], weight_decay=group["weight_decay"], nesterov=group["nesterov"],
                  maximize=group["maximize"], first=first)
