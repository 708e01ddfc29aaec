"""vmap: a function of one example as a function of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Literal

from flambeau.arguments import explained

from .. import _core
from .._core import Tensor
from . import trees

Axes = int | None | dict[Any, Any] | list[Any] | tuple[Any, ...]
_POLICIES = ("error", "different", "same")  # in the order of the native enum


@explained
def vmap(
    function: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    randomness: Literal["error", "different", "same"] = "error",
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that does for a batch what `function` does for one example, all at once and without a loop.

    in_axes: which axis of the positional arguments counts the examples; None for what is the same for all. One
    answer for all arguments, or one for each, each with the structure of its argument if it has any. Keyword
    arguments are the same for all. out_axes: where that axis goes in the results; None for a result that is the same
    for all. randomness: what fl.random does inside: raise, draw for each example, or draw once for all.
    chunk_size: so many examples at a time, to save memory.

    It nests, and composes with grad, vjp, jvp and jacobian either way around: vmap(grad(f)) gives a gradient for
    each example.

    Raises: ShapeError if the arguments differ in how many examples they have; RuntimeError where the function asks for
    a value (`if x > 0`, x.item()) or writes in place.

    >>> import flambeau as fl
    >>> dot = lambda a, b: (a * b).sum()
    >>> fl.vmap(dot, in_axes=(0, None))(fl.tensor([[1.0, 2.0], [3.0, 4.0]]), fl.tensor([1.0, 10.0]))
    tensor([21.0, 43.0])
    >>> fl.vmap(fl.grad(lambda x: (x**2).sum()))(fl.tensor([[1.0], [3.0]]))
    tensor([[2.0],
            [6.0]])
    """
    if randomness not in _POLICIES:
        raise ValueError(f"vmap: randomness is {randomness!r}; it is one of {', '.join(map(repr, _POLICIES))}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"vmap: chunk_size is {chunk_size} and must be at least 1")

    @functools.wraps(function)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        fronts, size = _fronts(args, in_axes)
        if chunk_size is None or size <= chunk_size:
            return _run(function, args, fronts, kwargs, size, out_axes, randomness)
        parts = []
        for start in range(0, size, chunk_size):
            stop = min(start + chunk_size, size)
            some = [x if x is None else x[start:stop] for x in fronts]
            parts.append(_run(function, args, some, kwargs, stop - start, out_axes, randomness))
        return _joined(parts, out_axes)

    return mapped


def _fronts(args: tuple[Any, ...], in_axes: Axes) -> tuple[list[Tensor | None], int]:
    """For each tensor in the arguments: itself with the examples along its first axis, or None if it has none."""
    if isinstance(in_axes, list | tuple):
        if len(in_axes) != len(args):
            raise ValueError(f"vmap: in_axes has {len(in_axes)} entries and {len(args)} arguments were given")
        in_axes = tuple(in_axes)
    fronts: list[Tensor | None] = []
    sizes: dict[int, tuple[int, ...]] = {}
    for x, axis in _paired(args, in_axes, "in_axes"):
        if axis is None:
            if isinstance(x, Tensor):
                fronts.append(None)
            continue
        if not isinstance(x, Tensor):
            raise TypeError(f"vmap: an argument holds {type(x).__name__}, which has no axis {axis}; "
                            "give None for it in in_axes, or make it a tensor")
        front = _to_front(x, axis)
        sizes.setdefault(front.shape[0], x.shape)
        fronts.append(front)
    if not sizes:
        raise ValueError("vmap: no argument has an axis of examples; in_axes must name one")
    if len(sizes) > 1:
        (a, of_a), (b, of_b) = list(sizes.items())[:2]
        raise _core.ShapeError(f"vmap: an argument of shape {of_a} has {a} examples and one of shape {of_b} has {b}; "
                               "they must have as many, or None in in_axes")
    return fronts, next(iter(sizes))


def _run(
    function: Callable[..., Any], args: tuple[Any, ...], fronts: list[Tensor | None], kwargs: dict[str, Any],
    size: int, out_axes: Axes, randomness: str,
) -> Any:  # fmt: skip
    number = _core.enter_vmap(size, _POLICIES.index(randomness))
    depth = _core.vmap_depth()
    try:
        each = iter(fronts)

        def element(x: Tensor) -> Tensor:
            front = next(each)
            return x if front is None else _core.element_of(front, number)

        result = function(*trees.map_tensors(element, args), **kwargs)
        whole = [_whole(x, axis, number, depth) for x, axis in _paired(result, out_axes, "out_axes")]
    finally:
        _core.leave_vmap(number)
    parts = iter(whole)
    return trees.map_tensors(lambda _: next(parts), result)


def _whole(x: Any, axis: Any, number: int, depth: int) -> Tensor:
    """A result with the batch as an axis."""
    if not isinstance(x, Tensor):
        raise TypeError(f"vmap: the function gave {type(x).__name__}; it must give tensors, or lists, tuples and dicts "
                        "of them")
    if axis is None:
        if _core.is_batched(x, number):
            raise ValueError(f"vmap: out_axes is None for a result of shape {x.shape}, which differs from example to "
                             "example; name an axis")
        return x
    front = _core.without_levels(x, depth - 1)
    place = axis + front.ndim if axis < 0 else axis
    if not 0 <= place < front.ndim:
        raise IndexError(f"vmap: out_axes {axis} is out of range for a result of {front.ndim} axes with the batch's")
    if place == 0:
        return front
    return _core.ops["permute_dims"](front, (*range(1, place + 1), 0, *range(place + 1, front.ndim)))


def _to_front(x: Tensor, axis: int) -> Tensor:
    place = axis + x.ndim if axis < 0 else axis
    if not 0 <= place < x.ndim:
        raise IndexError(f"vmap: in_axes {axis} is out of range for an argument of shape {x.shape}")
    if place == 0:
        return x
    return _core.ops["permute_dims"](x, (place, *(i for i in range(x.ndim) if i != place)))


def _paired(tree: Any, axes: Any, what: str) -> Iterator[tuple[Any, int | None]]:
    """Each leaf of a tree with the axis that is said for it."""
    if isinstance(axes, bool) or not (axes is None or isinstance(axes, int | dict | list | tuple)):
        raise TypeError(f"vmap: {what} holds {type(axes).__name__}; it is made of integers and None")
    if isinstance(tree, dict):
        if isinstance(axes, dict) and axes.keys() != tree.keys():
            raise ValueError(f"vmap: {what} names {sorted(map(str, axes))} and the dict {sorted(map(str, tree))}")
        for key, part in tree.items():
            yield from _paired(part, axes[key] if isinstance(axes, dict) else axes, what)
    elif isinstance(tree, list | tuple):
        if isinstance(axes, list | tuple) and len(axes) != len(tree):
            raise ValueError(f"vmap: {what} has {len(axes)} entries for {len(tree)} parts")
        for i, part in enumerate(tree):
            yield from _paired(part, axes[i] if isinstance(axes, list | tuple) else axes, what)
    elif isinstance(axes, dict | list | tuple):
        raise ValueError(f"vmap: {what} has a structure where there is one {type(tree).__name__}")
    else:
        yield tree, axes


def _joined(parts: list[Any], out_axes: Axes) -> Any:
    """The results of chunks one after the other."""
    columns = [list(_paired(part, out_axes, "out_axes")) for part in parts]
    whole = iter([
        column[0][0] if column[0][1] is None
        else _core.ops["concat"]([x for x, _ in column], axis=_counted(column[0][1], column[0][0].ndim))
        for column in zip(*columns, strict=True)
    ])  # fmt: skip
    return trees.map_tensors(lambda _: next(whole), parts[0])


def _counted(axis: int, ndim: int) -> int:
    return axis + ndim if axis < 0 else axis
