"""Module: a layer with parameters, buffers and layers inside it, and Parameter, a tensor that is learned."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

import flambeau as fl
from flambeau import _core


class Parameter(fl.Tensor):
    """A tensor that belongs to a layer and is learned.

    >>> weight = Parameter(fl.zeros((2, 3)))
    >>> weight.requires_grad, weight.shape
    (True, (2, 3))
    """

    def __new__(cls, data: fl.Tensor, requires_grad: bool = True) -> Self:
        parameter = super().__new__(cls, data.detach())
        parameter.requires_grad = requires_grad
        return parameter

    def __init__(self, data: fl.Tensor, requires_grad: bool = True) -> None:
        pass

    def __copy__(self) -> Parameter:
        return Parameter(super().__copy__(), self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        memo[id(self)] = copied = Parameter(super().__deepcopy__({}), self.requires_grad)
        if self.grad is not None:
            copied.grad = self.grad.copy()
        return copied


class Module:
    """The base of every layer: define `__init__`, which sets parameters and layers as attributes, and `__call__`.

    Attributes are plain: a Parameter, a Module or a buffer is found by looking at them, in the order in which they
    were first set. There is nothing to register (but buffers, whose type says nothing) and no base `__init__` to call.

    >>> class Scale(Module):
    ...     def __init__(self, n: int) -> None:
    ...         self.gain = Parameter(fl.ones(n))
    ...     def __call__(self, x: fl.Tensor) -> fl.Tensor:
    ...         return x * self.gain
    >>> [name for name, _ in Scale(3).named_parameters()]
    ['gain']
    """

    training: bool = True
    _buffers: ClassVar[Mapping[str, bool]] = {}  # name -> whether the state dict has it; an instance brings its own

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__call__" in cls.__dict__:
            cls.__call__ = _naming_layers(cls.__dict__["__call__"])  # type: ignore[method-assign]  # wraps, same type

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute. A subclass defines it, with its own types."""
        hint = " (what PyTorch calls forward)" if hasattr(self, "forward") else ""
        raise NotImplementedError(f"{type(self).__name__} defines no __call__: write `def __call__(self, x):`{hint}")

    # ---- what is inside ----

    def register_buffer(self, name: str, tensor: fl.Tensor | None, persistent: bool = True) -> None:
        """Keep a tensor that is not learned: it moves with `to` and, if persistent, is in the state dict."""
        if not name.isidentifier():
            raise ValueError(f"register_buffer: {name!r} is not a name for an attribute")
        if "_buffers" not in self.__dict__:
            self.__dict__["_buffers"] = {}
        self.__dict__["_buffers"][name] = persistent
        setattr(self, name, tensor)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The layers directly inside, with the names of their attributes."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """The layers directly inside."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module under `prefix` and every layer inside it, each once, with its path: "net.2"."""
        seen: set[int] = set()
        waiting: list[tuple[str, Module]] = [(prefix, self)]
        while waiting:
            path, module = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            waiting.extend(reversed([(_join(path, name), child) for name, child in module.named_children()]))

    def modules(self) -> Iterator[Module]:
        """This module and every layer inside it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Every parameter once, with its path: "net.2.weight"."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Every parameter once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, fl.Tensor]]:
        """Every buffer that is not None, with its path."""
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name in module._buffers:
                value = getattr(module, name)
                if value is not None:
                    yield _join(path, name), value

    def buffers(self, recurse: bool = True) -> Iterator[fl.Tensor]:
        """Every buffer that is not None."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    # ---- state ----

    def state_dict(self) -> dict[str, fl.Tensor]:
        """Every parameter and persistent buffer by path: the same memory, apart from autograd.

        What is shared stands under each of its names, as in PyTorch, so that files load there by name.
        """
        return {path: tensor.detach() for path, tensor in self._named_state()}

    def load_state_dict(self, state: Mapping[str, fl.Tensor], strict: bool = True) -> None:
        """Copy values in, by name; dtype and device stay those of this module.

        Raises: ValueError with every missing, unexpected and misshapen entry, and nothing loaded. Unless `strict`,
        missing and unexpected names are passed over.
        """
        if not isinstance(state, Mapping) or not all(isinstance(value, fl.Tensor) for value in state.values()):
            raise TypeError("load_state_dict: a state is a mapping from names to tensors, as state_dict() gives")
        own = dict(self._named_state())
        problems = [f"{name} is {state[name].shape}, needed {own[name].shape}"
                    for name in own if name in state and tuple(state[name].shape) != tuple(own[name].shape)]
        if strict:
            problems += [f"{name} is missing" for name in own if name not in state]
            problems += [f"{name} is not in this module" for name in state if name not in own]
        if problems:
            raise ValueError(f"load_state_dict: {type(self).__name__} and the state differ, nothing was loaded:\n  "
                             + "\n  ".join(problems) + ("\nstrict=False passes over missing and unexpected names"
                                                        if strict else ""))
        with fl.no_grad():
            for name, tensor in own.items():
                if name in state:
                    tensor[...] = state[name].to(tensor.device).to(tensor.dtype)

    def _named_state(self) -> Iterator[tuple[str, fl.Tensor]]:
        for path, module in self._every_path():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) or (module._buffers.get(name) and value is not None):
                    yield _join(path, name), value

    def _every_path(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, child in self.named_children():
            yield from child._every_path(_join(prefix, name))

    # ---- changing all of it ----

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all inside it to training: dropout drops."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch this module and all inside it to evaluation."""
        return self.train(False)

    def to(self, device_or_dtype: _core.Device | _core.DType | str) -> Self:
        """Move parameters and buffers to a device, or cast those that are floats; the same objects stay."""
        casts = isinstance(device_or_dtype, _core.DType)
        for _, tensor in [*self.named_parameters(), *self.named_buffers()]:
            if not casts or tensor.dtype.is_float:
                _core.adopt(tensor, tensor.detach().to(device_or_dtype))
        return self

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call the function with every layer inside, then with this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze the parameters, or let them be learned again."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    # ---- as text ----

    def extra_repr(self) -> str:
        """What stands between the brackets of a layer's text: its arguments."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return f"{type(self).__name__}({self.extra_repr()}\n  " + "\n  ".join(lines) + "\n)"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _naming_layers(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call; an error on its way out learns which layer it came from: "in net.2: Linear(32, 64)"."""

    @functools.wraps(call)
    def named(self: Module, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(self, *args, **kwargs)
        except Exception as error:
            _add_layer(error, self)
            raise

    return named


def _add_layer(error: Exception, module: Module) -> None:
    """Write the path from `module`, the outermost layer so far, down to the layer that failed."""
    trail: list[Module] = error.__dict__.setdefault("flambeau_layers", [])
    if trail and trail[-1] is module:
        return
    trail.append(module)
    names = [name for outer, inner in zip(trail[:0:-1], trail[-2::-1], strict=True)
             for name, candidate in outer.named_modules() if candidate is inner]
    layer = repr(trail[0]).split("\n", 1)[0]
    note = f"in {'.'.join(names)}: {layer}" if names else f"in {layer}"
    notes: list[str] = error.__dict__.setdefault("__notes__", [])
    shorter = error.__dict__.get("flambeau_note")
    if shorter in notes:
        notes.remove(shorter)
    error.__dict__["flambeau_note"] = note
    notes.append(note)
