"""L-BFGS: steps by an approximation of the second derivative, from the last few gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flambeau as fl
from flambeau.optim.optimizer import Closure, Optimizer, Parameters, check_not_negative
from flambeau.optim.wolfe import Point, search


class LBFGS(Optimizer):
    """Minimizes a function that is computed anew several times in each step: step() needs a closure.

    The closure clears gradients, computes the loss, calls backward() and gives the loss. line_search_fn is None (steps
    of length lr) or "strong_wolfe". One group of parameters of one dtype. Source: Nocedal and Wright, algorithm 7.5.

    >>> x = fl.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = fl.sum((x - 1.0) ** 4)
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(3):
    ...     loss = optimizer.step(closure)
    >>> closure().item() < 1e-6
    True
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(params, {"lr": lr, "max_iter": max_iter, "max_eval": max_eval,
                                  "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
                                  "history_size": history_size, "line_search_fn": line_search_fn})
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: there are {len(self.param_groups)} groups; it takes one")

    def _check(self, options: Mapping[str, Any]) -> None:
        check_not_negative("LBFGS", options, "lr", "tolerance_grad", "tolerance_change")
        if options["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f'LBFGS: line_search_fn is {options["line_search_fn"]!r}; it is None or "strong_wolfe"')

    def step(self, closure: Closure | None = None) -> Any:
        """Make up to max_iter steps. Returns: the loss before the first of them."""
        if closure is None:
            raise TypeError("LBFGS: step() needs a closure that computes the loss and its gradients")
        with fl.no_grad():
            return self._minimize(closure)

    def _minimize(self, closure: Closure) -> Any:
        group = self.param_groups[0]
        state = self.state.setdefault(group["params"][0], {"func_evals": 0, "n_iter": 0})
        first = self._loss(closure)
        loss, gradient = float(first), self._gradient()
        state["func_evals"] += 1
        tried = 1
        for iteration in range(1, group["max_iter"] + 1):
            if _largest(gradient) <= group["tolerance_grad"]:
                break
            state["n_iter"] += 1
            direction = self._direction(state, gradient)
            slope = _dot(gradient, direction)
            length = group["lr"]
            if state["n_iter"] == 1:
                length *= min(1.0, 1.0 / float(fl.sum(fl.abs(gradient))))
            state |= {"d": direction, "t": length, "prev_flat_grad": gradient, "prev_loss": loss}
            if slope > -group["tolerance_change"]:
                break
            before = loss
            if group["line_search_fn"] is not None:
                found, count = self._search(closure, Point(0.0, loss, gradient, slope), direction, length,
                                            group["max_eval"] - tried)
                length, loss, gradient = found.length, found.value, found.gradient
                self._move(direction, length)
            else:
                self._move(direction, length)
                count = 0
                if iteration < group["max_iter"]:  # after the last step nothing is decided any more
                    loss, gradient, count = float(self._loss(closure)), self._gradient(), 1
            state["t"] = length
            tried += count
            state["func_evals"] += count
            if (tried >= group["max_eval"] or _largest(direction) * abs(length) <= group["tolerance_change"]
                    or abs(loss - before) < group["tolerance_change"]):
                break
        return first

    def _direction(self, state: dict[str, Any], gradient: fl.Tensor) -> fl.Tensor:
        """Minus the gradient times the approximate inverse of the second derivative; remembers the last step first."""
        if "d" not in state:
            state |= {"old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1.0}
            return -gradient
        change, step = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = _dot(change, step)
        changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        if curvature > 1e-10:
            if len(changes) == self.param_groups[0]["history_size"]:
                for kept in (changes, steps, inverses):
                    kept.pop(0)
            changes.append(change)
            steps.append(step)
            inverses.append(1.0 / curvature)
            state["H_diag"] = curvature / _dot(change, change)
        result = -gradient
        shares = [0.0] * len(changes)
        for i in reversed(range(len(changes))):
            shares[i] = _dot(steps[i], result) * inverses[i]
            result = result - changes[i] * shares[i]
        result = result * state["H_diag"]
        for i in range(len(changes)):
            result = result + steps[i] * (shares[i] - _dot(changes[i], result) * inverses[i])
        return result

    def _search(
        self, closure: Closure, start: Point, direction: fl.Tensor, length: float, most: int
    ) -> tuple[Point, int]:
        values = [parameter.detach().copy() for parameter in self.param_groups[0]["params"]]

        def at(length: float) -> Point:
            self._move(direction, length)
            loss, gradient = float(self._loss(closure)), self._gradient()
            for parameter, value in zip(self.param_groups[0]["params"], values, strict=True):
                parameter[...] = value
            return Point(length, loss, gradient, _dot(gradient, direction))

        return search(at, start, length, size=_largest(direction), tolerance=self.param_groups[0]["tolerance_change"],
                      most=most)

    def _loss(self, closure: Closure) -> fl.Tensor:
        with fl.enable_grad():
            loss = closure()
        if not isinstance(loss, fl.Tensor):
            raise TypeError(f"LBFGS: the closure gave {loss!r}; it must give the loss")
        return loss

    def _gradient(self) -> fl.Tensor:
        parts = [fl.zeros_like(p.detach()) if p.grad is None else p.grad.detach()
                 for p in self.param_groups[0]["params"]]
        return fl.concat([fl.reshape(part, (-1,)) for part in parts])

    def _move(self, direction: fl.Tensor, length: float) -> None:
        start = 0
        for parameter in self.param_groups[0]["params"]:
            part = direction[start : start + parameter.size]
            parameter[...] = parameter.detach() + fl.reshape(part, parameter.shape) * length
            start += parameter.size


def _dot(a: fl.Tensor, b: fl.Tensor) -> float:
    return float(fl.sum(a * b))


def _largest(x: fl.Tensor) -> float:
    return float(fl.max(fl.abs(x)))
