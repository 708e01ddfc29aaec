"""Cases of the standard's functions of creation, data types and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.framework.standard_cases import (
    BOOL,
    COMPLEX,
    EVERY,
    FILLED,
    INEXACT,
    INTEGERS,
    LINES,
    MATRICES,
    NUMERIC,
    OFFSETS,
    REAL,
    SHAPES,
    SIGNED,
    Array,
    Case,
    Run,
    axes_of,
    axis_of,
    call,
    drawn,
    one,
)

# ---- creation ----


def dtype_of(draw: st.DrawFn, dtypes: tuple[str, ...] = EVERY) -> str:
    return draw(st.sampled_from(dtypes))


def filled(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        shape, dtype = draw(SHAPES), dtype_of(draw)
        values = () if name != "full" else (draw(st.booleans()),)
        return lambda xp, make: call(name, xp)(shape, *values, dtype=getattr(xp, dtype))

    return case


def filled_like(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, EVERY)
        values = () if name != "full_like" else (True,)
        given = draw(st.none() | st.sampled_from(EVERY))
        return lambda xp, make: call(name, xp)(make(x), *values, dtype=given and getattr(xp, given))

    return case


def shape_and_dtype(name: str, *, like: bool) -> Case:
    """Of empty arrays the values say nothing."""
    inner = (filled_like if like else filled)(name)

    def case(draw: st.DrawFn) -> Run:
        run = inner(draw)

        def told(xp: Any, make: Any) -> Any:
            x = run(xp, make)
            return x.shape, str(x.dtype).rpartition(".")[2]

        return told

    return case


def arange(draw: st.DrawFn) -> Run:
    start, stop = draw(st.integers(-9, 9)), draw(st.integers(-9, 9))
    step, dtype = draw(st.sampled_from([-3, -1, 1, 2])), draw(st.sampled_from([None, "int64", "float32", "float64"]))
    return lambda xp, make: xp.arange(start, stop, step, dtype=xp.int64 if dtype is None else getattr(xp, dtype))


def linspace(draw: st.DrawFn) -> Run:
    start, stop = draw(st.integers(-9, 9)), draw(st.integers(-9, 9))
    count, endpoint = draw(st.integers(0, 6)), draw(st.booleans())
    dtype = draw(st.sampled_from(INEXACT))
    return lambda xp, make: xp.linspace(start, stop, count, endpoint=endpoint, dtype=getattr(xp, dtype))


def eye(draw: st.DrawFn) -> Run:
    rows, columns, k = draw(st.integers(0, 4)), draw(st.none() | st.integers(0, 4)), draw(st.integers(-5, 5))
    dtype = dtype_of(draw, NUMERIC)
    return lambda xp, make: xp.eye(rows, columns, k=k, dtype=getattr(xp, dtype))


def triangle(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x, k = drawn(draw, NUMERIC, MATRICES), draw(OFFSETS)
        return lambda xp, make: call(name, xp)(make(x), k=k)

    return case


def meshgrid(draw: st.DrawFn) -> Run:
    dtype = dtype_of(draw, NUMERIC)
    lines = [drawn(draw, (dtype,), st.tuples(st.integers(0, 3))) for _ in range(draw(st.integers(1, 3)))]
    indexing = draw(st.sampled_from(["xy", "ij"]))
    return lambda xp, make: xp.meshgrid(*map(make, lines), indexing=indexing)


CREATION: dict[str, Case] = {
    **{name: filled(name) for name in ("zeros", "ones", "full")},
    **{name: filled_like(name) for name in ("zeros_like", "ones_like", "full_like")},
    "empty": shape_and_dtype("empty", like=False),
    "empty_like": shape_and_dtype("empty_like", like=True),
    "asarray": lambda draw: (lambda x: lambda xp, make: xp.asarray(x.tolist(), dtype=getattr(xp, str(x.dtype))))(
        drawn(draw, EVERY)
    ),
    "from_dlpack": one("from_dlpack", EVERY),
    **{name: triangle(name) for name in ("tril", "triu")},
    "arange": arange,
    "linspace": linspace,
    "eye": eye,
    "meshgrid": meshgrid,
}

# ---- data types ----


def astype(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY)
    below = x.dtype.kind in "if" and x.size and x.min() < 0
    to = dtype_of(draw, COMPLEX if x.dtype.kind == "c" else SIGNED if below else EVERY)
    return lambda xp, make: xp.astype(make(x), getattr(xp, to))


def can_cast(draw: st.DrawFn) -> Run:
    kind = draw(st.sampled_from([BOOL, INTEGERS, INEXACT]))  # what lies between kinds the standard leaves open
    x, to = drawn(draw, kind), dtype_of(draw, kind)
    return lambda xp, make: xp.can_cast(make(x), getattr(xp, to))


def limits(name: str, dtypes: tuple[str, ...], *fields: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        dtype = dtype_of(draw, dtypes)
        return lambda xp, make: [float(getattr(call(name, xp)(getattr(xp, dtype)), field)) for field in fields]

    return case


_KINDS = ("bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric")


def isdtype(draw: st.DrawFn) -> Run:
    kind = st.sampled_from(_KINDS)
    dtype, kinds = dtype_of(draw), draw(kind | st.lists(kind, min_size=1).map(tuple))
    return lambda xp, make: xp.isdtype(getattr(xp, dtype), kinds)


def result_type(draw: st.DrawFn) -> Run:
    kind = draw(st.sampled_from([INTEGERS[:4], INTEGERS[4:], REAL, COMPLEX, (*REAL, *COMPLEX), BOOL]))
    x, second = drawn(draw, kind), dtype_of(draw, kind)
    return lambda xp, make: str(xp.result_type(make(x), getattr(xp, second))).rpartition(".")[2]


DTYPES: dict[str, Case] = {
    "astype": astype,
    "can_cast": can_cast,
    "finfo": limits("finfo", INEXACT, "bits", "eps", "max", "min", "smallest_normal"),
    "iinfo": limits("iinfo", INTEGERS, "bits", "max", "min"),
    "isdtype": isdtype,
    "result_type": result_type,
}

# ---- shapes ----


def several(name: str, *, none: bool) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, EVERY, LINES)
        y = drawn(draw, (str(x.dtype),), x.shape)
        axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1)) if none else axis_of(draw, x)
        return lambda xp, make: call(name, xp)([make(x), make(y), make(x)], axis=axis)

    return case


def along_one(name: str, shape: Any = LINES, **options: Any) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, EVERY, shape)
        axis = axis_of(draw, x)
        chosen = {key: draw(values) for key, values in options.items()}
        return lambda xp, make: call(name, xp)(make(x), *chosen.values(), axis=axis)

    return case


def broadcast_to(draw: st.DrawFn) -> Run:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
    x = drawn(draw, EVERY, shapes.input_shapes[0])
    return lambda xp, make: xp.broadcast_to(make(x), shapes.result_shape)


def broadcast_arrays(draw: st.DrawFn) -> Run:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3)).input_shapes
    parts = [drawn(draw, EVERY, shape) for shape in shapes]
    return lambda xp, make: xp.broadcast_arrays(*map(make, parts))


def broadcast_shapes(draw: st.DrawFn) -> Run:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3)).input_shapes
    return lambda xp, make: xp.broadcast_shapes(*shapes)


def expand_dims(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY)
    axis = draw(st.integers(-x.ndim - 1, x.ndim))
    return lambda xp, make: xp.expand_dims(make(x), axis=axis)


def squeeze(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=2))
    single = [axis for axis, size in enumerate(x.shape) if size == 1]
    axes = tuple(draw(st.lists(st.sampled_from(single), unique=True))) if single else ()
    return lambda xp, make: xp.squeeze(make(x), axis=axes)


def flip(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY)
    axes = axes_of(draw, x)
    return lambda xp, make: xp.flip(make(x), axis=axes)


def roll(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY)
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1)) if x.ndim else None
    shift = draw(st.integers(-9, 9))
    return lambda xp, make: xp.roll(make(x), shift, axis=axis)


def reshape(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY)
    shape = draw(st.sampled_from([(x.size,), (1, x.size), (-1,), (*x.shape, 1), (*x.shape[::-1],)]))
    return lambda xp, make: xp.reshape(make(x), shape)


def permute_dims(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY)
    axes = tuple(draw(st.permutations(range(x.ndim))))
    return lambda xp, make: xp.permute_dims(make(x), axes)


def moveaxis(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY, LINES)
    count = draw(st.integers(1, x.ndim))
    source, target = (tuple(draw(st.permutations(range(x.ndim)))[:count]) for _ in range(2))
    return lambda xp, make: xp.moveaxis(make(x), source, target)


def repeat(draw: st.DrawFn) -> Run:
    x = drawn(draw, EVERY, LINES)
    axis = axis_of(draw, x)
    each = draw(st.lists(st.integers(0, 3), min_size=x.shape[axis], max_size=x.shape[axis]))
    if draw(st.booleans()):
        return lambda xp, make: xp.repeat(make(x), 2, axis=draw_none(axis, x))
    return lambda xp, make: xp.repeat(make(x), make(np.array(each, "int64")), axis=axis)


def draw_none(axis: int, x: Array) -> int | None:
    """A line has one axis, so that it need not be said."""
    return None if x.ndim == 1 else axis


def tile(draw: st.DrawFn) -> Run:
    x, times = drawn(draw, EVERY), tuple(draw(st.lists(st.integers(0, 3), max_size=4)))
    return lambda xp, make: xp.tile(make(x), times)


SHAPED: dict[str, Case] = {
    "concat": several("concat", none=True),
    "stack": several("stack", none=False),
    "unstack": along_one("unstack", FILLED),
    "broadcast_to": broadcast_to,
    "broadcast_arrays": broadcast_arrays,
    "broadcast_shapes": broadcast_shapes,
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "flip": flip,
    "roll": roll,
    "reshape": reshape,
    "permute_dims": permute_dims,
    "moveaxis": moveaxis,
    "repeat": repeat,
    "tile": tile,
}
