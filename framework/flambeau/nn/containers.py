"""Layers that hold layers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Self, overload

import flambeau as fl
from flambeau.nn.activations import ReLU
from flambeau.nn.module import Module
from flambeau.nn.normalization import BatchNorm2d
from flambeau.nn.parameter import Parameter
from flambeau.nn.pooling import MaxPool, MaxPool1d, MaxPool2d, MaxPool3d

_NONE, _ONE, _TWO = ((number, (number,), (number,) * 2, (number,) * 3) for number in range(3))  # along all axes
_MAX_POOLS = {MaxPool1d, MaxPool2d, MaxPool3d}


class _Numbered(Module):
    """Layers under the names "0", "1", ...; in the order in which they were set."""

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Module:
        layers = list(self.children())
        if isinstance(index, int):
            return layers[index]
        part = type(self).__new__(type(self))
        for number, layer in enumerate(layers[index]):
            setattr(part, str(number), layer)
        return part

    def __setitem__(self, index: int, layer: Module) -> None:
        name = list(self.named_children())[index][0]
        setattr(self, name, _checked(self, layer))

    def __delitem__(self, index: int | slice) -> None:
        layers = list(self.children())
        del layers[index]
        self._renumber(layers)

    def append(self, module: Module) -> Self:
        """Add a layer at the end."""
        setattr(self, str(len(self)), _checked(self, module))
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add layers at the end, one by one."""
        for layer in list(modules):
            self.append(layer)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Add a layer before this index; those behind move on."""
        layers = list(self.children())
        layers.insert(index, _checked(self, module))
        self._renumber(layers)
        return self

    def pop(self, key: int = -1) -> Module:
        """Take a layer out."""
        layer = self[key]
        del self[key]
        return layer

    def _renumber(self, layers: list[Module]) -> None:
        for name, _ in list(self.named_children()):
            delattr(self, name)
        for number, layer in enumerate(layers):
            setattr(self, str(number), layer)


class Sequential(_Numbered):
    """Layers one after the other.

    A ReLU before a max pool is computed behind it: the same values and gradients, of a fraction of the elements. While
    training, BatchNorm2d and a MaxPool2d of touching squares behind it (or behind its ReLU) are one operation.

    >>> from flambeau import nn
    >>> net = Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> net(fl.zeros((5, 3))).shape
    (5, 2)
    """

    def __init__(self, *layers: Module | Mapping[str, Module]) -> None:
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            for name, layer in layers[0].items():
                setattr(self, name, _checked(self, layer))
            return
        for number, given in enumerate(layers):
            setattr(self, str(number), _checked(self, given))

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        layers = list(self.children())
        for step in layers if _MAX_POOLS.isdisjoint(map(type, layers)) else _with_pools_early(layers):
            x = step(x)
        return x


def _with_pools_early(layers: list[Module]) -> list[Callable[[fl.Tensor], fl.Tensor]]:
    """The layers, of which each ReLU comes behind the pools that follow it, and a norm and its pool are one step."""
    for place in range(len(layers) - 1):
        relu, pool = layers[place : place + 2]
        if _may_follow(relu, pool):
            layers[place : place + 2] = pool, relu
    steps: list[Callable[[fl.Tensor], fl.Tensor]] = []
    for layer in layers:
        norm = steps[-1] if steps else None
        if isinstance(norm, BatchNorm2d) and _is_one_pass(norm, layer):
            steps[-1] = functools.partial(norm._then_pool, layer)
        else:
            steps.append(layer)
    return steps


def _may_follow(relu: Module, pool: Module) -> bool:
    """Whether the pool is a max pool without empty windows (-inf, which a ReLU changes), and no hook watches."""
    if type(relu) is not ReLU or not isinstance(pool, MaxPool) or type(pool) not in _MAX_POOLS:
        return False
    return pool.dilation in _ONE and not pool.return_indices and not _is_watched(relu) and not _is_watched(pool)


def _is_one_pass(norm: BatchNorm2d, pool: Module) -> bool:
    """Whether the pool takes the largest of squares of 2 by 2 that touch, and no hook watches."""
    if type(norm) is not BatchNorm2d or type(pool) is not MaxPool2d or _is_watched(norm) or _is_watched(pool):
        return False
    squares = pool.kernel_size in _TWO and pool.stride in _TWO and pool.padding in _NONE and pool.dilation in _ONE
    return squares and not pool.ceil_mode and not pool.return_indices


def _is_watched(layer: Module) -> bool:
    return "_hooks" in vars(layer)


class ModuleList(_Numbered):
    """A list of layers, to be called one by one.

    >>> from flambeau import nn
    >>> len(ModuleList([nn.ReLU(), nn.Tanh()]))
    2
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        for number, given in enumerate(modules or ()):
            setattr(self, str(number), _checked(self, given))


class ModuleDict(Module):
    """Layers by name, in the order in which they were set.

    >>> from flambeau import nn
    >>> heads = ModuleDict({"large": nn.Linear(2, 4), "small": nn.Linear(2, 1)})
    >>> heads["small"](fl.zeros(2)).shape
    (1,)
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        self.update(modules or ())

    def __getitem__(self, name: str) -> Module:
        layer = vars(self).get(name)
        if not isinstance(layer, Module):
            raise KeyError(f"{name!r}; there are {', '.join(self) or 'no layers'}")
        return layer

    def __setitem__(self, name: str, layer: Module) -> None:
        self.register_module(name, _checked(self, layer))

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.named_children())

    def __contains__(self, name: object) -> bool:
        return isinstance(vars(self).get(str(name)), Module)

    def keys(self) -> Iterable[str]:
        """The names."""
        return list(self)

    def values(self) -> Iterable[Module]:
        """The layers."""
        return list(self.children())

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and layers."""
        return list(self.named_children())

    def clear(self) -> None:
        """Take all layers out."""
        for name in list(self):
            del self[name]

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Set layers by name."""
        for name, layer in modules.items() if isinstance(modules, Mapping | ModuleDict) else modules:
            self[name] = layer

    def pop(self, key: str) -> Module:
        """Take a layer out."""
        layer = self[key]
        del self[key]
        return layer


class ParameterList(Module):
    """Parameters under the names "0", "1", ...; a plain tensor becomes a parameter.

    >>> [tuple(p.shape) for p in ParameterList([fl.zeros(2), fl.zeros((3, 1))])]
    [(2,), (3, 1)]
    """

    def __init__(self, values: Iterable[fl.Tensor] | None = None) -> None:
        self.extend(values or ())

    def __len__(self) -> int:
        return sum(1 for _ in self.named_parameters(recurse=False))

    def __iter__(self) -> Iterator[Parameter]:
        return iter([value for value in vars(self).values() if isinstance(value, Parameter)])

    def __getitem__(self, index: int) -> Parameter:
        return list(self)[index]

    def __setitem__(self, index: int, value: fl.Tensor) -> None:
        setattr(self, str(range(len(self))[index]), _parameter(self, value))

    def append(self, value: fl.Tensor) -> Self:
        """Add a parameter at the end."""
        setattr(self, str(len(self)), _parameter(self, value))
        return self

    def extend(self, values: Iterable[fl.Tensor]) -> Self:
        """Add parameters at the end."""
        for value in values:
            self.append(value)
        return self

    def extra_repr(self) -> str:
        return ", ".join(f"{tuple(value.shape)}" for value in self)


class ParameterDict(Module):
    """Parameters by name; a plain tensor becomes a parameter.

    >>> ParameterDict({"gain": fl.ones(2)})["gain"].requires_grad
    True
    """

    def __init__(self, parameters: Mapping[str, fl.Tensor] | Iterable[tuple[str, fl.Tensor]] | None = None) -> None:
        self.update(parameters or {})

    def __getitem__(self, name: str) -> Parameter:
        value = vars(self).get(name)
        if not isinstance(value, Parameter):
            raise KeyError(f"{name!r}; there are {', '.join(self) or 'no parameters'}")
        return value

    def __setitem__(self, name: str, value: fl.Tensor) -> None:
        self.register_parameter(name, _parameter(self, value))

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[str]:
        return (name for name, value in list(vars(self).items()) if isinstance(value, Parameter))

    def __contains__(self, name: object) -> bool:
        return isinstance(vars(self).get(str(name)), Parameter)

    def keys(self) -> Iterable[str]:
        """The names."""
        return list(self)

    def values(self) -> Iterable[Parameter]:
        """The parameters."""
        return [self[name] for name in self]

    def update(self, parameters: Mapping[str, fl.Tensor] | Iterable[tuple[str, fl.Tensor]]) -> None:
        """Set parameters by name."""
        for name, value in parameters.items() if isinstance(parameters, Mapping | ParameterDict) else parameters:
            self[name] = value

    def get(self, key: str, default: fl.Tensor | None = None) -> fl.Tensor | None:
        """The parameter of this name, or `default`."""
        value = vars(self).get(key)
        return value if isinstance(value, Parameter) else default

    def pop(self, key: str) -> Parameter:
        """Take a parameter out."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Take all parameters out."""
        for name in list(self):
            del self[name]

    def items(self) -> Iterable[tuple[str, Parameter]]:
        """Names and parameters."""
        return [(name, self[name]) for name in self]

    def extra_repr(self) -> str:
        return ", ".join(f"{name}: {tuple(value.shape)}" for name, value in self.items())


def _parameter(owner: Module, value: fl.Tensor) -> Parameter:
    if not isinstance(value, fl.Tensor):
        raise TypeError(f"{type(owner).__name__}: {value!r} is not a tensor")
    return value if isinstance(value, Parameter) else Parameter(value)


def _checked(owner: Module, layer: object) -> Module:
    if isinstance(layer, Module):
        return layer
    hint = "; call it: it is a class" if isinstance(layer, type) else ""
    raise TypeError(f"{type(owner).__name__}: {layer!r} is not a layer (an nn.Module){hint}")
