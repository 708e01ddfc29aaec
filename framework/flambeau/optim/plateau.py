"""A learning rate that falls when a figure no longer improves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau.arguments import Explained
from flambeau.optim.optimizer import Optimizer


class ReduceLROnPlateau(Explained):
    """The rate times `factor` once a figure has not improved for more than `patience` steps.

    mode "min": lower is better. An improvement is larger than `threshold`, which is a share ("rel") or a difference
    ("abs"). After a fall `cooldown` steps do not count. The options mean what PyTorch's mean.

    >>> import flambeau as fl
    >>> from flambeau import optim
    >>> optimizer = optim.SGD([fl.tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor is {factor}; it is below 1, so that the rate falls")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(f'ReduceLROnPlateau: mode is {mode!r} and threshold_mode {threshold_mode!r}; they are '
                             '"min" or "max", and "rel" or "abs"')
        count = len(optimizer.param_groups)
        self.min_lrs = [float(min_lr)] * count if isinstance(min_lr, int | float) else list(min_lr)
        if len(self.min_lrs) != count:
            raise ValueError(f"ReduceLROnPlateau: there are {len(self.min_lrs)} min_lr for {count} groups")
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.eps = eps
        self.best = float("inf") if mode == "min" else -float("inf")
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def step(self, metrics: Any) -> None:
        """Tell the figure; a number, or a tensor of one element."""
        figure = float(metrics)
        self.last_epoch += 1
        if self._is_better(figure):
            self.best, self.num_bad_epochs = figure, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lower = max(group["lr"] * self.factor, least)
                if group["lr"] - lower > self.eps:
                    group["lr"] = lower
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The rates after the last step, one for each group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state."""
        missing = sorted(set(self.state_dict()) - set(state_dict))
        if missing:
            raise ValueError(f"load_state_dict: the state of ReduceLROnPlateau lacks {', '.join(missing)}")
        vars(self).update({name: state_dict[name] for name in self.state_dict()})

    def _is_better(self, figure: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        if self.threshold_mode == "rel":
            return sign * figure < sign * self.best * (1.0 - sign * self.threshold)
        return sign * figure < sign * self.best - self.threshold
