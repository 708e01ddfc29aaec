"""Optimizer: parameter groups, their state, and how both are saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import flambeau as fl
from flambeau import scopes
from flambeau.arguments import Explained

Closure = Callable[[], Any]
# What schedulers write into groups beside the options.
SCHEDULED = {"initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum"}

Parameters = Iterable[fl.Tensor] | Iterable[Mapping[str, Any]]


class Optimizer(Explained):
    """The base of optimizers: `param_groups` is a list of dictionaries with "params" and the options of the group.

    A subclass defines `defaults` and `_step_group`.
    """

    def __init__(self, params: Parameters, defaults: Mapping[str, Any]) -> None:
        self.defaults = dict(defaults)
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[fl.Tensor, dict[str, Any]] = {}  # by parameter; a tensor is hashed by which object it is
        if not isinstance(params, Iterable):
            raise TypeError(f"{type(self).__name__}: the parameters are {params!r}; pass net.parameters()")
        given = list(params)
        if not given:
            raise ValueError(f"{type(self).__name__}: no parameters; pass net.parameters()")
        groups: list[Any] = given if isinstance(given[0], Mapping) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Let these parameters be learned too, with options of their own."""
        unknown = sorted(set(param_group) - set(self.defaults) - SCHEDULED - {"params"})
        if unknown:
            raise ValueError(f"{type(self).__name__}: {', '.join(unknown)} is no option; there are "
                             f"{', '.join(self.defaults)}")
        given = param_group["params"]
        params = [given] if isinstance(given, fl.Tensor) else list(given)
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for number, parameter in enumerate(params):
            if not isinstance(parameter, fl.Tensor):
                raise TypeError(f"{type(self).__name__}: parameter {number} is {parameter!r}, not a tensor")
            if not parameter.is_leaf:
                raise ValueError(f"{type(self).__name__}: parameter {number} was computed from others; pass leaves")
            if id(parameter) in known:
                raise ValueError(f"{type(self).__name__}: parameter {number} is there twice")
            known.add(id(parameter))
        options = {**self.defaults, **param_group, "params": params}
        self._check(options)
        self.param_groups.append(options)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad = None if set_to_none else fl.zeros_like(parameter.grad)

    def step(self, closure: Closure | None = None) -> Any:
        """Move every parameter that has a gradient; with a closure compute them first, and give its loss back."""
        loss = None
        if closure is not None:
            with fl.enable_grad():
                loss = closure()
        with scopes.part(f"{type(self).__name__}.step"), fl.no_grad():
            for group in self.param_groups:
                self._step_group(group)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The state by the parameter's number and the groups' options, as PyTorch lays them out."""
        numbers = {id(p): n for n, p in enumerate(self._all())}
        return {
            "state": {numbers[id(p)]: dict(state) for p, state in self.state.items()},
            "param_groups": [{**group, "params": [numbers[id(p)] for p in group["params"]]}
                             for group in self.param_groups],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a saved state; the groups must have as many parameters as they had.

        Raises: ValueError if they differ, and nothing is loaded.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise ValueError("load_state_dict: a saved state has the entries state and param_groups")
        saved = state_dict["param_groups"]
        sizes, own = [len(group["params"]) for group in saved], [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise ValueError(f"load_state_dict: the saved groups have {sizes} parameters, this optimizer's {own}")
        parameters = list(self._all())
        numbers = [number for group in saved for number in group["params"]]
        place = dict(zip(numbers, parameters, strict=True))
        strange = sorted(str(number) for number in state_dict["state"] if number not in place)
        if strange:
            raise ValueError(f"load_state_dict: there is state for parameters {', '.join(strange)}, which no group has")
        for group, options in zip(self.param_groups, saved, strict=True):
            known = (set(group) | SCHEDULED) - {"params"}  # PyTorch's groups tell its engine how to compute, too
            group.update({name: value for name, value in options.items() if name in known})
        loaded = {place[number]: {name: _copied(name, value, place[number]) for name, value in state.items()
                                  if value is not None} for number, state in state_dict["state"].items()}
        self.state = {parameter: state for parameter, state in loaded.items() if state}

    def _start(self, group: Mapping[str, Any], *names: str, value: float = 0.0) -> None:
        """Give each parameter with a gradient and no state a step of 0 and states of these names, full of `value`."""
        for parameter in group["params"]:
            if parameter.grad is not None and parameter not in self.state:
                self.state[parameter] = {"step": 0} | {
                    name: fl.full_like(parameter.detach(), value) for name in names}

    def _together(
        self, group: Mapping[str, Any], *names: str
    ) -> Iterator[tuple[list[fl.Tensor], list[fl.Tensor], int]]:
        """Parameters that one call can step: they, all inputs of the call, and the number of the step, from 1."""
        for parameters in buckets(group["params"], lambda p: self.state[p]["step"]):
            step = self.state[parameters[0]]["step"] + 1
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            states = [self.state[parameter][name] for name in names for parameter in parameters]
            yield parameters, [*parameters, *gradients, *states], step
            for parameter in parameters:
                self.state[parameter]["step"] = step

    def _all(self) -> Iterator[fl.Tensor]:
        return (parameter for group in self.param_groups for parameter in group["params"])

    def _check(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError if an option makes no sense."""

    def _step_group(self, group: Mapping[str, Any]) -> None:
        raise NotImplementedError(f"{type(self).__name__} defines no _step_group")

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.defaults.items())
        return f"{type(self).__name__}({sum(1 for _ in self._all())} parameters, {options})"


def buckets(parameters: Iterable[fl.Tensor], key: Any) -> list[list[fl.Tensor]]:
    """Those with a gradient, in lists that one native call can take: same device, same dtype, same key(parameter)."""
    found: dict[tuple[Any, ...], list[fl.Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            found.setdefault((parameter.device, parameter.dtype, key(parameter)), []).append(parameter)
    return list(found.values())


def check_not_negative(optimizer: str, options: Mapping[str, Any], *names: str) -> None:
    """Raise TypeError for the first of these options that is no number, ValueError for one below 0 or not finite."""
    for name in names:
        value = options[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{optimizer}: {name} is {value!r}; it is a number")
        if not 0 <= value < float("inf"):
            raise ValueError(f"{optimizer}: {name} is {value}; it is a finite number and cannot be negative")


def check_betas(optimizer: str, betas: Any) -> None:
    """Raise ValueError unless these are two numbers, each at least 0 and below 1."""
    if not isinstance(betas, Sequence) or len(betas) != 2 or not all(0.0 <= beta < 1.0 for beta in betas):
        raise ValueError(f"{optimizer}: betas are {betas!r}; they are two numbers, each at least 0 and below 1")


def _copied(name: str, value: Any, parameter: fl.Tensor) -> Any:
    if name == "step":  # a tensor in PyTorch's states
        return int(value.item() if isinstance(value, fl.Tensor) else value)
    if isinstance(value, list | tuple):
        return [_copied("", part, parameter) for part in value]
    if not isinstance(value, fl.Tensor):
        return value
    copy = fl.zeros(value.shape, dtype=parameter.dtype, device=parameter.device)
    copy[...] = value.to(parameter.device).to(parameter.dtype)
    return copy
