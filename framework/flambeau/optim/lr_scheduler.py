"""Learning rates that change: each scheduler sets `lr` of all groups from the number of its steps."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from flambeau.arguments import Explained
from flambeau.optim.optimizer import Optimizer
from flambeau.optim.plateau import ReduceLROnPlateau

__all__ = [
    "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR", "LRScheduler", "LambdaLR",
    "LinearLR", "MultiStepLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip


class LRScheduler(Explained):
    """The base: a subclass defines `rate(base, group)`, the rate after `self.last_epoch` steps.

    Making a scheduler sets the rates of step 0; step() sets the next. Rates are computed from those that the groups had
    in the beginning ("initial_lr"), so they carry no rounding from step to step; for two schedulers one after the other
    there is SequentialLR.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: {optimizer!r} is no optimizer")
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"{type(self).__name__}: last_epoch is {last_epoch} and group {number} has no "
                               "initial_lr; load the optimizer's state first")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def rate(self, base: float, group: int) -> float:
        """The rate of a group that began with `base`."""
        raise NotImplementedError(f"{type(self).__name__} defines no rate(base, group)")

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next step, or of this one."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        for number, (group, base) in enumerate(zip(self.optimizer.param_groups, self.base_lrs, strict=True)):
            group["lr"] = self.rate(base, number)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set, one for each group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions: numbers, lists, names."""
        return {name: value for name, value in vars(self).items() if name not in ("optimizer", "lr_lambdas")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state. The optimizer's own state holds the rates."""
        missing = sorted(set(self.state_dict()) - set(state_dict))
        if missing:
            raise ValueError(f"load_state_dict: the state of {type(self).__name__} lacks {', '.join(missing)}")
        vars(self).update({name: state_dict[name] for name in self.state_dict()})


class LambdaLR(LRScheduler):
    """The first rate times what a function gives for the number of the step; one function, or one for each group.

    >>> import flambeau as fl
    >>> from flambeau import optim
    >>> optimizer = optim.SGD([fl.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = LambdaLR(optimizer, lambda step: 1 / (1 + step))
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        count = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != count:
            raise ValueError(f"LambdaLR: there are {len(self.lr_lambdas)} functions for {count} groups")
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return base * self.lr_lambdas[group](self.last_epoch)


class StepLR(LRScheduler):
    """The rate times gamma after every step_size steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size is {step_size} and must be positive")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return base * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """The rate times gamma after each of these numbers of steps."""

    def __init__(
        self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return base * self.gamma ** bisect_right(self.milestones, self.last_epoch)


class ConstantLR(LRScheduler):
    """The rate times `factor` for total_iters steps, then the rate itself."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return base * (self.factor if self.last_epoch < self.total_iters else 1.0)


class LinearLR(LRScheduler):
    """The rate times a factor that goes evenly from start_factor to end_factor in total_iters steps: a warm-up."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: factors are {start_factor} and {end_factor}; the first is above 0, both at "
                             "most 1")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        done = min(self.last_epoch, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class PolynomialLR(LRScheduler):
    """The rate times (1 - share of total_iters)^power."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return base * (1.0 - min(self.last_epoch, self.total_iters) / self.total_iters) ** self.power


class ExponentialLR(LRScheduler):
    """The rate times gamma after every step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return base * self.gamma**self.last_epoch


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the rate down to eta_min in T_max steps. Source: Loshchilov and Hutter, arXiv:1608.03983."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine in T_0 steps, then from the beginning, each time T_mult times as long."""

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if T_0 < 1 or T_mult < 1:
            raise ValueError(f"CosineAnnealingWarmRestarts: T_0 is {T_0} and T_mult {T_mult}; both are at least 1")
        self.T_0 = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        at, length = self.last_epoch, self.T_0
        while at >= length:
            at, length = at - length, length * self.T_mult
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * at / length)) / 2


class OneCycleLR(LRScheduler):
    """Up to max_lr in the first pct_start of the steps, down to nearly nothing in the rest; momentum the other way.

    The options mean what PyTorch's mean. Source: Smith and Topin, arXiv:1708.07120.
    Raises: ValueError at a step beyond total_steps.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None and epochs is not None and steps_per_epoch is not None:
            total_steps = epochs * steps_per_epoch
        if total_steps is None or total_steps < 1:
            raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch, all positive")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f'OneCycleLR: anneal_strategy is {anneal_strategy!r}; it is "cos" or "linear"')
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is {pct_start}; it is a share between 0 and 1")
        self.total_steps = total_steps
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        top = float(pct_start * total_steps) - 1
        # (last step of the phase, from, to) by name: rates, then momentum
        down = [(2 * top, "max_lr", "initial_lr"), (total_steps - 1, "initial_lr", "min_lr")] if three_phase else [
            (total_steps - 1, "max_lr", "min_lr")]
        self.phases = [(top, "initial_lr", "max_lr"), *down]
        count = len(optimizer.param_groups)
        largest = [float(max_lr)] * count if isinstance(max_lr, int | float) else [float(x) for x in max_lr]
        if len(largest) != count:
            raise ValueError(f"OneCycleLR: there are {len(largest)} max_lr for {count} groups")
        for group, rate in zip(optimizer.param_groups, largest, strict=True):
            if cycle_momentum and "momentum" not in group and "betas" not in group:
                raise ValueError("OneCycleLR: the optimizer has no momentum; pass cycle_momentum=False")
            if last_epoch == -1:
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: this is step {self.last_epoch} and total_steps is {self.total_steps}")
        options = self.optimizer.param_groups[group]
        start = 0.0
        for number, (end, first, last) in enumerate(self.phases):
            if self.last_epoch <= end or number == len(self.phases) - 1:
                share = (self.last_epoch - start) / (end - start) if end != start else 1.0
                if self.cycle_momentum:
                    self._set_momentum(options, number, share)
                return self._between(options[first], options[last], share)
            start = end
        return base

    def _set_momentum(self, options: dict[str, Any], phase: int, share: float) -> None:
        high, low = self.max_momentum, self.base_momentum
        ends = {0: (high, low), 1: (low, high), 2: (high, high)}[phase]
        momentum = self._between(*ends, share)
        if "betas" in options:
            options["betas"] = (momentum, *options["betas"][1:])
        else:
            options["momentum"] = momentum

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


class SequentialLR(LRScheduler):
    """Schedulers one after the other, the next from each milestone on, each counting from 0."""

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        if not schedulers or len(milestones) != len(schedulers) - 1 or list(milestones) != sorted(set(milestones)):
            raise ValueError(f"SequentialLR: {len(schedulers)} schedulers need {max(len(schedulers) - 1, 0)} "
                             f"milestones that rise, not {list(milestones)}")
        if any(scheduler.optimizer is not optimizer for scheduler in schedulers):
            raise ValueError("SequentialLR: each scheduler must have been made for this optimizer")
        self.schedulers = list(schedulers)
        self.milestones = list(milestones)
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next step, or of this one."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        number = bisect_right(self.milestones, self.last_epoch)
        start = self.milestones[number - 1] if number else 0
        self.schedulers[number].step(self.last_epoch - start)
        self._last_lr = self.schedulers[number].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """As of the others, with the states of the schedulers."""
        return {**super().state_dict(), "schedulers": [scheduler.state_dict() for scheduler in self.schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state."""
        schedulers = self.schedulers
        saved = state_dict.get("schedulers")
        if not isinstance(saved, list) or len(saved) != len(schedulers):
            raise ValueError(f"load_state_dict: the state of SequentialLR must have {len(schedulers)} schedulers")
        for scheduler, state in zip(schedulers, saved, strict=True):
            scheduler.load_state_dict(state)
        super().load_state_dict({**state_dict, "schedulers": schedulers})
