"""Products with Jacobians, and Jacobians and Hessians as a whole."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

from flambeau.arguments import explained

from .. import _core
from .._core import Tensor
from . import trees
from .batching import vmap
from .transforms import ArgNums, Entered, check_function, gradients, zeros_like


def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(function(*primals), pullback): pullback(cotangent) gives a tuple with the gradient for each of the primals.

    A cotangent has the structure of the output; it weights the output's elements. The pullback may be called many
    times, inside vmap too. has_aux: function gives (output, anything), and vjp gives (output, pullback, anything).

    >>> import flambeau as fl
    >>> y, pullback = fl.vjp(lambda x: x * x, fl.tensor([1.0, 2.0]))
    >>> pullback(fl.tensor([1.0, 10.0]))
    (tensor([2.0, 40.0]),)
    """
    levels = _core.vmap_depth()
    with Entered("vjp", primals, tuple(range(len(primals)))) as entered:
        result = function(*entered.args)
        output, aux = (result[0], result[1:]) if has_aux else (result, ())
        outs = _outputs("vjp", output)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        starts = _matching("vjp: the cotangent", cotangent, outs, "the output")
        found = gradients(outs, starts, entered.leaves, retain_graph=True, create_graph=_create(outs, starts, entered),
                          levels=levels)
        return entered.structured(found)

    return (_given(output, entered), pullback, *aux)


def jvp(
    function: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...], *, has_aux: bool = False
) -> tuple[Any, ...]:
    """(function(*primals), how fast it changes when the primals change by the tangents).

    Tangents have the structure of the primals. Computed as the gradient of the pullback, which is linear in its
    cotangent (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).

    >>> import flambeau as fl
    >>> fl.jvp(lambda x: x * x, (fl.tensor([1.0, 2.0]),), (fl.tensor([1.0, 10.0]),))
    (tensor([1.0, 4.0]), tensor([2.0, 40.0]))
    """
    output, push, *aux = _linearized("jvp", function, primals, has_aux=has_aux)
    return (output, push(tangents), *aux)


@explained
def jacobian(
    function: Callable[..., Any],
    argnums: ArgNums = 0,
    *,
    has_aux: bool = False,
    mode: Literal["reverse", "forward"] = "reverse",
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that gives every derivative of every output: shape output.shape + argument.shape.

    The structure of the output, and in each of its places that of the arguments. "reverse" takes a pullback for each
    element of the output, "forward" a jvp for each element of the arguments; all at once in a vmap, or chunk_size
    at a time to save memory.

    >>> import flambeau as fl
    >>> fl.jacobian(lambda x: x * x)(fl.tensor([1.0, 2.0]))
    tensor([[2.0, 0.0],
            [0.0, 4.0]])
    """
    if mode not in ("reverse", "forward"):
        raise ValueError(f"jacobian: mode is {mode!r}; it is 'reverse' or 'forward'")
    check_function("jacobian", function)

    @functools.wraps(function)
    def whole(*args: Any, **kwargs: Any) -> Any:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for n in numbers:
            if not -len(args) <= n < len(args):
                raise IndexError(f"jacobian: argument {n} is asked for and {len(args)} were given")
        chosen = tuple(args[n] for n in numbers)

        def of_chosen(*given: Any) -> Any:
            inside = list(args)
            for n, value in zip(numbers, given, strict=True):
                inside[n] = value
            return function(*inside, **kwargs)

        rows = _by_rows if mode == "reverse" else _by_columns
        output, table, aux = rows(of_chosen, chosen, has_aux, chunk_size)
        each = iter(table)

        def in_structure(_: Tensor) -> Any:
            parts = iter(next(each))
            found = tuple(trees.rebuild(tree, parts) for tree in chosen)
            return found[0] if isinstance(argnums, int) else found

        result = trees.map_tensors(in_structure, output)
        return (result, *aux) if has_aux else result

    return whole


@explained
def hessian(
    function: Callable[..., Any], argnums: ArgNums = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """The function that gives every second derivative: shape output.shape + argument.shape + argument.shape.

    >>> import flambeau as fl
    >>> fl.hessian(lambda x: (x**3).sum())(fl.tensor([1.0, 2.0]))
    tensor([[ 6.0,  0.0],
            [ 0.0, 12.0]])
    """
    first = jacobian(function, argnums, has_aux=has_aux, chunk_size=chunk_size)
    return jacobian(first, argnums, has_aux=has_aux, chunk_size=chunk_size)


def _by_rows(
    function: Callable[..., Any], args: tuple[Any, ...], has_aux: bool, chunk: int | None
) -> tuple[Any, list[list[Tensor]], tuple[Any, ...]]:
    """A pullback for each element of each output."""
    levels = _core.vmap_depth()
    with Entered("jacobian", args, tuple(range(len(args)))) as entered:
        result = function(*entered.args)
        output, aux = (result[0], result[1:]) if has_aux else (result, ())
        outs = _outputs("jacobian", output)
    table = []
    for out in outs:

        def pulled(cotangent: Tensor, out: Tensor = out) -> list[Tensor]:
            return gradients([out], [cotangent], entered.leaves, retain_graph=True, levels=levels,
                             create_graph=_create([out], [cotangent], entered))

        rows = _over_basis(pulled, out, entered.leaves, chunk)
        table.append([_shaped(part, out.shape + x.shape) for part, x in zip(rows, entered.leaves, strict=True)])
    return _given(output, entered), table, aux


def _by_columns(
    function: Callable[..., Any], args: tuple[Any, ...], has_aux: bool, chunk: int | None
) -> tuple[Any, list[list[Tensor]], tuple[Any, ...]]:
    """A jvp for each element of each argument."""
    output, push, *aux = _linearized("jacobian", function, args, has_aux=has_aux)
    given = [x for tree in args for x in trees.leaves(tree, "jacobian")]
    outs = _outputs("jacobian", output)
    table: list[list[Tensor]] = [[] for _ in outs]
    for i, x in enumerate(given):

        def pushed(tangent: Tensor, i: int = i) -> list[Tensor]:
            tangents = iter([tangent if k == i else zeros_like(other) for k, other in enumerate(given)])
            return _outputs("jacobian", push(tuple(trees.rebuild(tree, tangents) for tree in args)))

        for place, part, out in zip(table, _over_basis(pushed, x, outs, chunk), outs, strict=True):
            order = (*range(1, part.ndim), 0)
            place.append(_shaped(_core.ops["permute_dims"](part, order), out.shape + x.shape))
    return output, table, tuple(aux)


def _over_basis(
    function: Callable[[Tensor], list[Tensor]], at: Tensor, results: list[Tensor], chunk: int | None
) -> list[Tensor]:
    """function(unit) for every unit tensor of at's shape, along a new first axis."""
    count = math.prod(at.shape)
    if count == 0:
        return [_core.apply("full", [], [(0, *x.shape), 0.0, 0, x.dtype, 0.0], x.device) for x in results]
    if count == 1:
        one = _core.apply("full", [], [at.shape, 1.0, 0, at.dtype, 0.0], at.device)
        return [_core.ops["expand_dims"](part, 0) for part in function(one)]
    # eye(count), from rows: a pattern that any device has kernels for.
    numbers = _core.apply("arange", [], [0.0, 1.0, count, _core.int64], at.device)
    units = _core.ops["cast"](numbers == _core.ops["reshape"](numbers, (count, 1)), at.dtype)
    basis = _core.ops["reshape"](units, (count, *at.shape))
    return list(vmap(function, randomness="same", chunk_size=chunk)(basis))


def _linearized(
    op: str, function: Callable[..., Any], primals: tuple[Any, ...], *, has_aux: bool
) -> tuple[Any, ...]:
    """(output, push), push(tangents) being the output's tangent."""
    levels = _core.vmap_depth()
    with Entered(op, primals, tuple(range(len(primals)))) as entered:
        result = function(*entered.args)
        output, aux = (result[0], result[1:]) if has_aux else (result, ())
        outs = _outputs(op, output)
        # Of the pullback at any cotangent: it is linear there, so zeros do.
        weights = [_leaf_like(out) for out in outs]
        pulled = gradients(outs, list(weights), entered.leaves, retain_graph=True, create_graph=True, levels=levels)
        _core.close_leaves(weights)
    live = [i for i, x in enumerate(pulled) if x.requires_grad]

    def push(tangents: tuple[Any, ...]) -> Any:
        given = _matching(f"{op}: the tangents", tuple(tangents), entered.leaves, "the primals")
        sources, starts = [pulled[i] for i in live], [given[i] for i in live]
        create: bool | None = False
        if _core.grad_enabled() and live:
            asked = [*weights, *entered.leaves]
            create = any(t.requires_grad for t in starts if t is not None) or _core.depends_on_others(
                sources, asked, levels
            )
        found = gradients(sources, starts, weights, retain_graph=True, create_graph=create, levels=levels)
        each = iter(found)
        return trees.map_tensors(lambda _: next(each), output)

    return (_given(output, entered), push, *aux)


def _leaf_like(out: Tensor) -> Tensor:
    """Zeros of its own for every element of the batches that this thread is inside of, as a leaf."""
    whole = _core.without_levels(out, 0)
    return _core.with_levels(zeros_like(whole).requires_grad_(), 0)


def _create(outs: list[Tensor], starts: list[Tensor | None], entered: Entered) -> bool | None:
    """Whether gradients can be asked to be differentiated: by a cotangent, or by what surrounds the function."""
    if not _core.grad_enabled():
        return False
    if any(start is not None and start.requires_grad for start in starts):
        return True
    return None if entered.outer else False


def _given(output: Any, entered: Entered) -> Any:
    """The output as the caller sees it: on the tape only if it depends on something outside."""
    return trees.map_tensors(
        lambda x: x if entered.outer and entered.has_others(x) else x.detach(), output
    )


def _outputs(op: str, output: Any) -> list[Tensor]:
    try:
        return trees.leaves(output, op)
    except TypeError:
        raise TypeError(
            f"{op}: the function gave {type(output).__name__} and must give tensors, or lists, tuples and dicts of them"
        ) from None


def _matching(what: str, tree: Any, wanted: list[Tensor], place: str) -> list[Tensor | None]:
    given = trees.leaves(tree, what)
    if len(given) != len(wanted):
        raise ValueError(f"{what}: {len(given)} tensors for the {len(wanted)} of {place}; structures must be the same")
    for i, (x, like) in enumerate(zip(given, wanted, strict=True)):
        if x.shape != like.shape:
            raise _core.ShapeError(f"{what}: tensor {i} has shape {x.shape} and must have {like.shape}, as in {place}")
    return [x if x.dtype == like.dtype else x.astype(like.dtype) for x, like in zip(given, wanted, strict=True)]


def _shaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x if x.shape == shape else _core.ops["reshape"](x, shape)
