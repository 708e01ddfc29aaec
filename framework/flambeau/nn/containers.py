"""Layers that hold layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Self, overload

import flambeau as fl
from flambeau.nn.module import Module


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

    def append(self, layer: Module) -> None:
        """Add a layer at the end."""
        setattr(self, str(len(self)), _checked(self, layer))


class Sequential(_Numbered):
    """Layers one after the other.

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
        for layer in self.children():
            x = layer(x)
        return x


class ModuleList(_Numbered):
    """A list of layers, to be called one by one.

    >>> from flambeau import nn
    >>> len(ModuleList([nn.ReLU(), nn.Tanh()]))
    2
    """

    def __init__(self, layers: Iterable[Module] = ()) -> None:
        for number, given in enumerate(layers):
            setattr(self, str(number), _checked(self, given))


def _checked(owner: Module, layer: object) -> Module:
    if isinstance(layer, Module):
        return layer
    hint = "; call it: it is a class" if isinstance(layer, type) else ""
    raise TypeError(f"{type(owner).__name__}: {layer!r} is not a layer (an nn.Module){hint}")
