"""Module: a layer with parameters, buffers and layers inside it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Never, Self

import flambeau as fl
from flambeau import _core, scopes
from flambeau.arguments import Explained, refuse
from flambeau.nn.hooks import Hooked, call_with_hooks
from flambeau.nn.parameter import Parameter


class IncompatibleKeys(NamedTuple):
    """What load_state_dict passed over: names of the module that the state lacks, and of the state that it lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class _Elsewhere:
    """Stands where PyTorch's modules have a name and ours do not: reading it tells the other way."""

    def __init__(self, said: str) -> None:
        self._said = said

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> object:
        raise AttributeError(f"'{owner.__name__}' object has no attribute '{self._name}': {self._said}")


class Module(Hooked, Explained):
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

    if not TYPE_CHECKING:  # subclasses may have methods of these names
        forward = _Elsewhere("call the layer itself, net(x)")
        cuda = _Elsewhere("net.to('cuda') moves it; fl.devices() lists the devices of this machine")
        type = _Elsewhere("net.to(fl.float64) casts it")

    # ---- what is inside ----

    def register_buffer(self, name: str, tensor: fl.Tensor | None, persistent: bool = True) -> None:
        """Keep a tensor that is not learned: it moves with `to` and, if persistent, is in the state dict."""
        self._check_name("register_buffer", name)
        if tensor is not None and (not isinstance(tensor, fl.Tensor) or isinstance(tensor, Parameter)):
            raise TypeError(f"register_buffer: {name} is a {type(tensor).__name__}; a buffer is a plain tensor or None")
        if "_buffers" not in self.__dict__:
            self.__dict__["_buffers"] = {}
        self.__dict__["_buffers"][name] = persistent
        setattr(self, name, tensor)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set a parameter under a name that is computed; `layer.name = parameter` does the same."""
        self._check_name("register_parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"register_parameter: {name} is a {type(param).__name__}; wrap it: nn.Parameter(x)")
        setattr(self, name, param)

    def register_module(self, name: str, module: Module | None) -> None:
        """Set a layer under a name that is computed, such as "0"; `layer.name = module` does the same."""
        if not isinstance(name, str) or not name or "." in name or hasattr(type(self), name):
            raise ValueError(f"register_module: {name!r} cannot name a layer of {type(self).__name__}: it is empty, "
                             "has a dot, or is a method's name")
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"register_module: {name} is {module!r}, not a layer (an nn.Module)")
        setattr(self, name, module)

    add_module = register_module

    def _check_name(self, function: str, name: str) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"{function}: {name!r} is not a name for an attribute")
        if hasattr(type(self), name):
            raise ValueError(f"{function}: {type(self).__name__} has a method or a class attribute {name!r}")

    def get_submodule(self, target: str) -> Module:
        """The layer at a path such as "net.2"; this module for "".

        Raises: AttributeError that names what is there.
        """
        module: Module = self
        for name in target.split(".") if target else ():
            inner = vars(module).get(name)
            if not isinstance(inner, Module):
                there = ", ".join(child for child, _ in module.named_children()) or "no layers"
                raise AttributeError(f"get_submodule: {type(module).__name__} has no layer {name!r}; it has {there}")
            module = inner
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as "net.2.weight"."""
        path, _, name = target.rpartition(".")
        value = vars(self.get_submodule(path)).get(name)
        if not isinstance(value, Parameter):
            raise AttributeError(f"get_parameter: there is no parameter {target!r}")
        return value

    def get_buffer(self, target: str) -> fl.Tensor:
        """The buffer at a path such as "net.1.running_mean"."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in module._buffers or getattr(module, name) is None:
            raise AttributeError(f"get_buffer: there is no buffer {target!r}")
        tensor: fl.Tensor = getattr(module, name)
        return tensor

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a layer at a path such as "net.2", in place of the one there or, unless `strict`, as a new one."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if strict:
            owner.get_submodule(name)
        owner.register_module(name, module)

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
        """Every buffer that is not None once, with its path."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name in module._buffers:
                value = getattr(module, name)
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), value

    def buffers(self, recurse: bool = True) -> Iterator[fl.Tensor]:
        """Every buffer that is not None."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    # ---- state ----

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, fl.Tensor]:
        """Every parameter and persistent buffer by path: the same memory, apart from autograd unless keep_vars.

        What is shared stands under each of its names, as in PyTorch, so that files load there by name.
        """
        state: dict[str, fl.Tensor] = {}
        self._collect(state, prefix, keep_vars)
        return state

    def _collect(self, state: dict[str, fl.Tensor], prefix: str, keep_vars: bool) -> None:
        for hook, _ in self._hooks_of("state_pre"):
            hook(self, prefix, keep_vars)
        for name, value in self._own_state():
            state[prefix + name] = value if keep_vars else value.detach()
        for name, child in self.named_children():
            child._collect(state, f"{prefix}{name}.", keep_vars)
        for hook, _ in self._hooks_of("state_post"):
            hook(self, state, prefix, {})

    def load_state_dict(
        self, state_dict: Mapping[str, fl.Tensor], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values in, by name; dtype and device stay those of this module.

        With `assign` the state's own memory, dtype and device are taken, and nothing is copied.

        Returns: the names that were passed over, none if `strict`.
        Raises: ValueError with every missing, unexpected and misshapen entry, and nothing loaded. Unless `strict`,
        missing and unexpected names are passed over.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError("load_state_dict: a state is a mapping from names to tensors, as state_dict() gives, not "
                            f"{type(state_dict).__name__}")
        if strange := [name for name, value in state_dict.items() if not isinstance(value, fl.Tensor)]:
            kind = type(state_dict[strange[0]])
            raise TypeError("load_state_dict: a state is a mapping from names to tensors, and "
                            f"{strange[0]} is a {kind.__module__}.{kind.__qualname__}: fl.asarray(x) makes a tensor of "
                            "another library's array, fl.load_pt reads PyTorch's files")
        state, missing, unexpected, problems = dict(state_dict), list[str](), list[str](), list[str]()
        layers = list(self._every_path())
        for path, module in layers:
            for hook, _ in module._hooks_of("load_pre"):
                hook(module, state, path and path + ".", {}, strict, missing, unexpected, problems)
        own = {_join(path, name): value for path, module in layers for name, value in module._own_state()}
        problems += [f"{name} is {state[name].shape}, needed {own[name].shape}"
                     for name in own if name in state and tuple(state[name].shape) != tuple(own[name].shape)]
        found = IncompatibleKeys(missing + [name for name in own if name not in state],
                                 unexpected + [name for name in state if name not in own])
        for _, module in layers:
            for hook, _ in module._hooks_of("load_post"):
                hook(module, found)
        if strict:
            problems += [f"{name} is missing" for name in found.missing_keys]
            problems += [f"{name} is not in this module" for name in found.unexpected_keys]
        if problems:
            raise ValueError(f"load_state_dict: {type(self).__name__} and the state differ, nothing was loaded:\n  "
                             + "\n  ".join(problems) + ("\nstrict=False passes over missing and unexpected names"
                                                        if strict else ""))
        with fl.no_grad():
            for name, tensor in own.items():
                if name in state and assign:
                    _core.adopt(tensor, state[name].detach())
                elif name in state:
                    tensor[...] = state[name].to(device=tensor.device, dtype=tensor.dtype)
        return found

    def _own_state(self) -> Iterator[tuple[str, fl.Tensor]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter) or (self._buffers.get(name) and value is not None):
                yield name, value

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

    def to(
        self,
        *targets: _core.Device | _core.DType | str | fl.Tensor | None,
        dtype: _core.DType | None = None,
        device: _core.Device | str | None = None,
        **other: Never,
    ) -> Self:
        """Move parameters and buffers to a device, cast those that are floats, or both; the same objects stay.

        A tensor among the targets stands for its device and dtype. Whole numbers (the count of batches that a batch
        norm has seen) become a device's index dtype if it does not store theirs.

        >>> from flambeau import nn
        >>> nn.Linear(2, 2).to(fl.float64).weight.dtype
        flambeau.float64
        """
        if other:
            refuse("to", other)
        for target in targets:
            if isinstance(target, _core.DType):
                dtype = target
            elif isinstance(target, fl.Tensor):
                device, dtype = target.device, target.dtype
            elif target is not None:
                device = target
        if dtype is not None and not _core.dtype(dtype).is_float:
            raise fl.DTypeError(f"to: {dtype} is no float; layers compute in floats, integer buffers stay as they are")
        there = None if device is None else _core.device(device)
        for _, tensor in [*self.named_parameters(), *self.named_buffers()]:
            gradient = tensor.grad
            cast = dtype if tensor.dtype.is_float else None
            if there is not None and tensor.dtype.is_integer and tensor.dtype not in there.dtypes:
                cast = there.index_dtype
            _core.adopt(tensor, tensor.detach().to(device=device, dtype=cast))
            if gradient is not None:
                tensor.grad = gradient.detach().to(device=device, dtype=cast)
        return self

    def cpu(self) -> Self:
        """Move parameters and buffers to the CPU."""
        return self.to(device="cpu")

    def float(self) -> Self:
        """Cast to float32 what is a float."""
        return self.to(fl.float32)

    def double(self) -> Self:
        """Cast to float64 what is a float."""
        return self.to(fl.float64)

    def half(self) -> Self:
        """Cast to float16 what is a float."""
        return self.to(fl.float16)

    def bfloat16(self) -> Self:
        """Cast to bfloat16 what is a float."""
        return self.to(fl.bfloat16)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call the function with every layer inside, then with this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze the parameters, or let them be learned again."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else fl.zeros_like(parameter.grad)

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
            names = scopes.layers  # read once: a profile may end in another thread
            if names is not None and type(self).__call__ is named:
                with names.inside(self):
                    return call_with_hooks(call, self, args, kwargs)
            if "_hooks" in self.__dict__ and type(self).__call__ is named:  # not in a base's call by super()
                return call_with_hooks(call, self, args, kwargs)
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
