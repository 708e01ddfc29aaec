"""Function: an operation with a derivative of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .. import _core, scopes
from .._core import Tensor
from . import trees
from .modes import no_grad


class Context:
    """What `forward` leaves for `backward`: the first argument of both."""

    needs_input_grad: tuple[bool, ...]
    """For each argument of `apply`, whether it is a tensor that wants a gradient."""

    def __init__(self, name: str, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._name = name
        self._to_save: tuple[Tensor | None, ...] = ()
        self._plain: list[Tensor] = []
        self._zeros = True
        # (tensor, its version, which output it is or None), set once forward is done
        self._saved: list[tuple[Tensor, int, int | None] | None] | None = []
        self._node: _core.Node | None = None
        self._levels: list[tuple[int, int]] = []

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep arguments, results or other tensors for `backward`; a write into one before then is found."""
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved. Raises RuntimeError if one of them was written in place meanwhile, or all were let go of."""
        if self._saved is None:
            raise RuntimeError(f"backward of {self._name}: what it saved is gone; call the first backward with "
                               "retain_graph=True")
        return tuple(None if entry is None else self._unpacked(*entry) for entry in self._saved)

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """These results of `forward` carry no gradient; backward gets zeros for them."""
        self._plain.extend(outputs)

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros (True, the default) or None for results that no gradient came to."""
        self._zeros = value

    def _unpacked(self, x: Tensor, version: int, output: int | None) -> Tensor:
        if x._version != version:
            raise RuntimeError(
                f"backward of {self._name}: a saved tensor of shape {x.shape} was written in place after the forward "
                f"pass had saved it (version {x._version}, saved at {version}); write into a copy"
            )
        if output is not None and _core.grad_enabled() and self._node is not None:
            x = x.detach()
            self._node._attach(x, output)
        return _core.with_levels(x, _core.vmap_depth() - len(self._levels)) if self._levels else x

    def _pack(self, outputs: Sequence[Any], levels: list[tuple[int, int]]) -> None:
        self._levels = levels
        self._saved = []
        for x in self._to_save:
            if x is None:
                self._saved.append(None)
                continue
            if not isinstance(x, Tensor):
                raise TypeError(f"{self._name}: save_for_backward takes tensors and got {type(x).__name__}; "
                                "set other things as attributes of ctx")
            number = next((i for i, out in enumerate(outputs) if out is x), None)
            kept = _core.without_levels(x, 0) if levels else x
            self._saved.append((kept.detach() if number is not None else kept, kept._version, number))
        self._to_save = ()


class Function:
    """An operation with a derivative of its own: write `forward` and `backward`, and call `apply`.

    `forward(ctx, *args)` computes with gradients off and gives a tensor or a tuple of them; `backward(ctx, *grads)`
    gets a gradient for each result and gives one for each argument, None where there is none. Ops in `backward` can be
    differentiated again, unless it is marked once_differentiable. As in PyTorch, `setup_context(ctx, inputs, output)`
    may do the saving; `forward` then takes no ctx. Its name stands in errors and on the graph.

    >>> import flambeau as fl
    >>> class Exp(fl.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         y = fl.exp(x)
    ...         ctx.save_for_backward(y)
    ...         return y
    ...     @staticmethod
    ...     def backward(ctx, gradient):
    ...         (y,) = ctx.saved_tensors
    ...         return gradient * y
    >>> fl.grad(Exp.apply)(fl.tensor(0.0))
    tensor(1.0)
    >>> Exp.apply(fl.tensor(0.0, requires_grad=True)).grad_fn
    <node Exp>
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The results. A subclass defines it."""
        raise NotImplementedError("Function: define forward(ctx, *args) as a staticmethod")

    @staticmethod
    def backward(ctx: Context, *gradients: Any) -> Any:
        """The gradients of the arguments. A subclass defines it."""
        raise NotImplementedError("Function: define backward(ctx, *gradients) as a staticmethod")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call the operation."""
        levels = _core.vmap_levels()
        if levels:
            # On the tape its arguments are whole batches.
            args = tuple(_spread(x) if isinstance(x, Tensor) else x for x in args)
        wants = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        ctx = Context(cls.__name__, wants)
        with scopes.part(cls.__name__), no_grad():
            if hasattr(cls, "setup_context"):
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args, **kwargs)
        if not _core.grad_enabled() or not any(wants):
            return result
        return _record(cls, ctx, args, result, levels)


def _record(
    cls: type[Function], ctx: Context, args: tuple[Any, ...], result: Any, levels: list[tuple[int, int]]
) -> Any:
    outputs = list(result) if isinstance(result, list | tuple) else [result]
    ctx._pack(outputs, levels)
    plain = {id(x) for x in ctx._plain}
    made: list[Any] = []
    for out in outputs:
        made.append(_core.without_levels(out, 0).detach() if isinstance(out, Tensor) else out)
    live = [
        x if isinstance(x, Tensor) and x.dtype.is_float and id(out) not in plain else None
        for x, out in zip(made, outputs, strict=True)
    ]
    places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
    inputs = [_core.without_levels(args[i], 0) for i in places]
    _core.record_custom(cls.__name__, _Rule(cls, ctx, places, len(args), [_like(x) for x in live]), inputs, live)
    results = [_core.with_levels(x, 0) if isinstance(x, Tensor) else x for x in made]
    if isinstance(result, tuple | list):
        return trees.like(result, results)
    return results[0]


def _like(x: Tensor | None) -> tuple[Any, ...] | None:
    return None if x is None else (x.shape, x.dtype, x.device)


class _Rule:
    """What the tape calls."""

    def __init__(
        self, cls: type[Function], ctx: Context, places: list[int], count: int, likes: list[tuple[Any, ...] | None]
    ) -> None:
        self._cls, self._ctx, self._places, self._count, self._likes = cls, ctx, places, count, likes

    def release(self) -> None:
        self._ctx._saved = None

    def __call__(self, node: _core.Node, gradients: list[Tensor | None], needed: list[bool]) -> list[Tensor | None]:
        ctx, name = self._ctx, self._cls.__name__
        entered: list[int] = []
        depth = _core.vmap_depth()
        try:
            for size, randomness in ctx._levels:
                entered.append(_core.enter_vmap(size, randomness))
            given = [self._gradient(g, like, depth) for g, like in zip(gradients, self._likes, strict=True)]
            ctx._node = node
            found = self._cls.backward(ctx, *given)
            found = list(found) if isinstance(found, list | tuple) else [found]
            while len(found) > self._count and found[-1] is None:
                found.pop()
            if len(found) != self._count:
                raise RuntimeError(f"backward of {name}: it gave {len(found)} gradients for {self._count} arguments; "
                                   "give None for those without one")
            for i in range(self._count):
                if i not in self._places and found[i] is not None:
                    raise TypeError(f"backward of {name}: it gave a gradient for argument {i}, which is no tensor")
            picked = [found[i] for i in self._places]
            return [_core.without_levels(x, depth) if isinstance(x, Tensor) else x for x in picked]
        finally:
            ctx._node = None
            for number in reversed(entered):
                _core.leave_vmap(number)

    def _gradient(self, gradient: Tensor | None, like: tuple[Any, ...] | None, depth: int) -> Tensor | None:
        if gradient is None and self._ctx._zeros and like is not None:
            shape, dtype, device = like
            gradient = _core.apply("full", [], [shape, 0.0, 0, dtype, 0.0], device)
        return gradient if gradient is None else _core.with_levels(gradient, depth)


def _spread(x: Tensor) -> Tensor:
    """The same tensor as a whole batch in every vmap that this thread is inside of."""
    return _core.with_levels(_core.without_levels(x, 0), 0)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a Function's backward as one whose ops have no derivatives: a second derivative raises, and is not wrong.

    Write it between @staticmethod and def. The backward runs with gradients off.

    >>> import flambeau as fl
    >>> class Double(fl.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     @fl.autograd.once_differentiable
    ...     def backward(ctx, gradient):
    ...         return gradient * 2
    >>> fl.grad(Double.apply)(fl.tensor(3.0))
    tensor(2.0)
    """

    @functools.wraps(backward)
    def once(ctx: Context, *gradients: Any) -> Any:
        with no_grad():
            found = backward(ctx, *gradients)
        if not _core.grad_enabled():
            return found
        live = [x for x in (*gradients, *ctx.saved_tensors) if isinstance(x, Tensor) and x.requires_grad]
        if not live:
            return found
        several = list(found) if isinstance(found, list | tuple) else [found]
        refused = [x if x is None else _Once.apply(ctx._name, x, *live) for x in several]
        return tuple(refused) if isinstance(found, list | tuple) else refused[0]

    return once


class _Once(Function):
    """A gradient that cannot be differentiated."""

    @staticmethod
    def forward(ctx: Context, name: str, x: Tensor, *live: Tensor) -> Tensor:
        ctx.function_name = name  # type: ignore[attr-defined]  # a context takes any attribute
        return _core.ops["copy"](x)

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Any:
        name = ctx.function_name  # type: ignore[attr-defined]  # set in forward
        raise RuntimeError(f"backward of {name}: it is marked once_differentiable and its gradient is being "
                           "differentiated; write its backward with flambeau's ops and take the mark away")
