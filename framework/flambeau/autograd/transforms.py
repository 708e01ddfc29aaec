"""Gradients as functions of functions."""

from __future__ import annotations

import contextlib
import functools
from _thread import _local  # threading.local without the import of threading

from .. import _core
from .._core import Tensor
from . import trees
from .modes import enable_grad

TYPE_CHECKING = False  # typing takes some milliseconds of the import and is for checkers alone
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ArgNums = int | tuple[int, ...]


def check_function(op: str, function: object) -> None:
    """Raise TypeError for a tensor, which PyTorch's autograd.grad takes, and for all else that cannot be called."""
    if isinstance(function, Tensor):
        raise TypeError(f"{op}: a function is differentiated, not a tensor: fl.{op}(f)(x), or y.backward(inputs=[x])")
    if not callable(function):
        raise TypeError(f"{op}: a function is differentiated, not {type(function).__name__}")


class _Depth(_local):
    """How many transforms this thread is inside of: a context that counts one more."""

    value = 0

    def __enter__(self) -> None:
        self.value += 1

    def __exit__(self, *error: object) -> None:
        self.value -= 1


_depth = _Depth()


def grad(function: Callable[..., Any], argnums: ArgNums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """The function that gives the gradient of `function`, which gives one number.

    Arguments may be tensors, lists, tuples and dicts of tensors, and modules; gradients have the same structure, and
    a module's is a dict from the names of its parameters. argnums says with regard to which arguments (0 the first;
    a tuple gives a tuple of gradients). has_aux: function gives (number, anything), and the gradient function gives
    (gradient, anything). It nests, and it can be differentiated itself.

    Raises: ShapeError if the function gives more than one number, DTypeError for arguments that are not floats.

    >>> import flambeau as fl
    >>> fl.grad(lambda x: (x**3).sum())(fl.tensor([1.0, 2.0]))
    tensor([3.0, 12.0])
    >>> fl.grad(fl.grad(lambda x: x**3))(fl.tensor(2.0))
    tensor(12.0)
    """
    check_function("grad", function)
    both = value_and_grad(function, argnums, has_aux=has_aux)

    @functools.wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def value_and_grad(function: Callable[..., Any], argnums: ArgNums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """The function that gives (value, gradient) of `function`; see grad. With has_aux: ((value, anything), gradient).

    >>> import flambeau as fl
    >>> fl.value_and_grad(lambda x: (x * x).sum())(fl.tensor([3.0]))
    (tensor(9.0), tensor([6.0]))

    With regard to a module's parameters:

    >>> layer = fl.nn.Linear(2, 1, bias=False)
    >>> value, gradient = fl.value_and_grad(lambda layer, x: layer(x).sum())(layer, fl.tensor([1.0, 2.0]))
    >>> gradient["weight"]
    tensor([[1.0, 2.0]])
    """
    check_function("value_and_grad", function)

    @functools.wraps(function)
    def both(*args: Any, **kwargs: Any) -> Any:
        with Entered("grad", args, argnums) as entered:
            result = function(*entered.args, **kwargs)
            value = _number(result[0] if has_aux else result)
            # Kept differentiable only if somebody could ask.
            found = gradients([value], [None], entered.leaves, create_graph=None if entered.outer else False)
            given = value if entered.outer and entered.has_others(value) else value.detach()
        return ((given, result[1]) if has_aux else given), entered.structured(found)

    return both


def gradients(
    outputs: list[Tensor],
    starts: list[Tensor | None],
    inputs: list[Tensor],
    *,
    retain_graph: bool = False,
    create_graph: bool | None,
    levels: int | None = None,
) -> list[Tensor]:
    """The gradients of the outputs' sum, weighted by starts; zeros where they do not depend on an input."""
    pairs = [(out, start) for out, start in zip(outputs, starts, strict=True) if out.requires_grad]
    found: list[Tensor | None] = [None] * len(inputs)
    if pairs and inputs:
        found = _core.gradients(
            [out for out, _ in pairs], [start for _, start in pairs], inputs, retain_graph, create_graph,
            _core.vmap_depth() if levels is None else levels,
        )  # fmt: skip
    return [zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]


def zeros_like(x: Tensor) -> Tensor:
    """Zeros of its shape, dtype and device, apart from any tape."""
    return _core.apply("full", [], [x.shape, 0.0, 0, x.dtype, 0.0], x.device)


class Entered:
    """The arguments as the function sees them: on a tape of its own, or linked to the one outside.

    A context, in which gradients are on and modules have the entered parameters.
    """

    def __init__(self, op: str, args: tuple[Any, ...], argnums: ArgNums) -> None:
        if _core.inference_enabled():
            raise RuntimeError(f"{op}: inside fl.inference() there are no gradients; leave it, or use fl.no_grad()")
        self._single = isinstance(argnums, int)
        self._trees = []
        numbers: tuple[int, ...] = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for n in numbers:
            if not -len(args) <= n < len(args):
                raise IndexError(f"{op}: argument {n} is asked for and {len(args)} were given")
            self._trees.append(args[n])
        self.outer = _core.grad_enabled()
        self.leaves: list[Tensor] = []
        self._swaps: list[tuple[Tensor, Tensor]] = []
        self._stack = contextlib.ExitStack()
        inside = list(args)
        with enable_grad():
            for n in numbers:
                inside[n] = self._entered(op, args[n])
        self.args = tuple(inside)

    def _entered(self, op: str, tree: Any) -> Any:
        if isinstance(tree, Tensor):
            entered = _enter(op, tree, linked=self.outer)
            self.leaves.append(entered)
            return entered
        if trees.is_module(tree):
            # A model being trained is always a leaf: what is found is kept differentiable inside other transforms only.
            for _, parameter in trees.learned(tree):
                entered = _enter(op, parameter, linked=self.outer and _depth.value > 0)
                self.leaves.append(entered)
                self._swaps.append((parameter, entered))
            return tree
        if isinstance(tree, dict):
            return {key: self._entered(op, part) for key, part in tree.items()}
        if isinstance(tree, list | tuple):
            return trees.like(tree, [self._entered(op, part) for part in tree])
        trees.leaves(tree, op)  # raises
        return tree

    def __enter__(self) -> Entered:
        self._stack.enter_context(enable_grad())
        self._stack.enter_context(_depth)
        self._stack.enter_context(trees.swapped(self._swaps))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        # From here on nobody asks for the gradients of leaves made here, but what the caller keeps for that purpose.
        _core.close_leaves(self.leaves)

    def structured(self, found: list[Tensor]) -> Any:
        """Results for each leaf, in the structure of the arguments."""
        each = iter(found)
        parts = tuple(trees.rebuild(tree, each) for tree in self._trees)
        return parts[0] if self._single else parts

    def has_others(self, value: Tensor) -> bool:
        """Whether the value depends on tensors from outside."""
        return value.requires_grad and _core.depends_on_others([value], self.leaves, _core.vmap_depth())


def _enter(op: str, x: Tensor, *, linked: bool) -> Tensor:
    if not x.dtype.is_float:
        raise _core.DTypeError(f"{op}: an argument is {x.dtype} and only floats have gradients; cast it")
    depth = _core.vmap_depth()
    if depth:
        # The tape sees the whole batch; what is the same for all of its elements is one tensor each from here on.
        x = _core.without_levels(x, 0)
    x = _core.ops["reshape"](x, x.shape) if linked and x.requires_grad else x.detach().requires_grad_()
    return _core.with_levels(x, 0) if depth else x


def _number(value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"grad: the function gave {type(value).__name__} and must give a tensor of one element")
    if value.size != 1:
        raise _core.ShapeError(f"grad: the function gave shape {value.shape} and must give one number; sum it")
    return value
