"""Optimizer: parameter groups, their state, and how both are saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import flambeau as fl

Parameters = Iterable[fl.Tensor] | Iterable[Mapping[str, Any]]


class Optimizer:
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

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Let these parameters be learned too, with options of their own."""
        unknown = sorted(set(group) - set(self.defaults) - {"params"})
        if unknown:
            raise ValueError(f"{type(self).__name__}: {', '.join(unknown)} is no option; there are "
                             f"{', '.join(self.defaults)}")
        params = [group["params"]] if isinstance(group["params"], fl.Tensor) else list(group["params"])
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for number, parameter in enumerate(params):
            if not isinstance(parameter, fl.Tensor):
                raise TypeError(f"{type(self).__name__}: parameter {number} is {parameter!r}, not a tensor")
            if not parameter.is_leaf:
                raise ValueError(f"{type(self).__name__}: parameter {number} was computed from others; pass leaves")
            if id(parameter) in known:
                raise ValueError(f"{type(self).__name__}: parameter {number} is there twice")
            known.add(id(parameter))
        options = {**self.defaults, **group, "params": params}
        self._check(options)
        self.param_groups.append(options)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        with fl.no_grad():
            for group in self.param_groups:
                self._step_group(group)

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
            group.update({name: value for name, value in options.items() if name != "params"})
        self.state = {place[number]: {name: _copied(value, place[number]) for name, value in state.items()}
                      for number, state in state_dict["state"].items()}

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


def _copied(value: Any, parameter: fl.Tensor) -> Any:
    if not isinstance(value, fl.Tensor):
        return value
    copy = fl.zeros(value.shape, dtype=parameter.dtype, device=parameter.device)
    copy[...] = value.to(parameter.device).to(parameter.dtype)
    return copy
