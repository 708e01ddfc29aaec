"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flambeau import _core
from flambeau.optim.optimizer import Optimizer, Parameters, check_betas, check_not_negative

_adamw_step, _adam_step = _core.ops["adamw_step"], _core.ops["adam_step"]


class Adam(Optimizer):
    """Steps by averages of the gradient and of its square; weight decay is added to the gradient.

    amsgrad: the largest average of squares so far counts (Reddi and others, arXiv:1904.09237). The options mean what
    PyTorch's mean. Source: Kingma and Ba, arXiv:1412.6980.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0], requires_grad=True)
    >>> optimizer = Adam([x], lr=0.1)
    >>> fl.sum(x * x).backward()
    >>> optimizer.step()
    >>> round(x.item(), 4)
    0.9
    """

    _decoupled = False

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "amsgrad": amsgrad, "maximize": maximize})

    def _check(self, options: Mapping[str, Any]) -> None:
        check_not_negative(type(self).__name__, options, "lr", "eps", "weight_decay")
        check_betas(type(self).__name__, options["betas"])

    def _step_group(self, group: Mapping[str, Any]) -> None:
        names = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))
        self._start(group, *names)
        for parameters, inputs, step in self._together(group, *names):
            options = {"count": len(parameters), "lr": group["lr"], "beta1": group["betas"][0],
                       "beta2": group["betas"][1], "eps": group["eps"], "weight_decay": group["weight_decay"],
                       "step": step, "maximize": group["maximize"]}
            if self._decoupled and not group["amsgrad"]:
                _adamw_step(inputs, **options)
            else:
                _adam_step(inputs, **options, decoupled=self._decoupled)


class AdamW(Adam):
    """Adam whose weight decay does not pass through the averages.

    The options mean what PyTorch's mean. Source: Loshchilov and Hutter, arXiv:1711.05101.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0], requires_grad=True)
    >>> optimizer = AdamW([x], lr=0.1, weight_decay=0.0)
    >>> fl.sum(x * x).backward()
    >>> optimizer.step()
    >>> round(x.item(), 4)
    0.9
    """

    _decoupled = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
