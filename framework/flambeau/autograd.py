"""Gradients as functions, and switching them off."""

from __future__ import annotations

import functools

from . import _core
from ._core import Tensor

TYPE_CHECKING = False  # typing takes some milliseconds of the import and is for checkers alone
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


class _GradMode:
    """A context, and a decorator, in which gradients are on or off."""

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self._before: list[bool] = []
        if function is not None:
            raise TypeError(f"{type(self).__name__} is called first: write @fl.{type(self).__name__}()")

    _enabled = False

    def __enter__(self) -> None:
        self._before.append(_core.grad_enabled())
        _core.set_grad_enabled(self._enabled)

    def __exit__(self, *error: object) -> None:
        _core.set_grad_enabled(self._before.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return inside


class no_grad(_GradMode):
    """Nothing inside is kept for backward(): `with fl.no_grad():` or `@fl.no_grad()`.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0], requires_grad=True)
    >>> with fl.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """


class enable_grad(_GradMode):
    """The opposite, inside a no_grad()."""

    _enabled = True


def grad(
    function: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that gives the gradient of `function`, which gives one number.

    Arguments may be tensors, or lists, tuples and dicts of tensors; gradients have the same structure.
    has_aux: function gives (number, anything), and the gradient function gives (gradient, anything).

    >>> import flambeau as fl
    >>> fl.grad(lambda x: (x**3).sum())(fl.tensor([1.0, 2.0]))
    tensor([3.0, 12.0])
    """
    both = value_and_grad(function, argnums, has_aux=has_aux)

    @functools.wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def value_and_grad(
    function: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that gives (value, gradient) of `function`; see grad.

    >>> import flambeau as fl
    >>> fl.value_and_grad(lambda x: (x * x).sum())(fl.tensor([3.0]))
    (tensor(9.0), tensor([6.0]))
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(function)
    def both(*args: Any, **kwargs: Any) -> Any:
        for n in numbers:
            if not -len(args) <= n < len(args):
                raise IndexError(f"grad: argument {n} is asked for and {len(args)} were given")
        outer = _core.grad_enabled()
        inside = list(args)
        leaves: list[Tensor] = []
        with enable_grad():
            for n in numbers:
                inside[n] = _rebuild(args[n], (_enter(x, outer) for x in _leaves(args[n])))
                leaves.extend(_leaves(inside[n]))
            result = function(*inside, **kwargs)
        value = result[0] if has_aux else result
        if not isinstance(value, Tensor):
            raise TypeError(f"grad: the function gave {type(value).__name__} and must give a tensor of one element")
        if value.size != 1:
            raise _core.ShapeError(f"grad: the function gave shape {value.shape} and must give one number; sum it")
        if value.requires_grad:
            found = _core.gradients([value], [None], leaves, False, None if outer else False)
        else:
            found = [None] * len(leaves)
        found = [_core.ops["multiply"](x.detach(), 0) if g is None else g for g, x in zip(found, leaves, strict=True)]
        each = iter(found)
        gradients = tuple(_rebuild(args[n], each) for n in numbers)
        given = value if outer and _has_others(value, leaves) else value.detach()
        return ((given, result[1]) if has_aux else given), (gradients[0] if isinstance(argnums, int) else gradients)

    return both


def _has_others(value: Tensor, leaves: list[Tensor]) -> bool:
    return value.requires_grad and _core.depends_on_others([value], leaves)


def _enter(x: Tensor, outer: bool) -> Tensor:
    """The tensor that the function sees: of a tape of its own, or linked to the one outside."""
    if not x.dtype.is_float:
        raise _core.DTypeError(f"grad: an argument is {x.dtype} and only floats have gradients; cast it")
    return _core.ops["reshape"](x, x.shape) if outer and x.requires_grad else x.detach().requires_grad_()


def _leaves(tree: Any) -> list[Tensor]:
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, dict):
        return [x for key in tree for x in _leaves(tree[key])]
    if isinstance(tree, list | tuple):
        return [x for part in tree for x in _leaves(part)]
    kind = type(tree).__name__
    raise TypeError(f"grad: an argument holds {kind}; tensors, lists, tuples and dicts of them are understood")


def _rebuild(tree: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(tree, Tensor):
        return next(leaves)
    if isinstance(tree, dict):
        return {key: _rebuild(tree[key], leaves) for key in tree}
    return type(tree)(_rebuild(part, leaves) for part in tree)
