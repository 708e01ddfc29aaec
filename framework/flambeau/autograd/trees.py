"""Arguments that hold tensors: lists, tuples, named tuples, dicts of them, and modules with their parameters."""

from __future__ import annotations

from .. import _core
from .._core import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any


def leaves(tree: Any, op: str) -> list[Tensor]:
    """The tensors in it, in order. Raises TypeError for what holds anything else."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, dict):
        return [x for key in tree for x in leaves(tree[key], op)]
    if isinstance(tree, list | tuple):
        return [x for part in tree for x in leaves(part, op)]
    if is_module(tree):
        return [parameter for _, parameter in learned(tree)]
    kind = type(tree).__name__
    raise TypeError(
        f"{op}: an argument holds {kind}; tensors, modules, and lists, tuples and dicts of them are understood"
    )


def rebuild(tree: Any, parts: Iterator[Any]) -> Any:
    """The same structure with other leaves; a module becomes a dict from its parameters' names."""
    if isinstance(tree, Tensor):
        return next(parts)
    if isinstance(tree, dict):
        return {key: rebuild(tree[key], parts) for key in tree}
    if is_module(tree):
        return {name: next(parts) for name, _ in learned(tree)}
    return like(tree, [rebuild(part, parts) for part in tree])


def map_tensors(change: Callable[[Tensor], Any], tree: Any) -> Any:
    """The same structure with each tensor changed; what is no tensor stays."""
    if isinstance(tree, Tensor):
        return change(tree)
    if isinstance(tree, dict):
        return {key: map_tensors(change, part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return like(tree, [map_tensors(change, part) for part in tree])
    return tree


def like(tree: Any, parts: list[Any]) -> Any:
    """A list, tuple or named tuple of the same type with other parts."""
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)


def is_module(tree: Any) -> bool:
    """Whether it is a layer: something that names its parameters."""
    return hasattr(tree, "named_parameters")


def learned(module: Any) -> list[tuple[str, Tensor]]:
    """A module's parameters that want a gradient, each once, by name."""
    return [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]


class swapped:
    """While entered, a module's parameters stand for other tensors; the same objects stay in their places.

    Other threads that use the module meanwhile see the exchange: one thread at a time.
    """

    def __init__(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        self._pairs = list(pairs)
        self._kept: list[Tensor] = []

    def __enter__(self) -> None:
        for parameter, other in self._pairs:
            self._kept.append(_core.exchange(parameter, other))

    def __exit__(self, *error: object) -> None:
        for (parameter, _), before in zip(self._pairs, self._kept, strict=True):
            _core.exchange(parameter, before)
