"""Lion: steps by the sign alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flambeau import _core
from flambeau.optim.optimizer import Optimizer, Parameters, check_betas, check_not_negative

_step = _core.ops["lion_step"]


class Lion(Optimizer):
    """Steps of size lr along the sign of an average of gradients; weight decay is decoupled.

    lr wants to be three to ten times smaller than AdamW's. Source: Chen and others, arXiv:2302.06675.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0], requires_grad=True)
    >>> optimizer = Lion([x], lr=0.25)
    >>> fl.sum(x * x).backward()
    >>> optimizer.step()
    >>> x.tolist()
    [0.75]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize})

    def _check(self, options: Mapping[str, Any]) -> None:
        check_not_negative("Lion", options, "lr", "weight_decay")
        check_betas("Lion", options["betas"])

    def _step_group(self, group: Mapping[str, Any]) -> None:
        self._start(group, "exp_avg")
        for parameters, inputs, _ in self._together(group, "exp_avg"):
            _step(inputs, count=len(parameters), lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1],
                  weight_decay=group["weight_decay"], maximize=group["maximize"])
