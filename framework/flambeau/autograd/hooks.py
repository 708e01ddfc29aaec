"""Hooks on tensors and on nodes of the tape: functions that a walk backward calls."""

from __future__ import annotations

import weakref

from .. import _core
from .._core import Node, Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class HookHandle:
    """Takes a hook away: handle.remove(), or as a context."""

    def __init__(self, hook: _core.Hook) -> None:
        self._hook = hook

    def remove(self) -> None:
        """Call the hook no more."""
        self._hook.remove()

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
    """Call hook(gradient) in each backward pass; what it gives, if not None, takes the gradient's place.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0, 2.0], requires_grad=True)
    >>> handle = x.register_hook(lambda gradient: gradient * 10)
    >>> x.sum().backward()
    >>> x.grad
    tensor([10.0, 10.0])
    >>> handle.remove()
    """
    if not callable(hook):
        raise TypeError(f"register_hook: {hook!r} cannot be called; pass a function of the gradient")
    return HookHandle(_core.add_hook(self, False, hook))


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], object]) -> HookHandle:
    """Call hook(tensor) each time a backward pass has added to this leaf's .grad: an optimizer step, say.

    >>> import flambeau as fl
    >>> w = fl.tensor([1.0], requires_grad=True)
    >>> handle = w.register_post_accumulate_grad_hook(lambda w: print(w.grad.tolist()))
    >>> (w * 3).sum().backward()
    [3.0]
    """
    alive = weakref.ref(self)

    def accumulated() -> None:
        tensor = alive()
        if tensor is not None:
            hook(tensor)

    return HookHandle(_core.add_hook(self, True, accumulated))


def retain_grad(self: Tensor) -> None:
    """Let backward() keep the gradient of this result in .grad, as it does for leaves.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0, 2.0], requires_grad=True)
    >>> y = x * 3
    >>> y.retain_grad()
    >>> (y * y).sum().backward()
    >>> y.grad
    tensor([6.0, 12.0])
    """
    _core.retain_grad(self)


def register_node_hook(self: Node, hook: Callable[[tuple[Any, ...], tuple[Any, ...]], Any]) -> HookHandle:
    """Call hook(input_gradients, output_gradients) after the node has run backward.

    It may give a tuple that takes the place of the input gradients.
    """
    return HookHandle(self._add_hook(False, hook))


def register_node_prehook(self: Node, hook: Callable[[tuple[Any, ...]], Any]) -> HookHandle:
    """Call hook(output_gradients) before the node runs backward; a tuple that it gives takes their place."""
    return HookHandle(self._add_hook(True, hook))


def _furnish() -> None:
    methods = {
        "register_hook": register_hook, "retain_grad": retain_grad,
        "register_post_accumulate_grad_hook": register_post_accumulate_grad_hook,
    }  # fmt: skip
    for name, method in methods.items():
        setattr(Tensor, name, method)
    Node.register_hook = register_node_hook  # type: ignore[method-assign, assignment]  # the native class gets its Python part
    Node.register_prehook = register_node_prehook  # type: ignore[method-assign, assignment]  # the same


_furnish()
