"""GradScaler: gradients of float16 that are too small to be written down are computed larger."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import flambeau as fl
from flambeau import _core
from flambeau.arguments import Explained
from flambeau.autograd import trees
from flambeau.optim import Optimizer
from flambeau.optim.optimizer import buckets

_unscale = _core.ops["unscale"]
_SMALLEST = 2.0**-126  # float32's smallest normal number, whose inverse is finite


@dataclass
class _Progress:
    """How far an optimizer has come since the last update()."""

    unscaled: bool = False
    found: bool = False  # a gradient that is not finite
    stepped: bool = False


class GradScaler(Explained):
    """Scales the loss up, gradients down again, and skips steps whose gradients are infinite or NaN.

    The scale falls by `backoff_factor` after such a step and grows by `growth_factor` after `growth_interval` good ones
    in a row. float16 needs this; bfloat16 has the range of float32 and does not. A loss that is NaN whatever the scale
    makes every step be skipped and the scale fall: look at get_scale(), and search with fl.detect_anomaly(). Below
    1.2e-38, float32's smallest normal number, it cannot fall: update() then raises, where PyTorch goes on with a scale
    of 0 that never grows again. Source: Micikevicius and others, arXiv:1710.03740; names and rules are PyTorch's.

    Raises: ValueError for a scale that is not finite or below 1.2e-38, a growth factor of at most 1, a backoff factor
    that is not between 0 and 1, an interval below 1.

    >>> w = fl.tensor([1.0], requires_grad=True)
    >>> optimizer, scaler = fl.optim.SGD([w], lr=0.5), GradScaler(init_scale=1024.0)
    >>> for factor in (1.0, float("inf")):
    ...     optimizer.zero_grad()
    ...     scaler.scale((w * factor).sum()).backward()
    ...     _ = scaler.step(optimizer)
    ...     scaler.update()
    >>> w.tolist(), scaler.get_scale()
    ([0.5], 512.0)
    """

    def __init__(
        self,
        *,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._enabled = enabled
        self._optimizers: dict[int, tuple[Optimizer, _Progress]] = {}  # held, so that numbers stay theirs
        self._tracker = 0
        self._skipped = 0  # updates in a row that found a gradient that is not finite
        self._scale = _positive("init_scale", init_scale)
        self.set_growth_factor(growth_factor)
        self.set_backoff_factor(backoff_factor)
        self.set_growth_interval(growth_interval)

    def scale(self, outputs: Any) -> Any:
        """A tensor, or lists and tuples of them (named ones too), times the scale; an iterator for other iterables.

        Raises: TypeError for anything else.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, fl.Tensor):
            if outputs.dtype == fl.float16:  # the scale itself may be beyond its range
                return (outputs.astype(fl.float32) * self._scale).astype(fl.float16)
            return outputs * self._scale
        if isinstance(outputs, Mapping | str) or not isinstance(outputs, Iterable):
            raise TypeError(f"scale: {type(outputs).__name__} is neither a tensor nor a list of tensors")
        scaled = map(self.scale, outputs)
        return trees.like(outputs, list(scaled)) if isinstance(outputs, list | tuple) else scaled

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide this optimizer's gradients by the scale, in place, for clipping them before step().

        Raises: RuntimeError if they are unscaled already; ValueError for gradients of float16, which belong to
        parameters that should be float32.
        """
        if not self._enabled:
            return
        progress = self._progress_of(optimizer)
        if progress.stepped:
            raise RuntimeError("unscale_: step() has been called since the last update(); unscale gradients before it")
        if progress.unscaled:
            raise RuntimeError("unscale_: these gradients are unscaled already; call it once between two update()s")
        progress.found = self._unscale(optimizer)
        progress.unscaled = True

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """optimizer.step(*args, **kwargs), with unscaled gradients; None and no step if one is infinite or NaN.

        Raises: RuntimeError if it was called since the last update(), for a closure (its gradients would be scaled when
        the optimizer asks again), and if no parameter has a gradient.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if any(map(callable, args)) or kwargs.get("closure") is not None:
            raise RuntimeError("step: a closure cannot be scaled; compute the gradients before, or pass enabled=False")
        progress = self._progress_of(optimizer)
        if progress.stepped:
            raise RuntimeError("step: it has been called for this optimizer since the last update(); call update() "
                               "once after each step")
        if not progress.unscaled:
            self.unscale_(optimizer)
        progress.stepped = True
        return None if progress.found else optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | fl.Tensor | None = None) -> None:
        """Settle the next scale: by what the steps since the last call found, or to `new_scale`.

        Raises: RuntimeError if there was none, and if the scale would have to fall below 1.2e-38.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = _positive("update: new_scale", float(new_scale))
            self._skipped = 0
        elif not any(progress.unscaled for _, progress in self._optimizers.values()):
            raise RuntimeError("update: no gradients were looked at since the last one; call step(optimizer) before")
        elif any(progress.found for _, progress in self._optimizers.values()):
            self._skipped += 1
            self._tracker = 0
            fallen = _single(self._scale * self._backoff_factor)
            if fallen < _SMALLEST:
                self._optimizers.clear()
                raise RuntimeError(f"update: gradients were infinite or NaN in {self._skipped} steps in a row, and the "
                                   f"scale, {self._scale:.3g}, cannot fall further: the loss is so whatever the scale; "
                                   "find where with fl.detect_anomaly(), and go on with update(new_scale)")
            self._scale = fallen
        else:
            self._skipped = 0
            self._tracker += 1
            if self._tracker == self._growth_interval:
                grown = _single(self._scale * self._growth_factor)
                self._scale = grown if math.isfinite(grown) else self._scale
                self._tracker = 0
        self._optimizers.clear()

    def get_scale(self) -> float:
        """The scale now; 1 if not enabled."""
        return self._scale if self._enabled else 1.0

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_growth_factor(self) -> float:
        """What the scale grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the scale grows by."""
        if not 1.0 < new_factor < math.inf:
            raise ValueError(f"GradScaler: growth_factor is {new_factor}; it is above 1")
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale falls by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the scale falls by."""
        if not 0.0 < new_factor < 1.0:
            raise ValueError(f"GradScaler: backoff_factor is {new_factor}; it is between 0 and 1")
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps in a row let the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set how many good steps in a row let the scale grow."""
        if not isinstance(new_interval, int) or new_interval < 1:
            raise ValueError(f"GradScaler: growth_interval is {new_interval!r}; it is a number of steps, at least 1")
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """What it takes to go on, as PyTorch lays it out; empty if not enabled. Take it after update()."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._tracker,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a saved state. Raises: ValueError if it lacks entries, and nothing is loaded."""
        if not self._enabled:
            return
        missing = sorted(set(self.state_dict()) - set(state_dict))
        if missing:
            raise ValueError(f"load_state_dict: the state lacks {', '.join(missing)}"
                             + ("; was it saved by a scaler that was not enabled?" if not state_dict else ""))
        other = GradScaler(init_scale=state_dict["scale"], growth_factor=state_dict["growth_factor"],
                           backoff_factor=state_dict["backoff_factor"], growth_interval=state_dict["growth_interval"])
        self.__dict__.update(other.__dict__, _tracker=int(state_dict["_growth_tracker"]))

    def _progress_of(self, optimizer: Optimizer) -> _Progress:
        if not hasattr(optimizer, "param_groups"):
            raise TypeError(f"GradScaler: {optimizer!r} is no optimizer; pass the one whose gradients are scaled")
        return self._optimizers.setdefault(id(optimizer), (optimizer, _Progress()))[1]

    def _unscale(self, optimizer: Optimizer) -> bool:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        if any(parameter.grad is not None and parameter.grad.dtype == fl.float16 for parameter in parameters):
            raise ValueError("unscale_: a gradient is float16 and may lose in the division what the scale saved; keep "
                             "the parameters in float32 and compute in fl.autocast(dtype=fl.float16)")
        lists = buckets(parameters, lambda parameter: None)
        if not lists:
            raise RuntimeError("GradScaler: no parameter of this optimizer has a gradient; call backward() before")
        inverse = _single(1.0 / self._scale)
        found = []
        with fl.no_grad():
            for several in lists:
                gradients = [parameter.grad for parameter in several if parameter.grad is not None]
                flag = fl.zeros((), dtype=several[0].dtype, device=several[0].device)
                _unscale([*gradients, flag], scale=inverse)
                found.append(flag)
        return any(flag.item() != 0.0 for flag in found)

    def __repr__(self) -> str:
        return f"GradScaler(scale={self.get_scale()}, enabled={self._enabled})"


def _positive(name: str, value: float) -> float:
    if not _SMALLEST <= _single(value) < math.inf:
        raise ValueError(f"GradScaler: {name} is {value}; it is finite in float32 and at least 1.2e-38")
    return _single(value)


def _single(value: float) -> float:
    """The nearest float32, in which PyTorch keeps the scale."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf
