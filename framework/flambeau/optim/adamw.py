"""Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flambeau as fl
from flambeau import _core
from flambeau.optim.optimizer import Optimizer, Parameters, buckets, check_not_negative

_step = _core.ops["adamw_step"]


class AdamW(Optimizer):
    """Steps by averages of the gradient and of its square; the weight decay does not pass through them.

    The options mean what PyTorch's mean. Source: Loshchilov and Hutter, arXiv:1711.05101.

    >>> x = fl.tensor([1.0], requires_grad=True)
    >>> optimizer = AdamW([x], lr=0.1, weight_decay=0.0)
    >>> fl.sum(x * x).backward()
    >>> optimizer.step()
    >>> round(x.item(), 4)
    0.9
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "maximize": maximize})

    def _check(self, options: Mapping[str, Any]) -> None:
        check_not_negative("AdamW", options, "lr", "eps", "weight_decay")
        betas = options["betas"]
        if not isinstance(betas, Sequence) or len(betas) != 2 or not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError(f"AdamW: betas are {betas!r}; they are two numbers, each at least 0 and below 1")

    def _step_group(self, group: Mapping[str, Any]) -> None:
        for parameter in group["params"]:
            if parameter.grad is not None and parameter not in self.state:
                self.state[parameter] = {"step": 0, "exp_avg": fl.zeros_like(parameter.detach()),
                                         "exp_avg_sq": fl.zeros_like(parameter.detach())}
        for parameters in buckets(group["params"], lambda p: self.state[p]["step"]):
            step = self.state[parameters[0]]["step"] + 1
            inputs = [*parameters, *(p.grad for p in parameters), *(self.state[p]["exp_avg"] for p in parameters),
                      *(self.state[p]["exp_avg_sq"] for p in parameters)]
            _step(inputs, count=len(parameters), lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1],
                  eps=group["eps"], weight_decay=group["weight_decay"], step=step, maximize=group["maximize"])
            for parameter in parameters:
                self.state[parameter]["step"] = step
