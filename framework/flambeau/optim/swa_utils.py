"""Averages of weights over the steps of a training: often better than the last weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import flambeau as fl
from flambeau.nn.module import Module
from flambeau.nn.normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d

Average = Callable[[fl.Tensor, fl.Tensor, int], fl.Tensor]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential moving average: decay of the old, the rest of the new. Raises: ValueError unless 0 <= decay <= 1.

    >>> get_ema_avg_fn(0.75)(fl.tensor([4.0]), fl.tensor([0.0]), 1).tolist()
    [3.0]
    """
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"get_ema_avg_fn: decay is {decay}; it is between 0 and 1")

    def average(averaged: fl.Tensor, current: fl.Tensor, num_averaged: int) -> fl.Tensor:
        return averaged * decay + current * (1.0 - decay)

    return average


def get_swa_avg_fn() -> Average:
    """The plain mean of all weights so far. Source: Izmailov and others, arXiv:1803.05407."""

    def average(averaged: fl.Tensor, current: fl.Tensor, num_averaged: int) -> fl.Tensor:
        return averaged + (current - averaged) / (num_averaged + 1)

    return average


class AveragedModel(Module):
    """A copy of a model whose weights are an average of the model's: call update_parameters after each step.

    avg_fn(averaged, current, number) gives the new average; the plain mean by default. Buffers are copied, or averaged
    with use_buffers.

    >>> from flambeau import nn
    >>> net = nn.Linear(2, 1)
    >>> ema = AveragedModel(net, avg_fn=get_ema_avg_fn(0.9))
    >>> ema.update_parameters(net)
    >>> ema(fl.zeros((1, 2))).tolist() == net(fl.zeros((1, 2))).tolist()
    True
    """

    n_averaged: fl.Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        use_buffers: bool = False,
    ) -> None:
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module.to(device=device)
        self.register_buffer("n_averaged", fl.tensor(0))
        self.avg_fn = avg_fn or get_swa_avg_fn()
        self.use_buffers = use_buffers

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's weights of now into the average."""
        count = int(self.n_averaged.item())
        own, others = dict(self.module.named_parameters()), dict(model.named_parameters())
        own_buffers, other_buffers = dict(self.module.named_buffers()), dict(model.named_buffers())
        if set(own) != set(others) or set(own_buffers) != set(other_buffers):
            raise ValueError("update_parameters: this model has other parameters than the one that is averaged")
        with fl.no_grad():
            for name, averaged in [*own.items(), *own_buffers.items()]:
                current = (others[name] if name in own else other_buffers[name]).detach().to(averaged.device)
                counts = name in own or (self.use_buffers and averaged.dtype.is_float)
                averaged[...] = self.avg_fn(averaged.detach(), current, count) if counts and count else current
        with fl.no_grad():
            self.n_averaged[...] = count + 1


@fl.no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Count the running statistics of a model's batch norms anew, as plain means over a loader's batches.

    For averaged weights, whose layers never saw their own inputs. Of a batch that is a tuple or a list, the first part
    is the model's input. Each layer is in the mode it was in afterwards.

    >>> from flambeau import nn
    >>> net = nn.Sequential(nn.BatchNorm1d(1))
    >>> update_bn([fl.tensor([[1.0], [3.0]]), fl.tensor([[4.0], [8.0]])], net)
    >>> net[0].running_mean.tolist()
    [4.0]
    """
    norms = [layer for layer in model.modules() if isinstance(layer, BatchNorm1d | BatchNorm2d | BatchNorm3d)]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    modes = [(layer, layer.training) for layer in model.modules()]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None
    try:
        model.train()
        for batch in loader:
            x = batch[0] if isinstance(batch, tuple | list) else batch
            model(x if device is None else x.to(device))
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        for module, mode in modes:
            module.training = mode
