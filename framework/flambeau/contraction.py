"""Products over named axes: einsum, most of it through matmul, outer and Kronecker products."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from . import _core
from ._core import Tensor

__all__ = ["einsum", "kron", "outer"]

_op = _core.ops


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Every element of one vector times every element of another: (n), (m) -> (n, m)."""
    if x1.ndim != 1 or x2.ndim != 1:
        raise _core.ShapeError(f"outer: x1 is {x1.shape} and x2 is {x2.shape}: both must have one dimension")
    return x1.reshape(-1, 1) * x2


def kron(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The Kronecker product: x2 in place of every element of x1, times it. The one with fewer axes gets 1s in front.

    >>> import flambeau as fl
    >>> fl.kron(fl.tensor([1, 10]), fl.tensor([1, 2]))
    tensor([1, 2, 10, 20])
    """
    ndim = max(x1.ndim, x2.ndim)
    a, b = (x.reshape((1,) * (ndim - x.ndim) + tuple(x.shape)) for x in (x1, x2))
    coarse, fine = [n for size in a.shape for n in (size, 1)], [n for size in b.shape for n in (1, size)]
    spread = a.reshape(coarse) * b.reshape(fine)
    return spread.reshape([m * n for m, n in zip(a.shape, b.shape, strict=True)])


def einsum(equation: str, /, *operands: Tensor) -> Tensor:
    """Products of tensors whose axes have letters, summed over the letters that the result does not have.

    Letters: a to z, A to Z; ... stands for axes that broadcast; without -> the result has the letters that come once,
    in alphabetic order. A letter twice in one operand is its diagonal. The pair whose product costs least is multiplied
    first, and so on; products go through matmul. Where it would multiply column by column (`ij,ij->j`) they are made
    element by element and summed, which takes memory for them.

    >>> import flambeau as fl
    >>> fl.einsum("ij,j->i", fl.tensor([[1.0, 2.0], [3.0, 4.0]]), fl.tensor([1.0, 10.0]))
    tensor([21.0, 43.0])
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum: the equation is {type(equation).__name__} and comes first, a text as 'ij,jk->ik'")
    inputs, output = _read(equation, tuple(x.shape for x in operands))
    named = [_diagonals(_Named(x, names), equation) for x, names in zip(operands, inputs, strict=True)]
    _check_sizes(named, equation)
    while len(named) > 1:
        i, j = _cheapest_pair(named, output)
        wanted = set(output).union(*(x.names for k, x in enumerate(named) if k not in (i, j)))
        product = _Named(*_contract(named[i], named[j], wanted))
        named = [x for k, x in enumerate(named) if k not in (i, j)] + [product]
    x, names = _summed(named[0], set(output))
    return _arranged(x, names, output)


Name = int | str


class _Named:
    """A tensor with a name for each axis."""

    def __init__(self, x: Tensor, names: Sequence[Name]) -> None:
        self.x, self.names = x, list(names)

    def size(self, name: Name) -> int:
        return self.x.shape[self.names.index(name)] if name in self.names else 1


@functools.lru_cache(256)
def _read(equation: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[Sequence[Sequence[Name]], Sequence[Name]]:
    """The names of each operand's axes and of the result's; axes of ... are numbers, counted from the right."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"einsum: '{equation}' names {len(terms)} operands, but {len(shapes)} were given")
    inputs: list[list[Name]] = []
    broadcast = 0
    for term, shape in zip(terms, shapes, strict=True):
        before, dots, after = term.partition("...")
        for letter in before + after:
            if not (letter.isascii() and letter.isalpha()):
                raise ValueError(f"einsum: '{letter}' in '{equation}' is no letter")
        extra = len(shape) - len(before + after)
        if extra < 0 or (extra > 0 and not dots):
            raise _core.ShapeError(f"einsum: '{term}' in '{equation}' does not fit an operand of shape {shape}")
        inputs.append([*before, *range(-extra, 0), *after])
        broadcast = max(broadcast, extra)
    spread: list[Name] = list(range(-broadcast, 0))
    if not arrow:
        letters = "".join(terms)
        return inputs, [*spread, *sorted(c for c in set(letters) - {"."} if letters.count(c) == 1)]
    before, dots, after = right.partition("...")
    unknown = set(before + after) - set(left)
    if unknown or len(set(before + after)) != len(before + after):
        raise ValueError(f"einsum: the result of '{equation}' may have each of the operands' letters once")
    if broadcast and not dots:
        raise ValueError(f"einsum: operands of '{equation}' have axes for ..., and the result needs ... too")
    return inputs, [*before, *spread, *after]


def _diagonals(named: _Named, equation: str) -> _Named:
    """Letters that come twice are taken along the diagonal."""
    x, names = named.x, named.names
    for name in {n for n in names if names.count(n) > 1}:
        while names.count(name) > 1:
            i = names.index(name)
            j = names.index(name, i + 1)
            if x.shape[i] != x.shape[j]:
                raise _core.ShapeError(f"einsum: '{name}' in '{equation}' is both {x.shape[i]} and {x.shape[j]} long")
            places = _core.apply("arange", [], [0.0, 1.0, x.shape[i], _core.int64], x.device)
            order = [i, j, *(k for k in range(x.ndim) if k not in (i, j))]
            x = _op["permute_dims"](x, order)[places, places]
            names = [name, *(n for k, n in enumerate(names) if k not in (i, j))]
    return _Named(x, names)


def _check_sizes(named: Sequence[_Named], equation: str) -> None:
    sizes: dict[Name, int] = {}
    for one in named:
        for name, size in zip(one.names, one.x.shape, strict=True):
            known = sizes.setdefault(name, size)
            if known == 1:
                sizes[name] = size
            elif size not in (1, known):
                raise _core.ShapeError(f"einsum: '{name}' in '{equation}' is both {known} and {size} long")


def _cheapest_pair(named: Sequence[_Named], output: Sequence[Name]) -> tuple[int, int]:
    """The two whose product takes the fewest multiplications; of equal ones those with the smaller result."""
    if len(named) == 2:
        return 0, 1

    def cost(i: int, j: int) -> tuple[int, int]:
        a, b = named[i], named[j]
        sizes = {name: max(a.size(name), b.size(name)) for name in {*a.names, *b.names}}
        others = set(output).union(*(x.names for k, x in enumerate(named) if k not in (i, j)))
        return math.prod(sizes.values()), math.prod(size for name, size in sizes.items() if name in others)

    pairs = [(i, j) for j in range(len(named)) for i in range(j)]
    return min(pairs, key=lambda pair: cost(*pair))


def _summed(named: _Named, wanted: set[Name]) -> tuple[Tensor, list[Name]]:
    """Summed over the axes that nobody wants."""
    axes = tuple(i for i, name in enumerate(named.names) if name not in wanted)
    if not axes:
        return named.x, named.names
    dtype = named.x.dtype
    return _op["sum"](named.x, axes, False, dtype), [n for n in named.names if n in wanted]


def _contract(a: _Named, b: _Named, wanted: set[Name]) -> tuple[Tensor, list[Name]]:
    """The product of two, summed over what is not wanted: one batched matmul, or one sum of products of elements."""
    a = _Named(*_summed(a, wanted | set(b.names)))
    b = _Named(*_summed(b, wanted | set(a.names)))
    shared = [n for n in a.names if n in b.names]
    # An axis that is 1 long in one of them is repeated, so no matmul can sum over it.
    odd = [n for n in shared if n not in wanted and a.size(n) != b.size(n)]
    if odd:
        a, b = (_Named(*_widened(one, odd, other)) for one, other in ((a, b), (b, a)))
    batch = [n for n in shared if n in wanted]
    inner = [n for n in shared if n not in wanted]
    left, right = ([n for n in one.names if n not in shared] for one in (a, b))
    if inner and not (left or right or odd) and _is_better_summed(a, b, inner):
        return _summed(_Named(a.x * _arranged(b.x, b.names, a.names), a.names), set(batch))
    x = _arranged(a.x, a.names, [*batch, *left, *inner])
    y = _arranged(b.x, b.names, [*batch, *inner, *right])
    rows, columns, depth = (math.prod(one.size(n) for n in names) for one, names in ((a, left), (b, right), (a, inner)))
    if not inner:  # nothing is summed: a product of elements
        x = x.reshape([*x.shape, *([1] * len(right))])
        y = y.reshape([*y.shape[: len(batch)], *([1] * len(left)), *y.shape[len(batch) :]])
        return x * y, [*batch, *left, *right]
    batch_x, batch_y = x.shape[: len(batch)], y.shape[: len(batch)]
    product = _op["matmul"](x.reshape([*batch_x, rows, depth]), y.reshape([*batch_y, depth, columns]))
    sizes = [a.size(n) for n in left] + [b.size(n) for n in right]
    return product.reshape([*product.shape[:-2], *sizes]), [*batch, *left, *right]


def _is_better_summed(a: _Named, b: _Named, inner: Sequence[Name]) -> bool:
    """Whether products of elements, summed, beat a matmul that would multiply one vector by another many times over.

    They do where the elements of such a vector lie far apart in either, and are made if they take no more room than the
    larger operand. matmul adds up products of halves in float32, and is what autocast lowers: those stay with it.
    """
    if _core.autocast_enabled() or _core.promote(a.x.dtype, b.x.dtype) in (_core.float16, _core.bfloat16):
        return False
    sizes = [max(a.size(name), b.size(name)) for name in a.names]
    return math.prod(sizes) == max(a.x.size, b.x.size) and any(_nearest(one) not in inner for one in (a, b))


def _nearest(one: _Named) -> Name | None:
    """The axis along which elements lie next to each other; None for a single element."""
    steps = [(abs(step), name) for step, name in zip(one.x.strides, one.names, strict=True) if one.size(name) > 1]
    return min(steps, key=lambda step: step[0])[1] if steps else None


def _widened(one: _Named, names: Sequence[Name], other: _Named) -> tuple[Tensor, list[Name]]:
    shape = [other.size(n) if n in names and s == 1 else s for n, s in zip(one.names, one.x.shape, strict=True)]
    return _op["broadcast_to"](one.x, shape), one.names


def _arranged(x: Tensor, names: Sequence[Name], wanted: Sequence[Name]) -> Tensor:
    order = [list(names).index(n) for n in wanted]
    return x if order == list(range(x.ndim)) else _op["permute_dims"](x, order)
