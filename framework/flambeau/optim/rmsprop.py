"""RMSprop and Adagrad: steps divided by the size that gradients have had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flambeau import _core
from flambeau.optim.optimizer import Optimizer, Parameters, check_not_negative

_rmsprop_step, _adagrad_step = _core.ops["rmsprop_step"], _core.ops["adagrad_step"]


class RMSprop(Optimizer):
    """Steps by the gradient over the root of an average of its square, with momentum if asked.

    centered: the square of the gradient's average is taken off first. Source: Hinton, lecture 6 of 2012; Graves,
    arXiv:1308.0850.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0], requires_grad=True)
    >>> optimizer = RMSprop([x], lr=0.1, alpha=0.0)
    >>> fl.sum(x * x).backward()
    >>> optimizer.step()
    >>> round(x.item(), 4)
    0.9
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
                                  "momentum": momentum, "centered": centered, "maximize": maximize})

    def _check(self, options: Mapping[str, Any]) -> None:
        check_not_negative("RMSprop", options, "lr", "alpha", "eps", "weight_decay", "momentum")

    def _step_group(self, group: Mapping[str, Any]) -> None:
        names = ("square_avg", *(("grad_avg",) if group["centered"] else ()),
                 *(("momentum_buffer",) if group["momentum"] else ()))
        self._start(group, *names)
        for parameters, inputs, _ in self._together(group, *names):
            _rmsprop_step(inputs, count=len(parameters), lr=group["lr"], alpha=group["alpha"], eps=group["eps"],
                          weight_decay=group["weight_decay"], momentum=group["momentum"],
                          centered=group["centered"], maximize=group["maximize"])


class Adagrad(Optimizer):
    """Steps by the gradient over the root of the sum of all its squares. Source: Duchi and others, 2011.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0], requires_grad=True)
    >>> optimizer = Adagrad([x], lr=0.1)
    >>> fl.sum(x * x).backward()
    >>> optimizer.step()
    >>> round(x.item(), 4)
    0.9
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
                                  "initial_accumulator_value": initial_accumulator_value, "eps": eps,
                                  "maximize": maximize})

    def _check(self, options: Mapping[str, Any]) -> None:
        check_not_negative("Adagrad", options, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def _step_group(self, group: Mapping[str, Any]) -> None:
        self._start(group, "sum", value=group["initial_accumulator_value"])
        for parameters, inputs, step in self._together(group, "sum"):
            _adagrad_step(inputs, count=len(parameters), lr=group["lr"] / (1 + (step - 1) * group["lr_decay"]),
                          eps=group["eps"], weight_decay=group["weight_decay"], maximize=group["maximize"])
