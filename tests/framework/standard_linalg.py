"""Cases of the standard's linear algebra and Fourier transforms."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.framework.standard_cases import (
    COMPLEX,
    EVERY,
    FILLED,
    INEXACT,
    LINES,
    MATRICES,
    NUMERIC,
    OFFSETS,
    REAL,
    Array,
    Case,
    Run,
    axes_of,
    axis_of,
    call,
    drawn,
)

# ---- products and matrices ----


def matmul(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        m, k, n = (draw(st.integers(0, 3)) for _ in range(3))
        batch = draw(st.sampled_from([(), (2,), (1,)]))
        pairs = [((k,), (k,)), ((*batch, m, k), (k, n)), ((k,), (*batch, k, n)), ((2, m, k), (*batch, k, n))]
        first, second = draw(st.sampled_from(pairs))
        x = drawn(draw, NUMERIC, first)
        y = drawn(draw, (str(x.dtype),), second)
        return lambda xp, make: call(name, xp)(make(x), make(y))

    return case


def imatmul(draw: st.DrawFn) -> Run:
    m, n = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    x = drawn(draw, NUMERIC, (m, n))
    y = drawn(draw, (str(x.dtype),), (n, n))
    return lambda xp, make: operator.imatmul(make(x.copy()), make(y))


def vecdot(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, NUMERIC, LINES)
        y, axis = drawn(draw, (str(x.dtype),), x.shape), draw(st.integers(-x.ndim, -1))
        return lambda xp, make: call(name, xp)(make(x), make(y), axis=axis)

    return case


def tensordot(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        first, second, axes = draw(st.sampled_from([
            ((2,), (3,), 0), ((2, 3), (3, 4), 1), ((2, 3, 4), (3, 4, 5), 2), ((2, 3, 4), (4, 2, 5), ((0, 2), (1, 0))),
            ((0, 3), (3, 2), 1),
        ]))  # fmt: skip
        x = drawn(draw, NUMERIC, first)
        y = drawn(draw, (str(x.dtype),), second)
        return lambda xp, make: call(name, xp)(make(x), make(y), axes=axes)

    return case


def matrix(name: str, dtypes: tuple[str, ...] = INEXACT, shape: Any = MATRICES, **options: Any) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, dtypes, shape)
        chosen = {key: draw(values) for key, values in options.items()}
        return lambda xp, make: call(name, xp)(make(x), **chosen)

    return case


def square(draw: st.DrawFn, *, definite: bool = False) -> Array:
    """A matrix far from singular; its own adjoint and positive definite on demand."""
    n, batch = draw(st.integers(0, 4)), draw(st.sampled_from([(), (2,), (0,)]))
    x = drawn(draw, INEXACT, (*batch, n, n), low=-1, high=1)
    if definite:
        x = (x + np.conj(np.swapaxes(x, -1, -2))) / 2
    return (x + 8 * np.eye(n)).astype(x.dtype)


def of_square(name: str, *, definite: bool = False, **options: Any) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = square(draw, definite=definite)
        chosen = {key: draw(values) for key, values in options.items()}
        return lambda xp, make: call(name, xp)(make(x), **chosen)

    return case


def solve(draw: st.DrawFn) -> Run:
    a = square(draw)
    b = drawn(draw, (str(a.dtype),), draw(st.sampled_from([(a.shape[-1],), (*a.shape[:-1], 2)])))
    return lambda xp, make: xp.linalg.solve(make(a), make(b))


def matrix_power(draw: st.DrawFn) -> Run:
    a, n = square(draw), draw(st.integers(-2, 3))
    return lambda xp, make: xp.linalg.matrix_power(make(a), n)


def cross(draw: st.DrawFn) -> Run:
    x = drawn(draw, NUMERIC, draw(st.sampled_from([(3,), (2, 3), (0, 3)])))
    y = drawn(draw, (str(x.dtype),), x.shape)
    return lambda xp, make: xp.linalg.cross(make(x), make(y))


def outer(draw: st.DrawFn) -> Run:
    x = drawn(draw, NUMERIC, st.tuples(st.integers(0, 4)))
    y = drawn(draw, (str(x.dtype),), st.tuples(st.integers(0, 4)))
    return lambda xp, make: xp.linalg.outer(make(x), make(y))


def rebuilt(name: str, **options: Any) -> Case:
    """Factors are free up to the direction of vectors, so what they multiply to is compared, and what is not free."""

    def case(draw: st.DrawFn) -> Run:
        x = square(draw, definite=True) if "eig" in name else drawn(draw, INEXACT, MATRICES)
        chosen = {key: draw(values) for key, values in options.items()}

        def product(xp: Any, make: Any) -> Any:
            parts = call(name, xp)(make(x), **chosen)
            shapes = [part.shape for part in parts]
            if name == "linalg.qr":
                return [xp.matmul(parts[0], parts[1]), shapes, xp.abs(parts[1])]
            if name == "linalg.svd":
                k = parts[1].shape[-1]
                u = parts[0][..., :k] * xp.astype(parts[1][..., None, :], parts[0].dtype)
                return [xp.matmul(u, parts[2][..., :k, :]), parts[1], shapes]
            w, v = parts
            adjoint = xp.conj(xp.matrix_transpose(v))
            return [xp.sort(xp.real(w)), xp.matmul(v * xp.astype(w[..., None, :], v.dtype), adjoint)]

        return product

    return case


def eigvals(draw: st.DrawFn) -> Run:
    """Their sum, the sum of their squares and their product, for the order is free."""
    x = square(draw)

    def sums(xp: Any, make: Any) -> Any:
        w = xp.linalg.eigvals(make(x))
        return [xp.sum(w, axis=-1), xp.sum(w * w, axis=-1), xp.prod(w, axis=-1)]

    return sums


def vector_norm(draw: st.DrawFn) -> Run:
    x = drawn(draw, INEXACT, FILLED)
    axis, keepdims = axes_of(draw, x), draw(st.booleans())
    order = draw(st.sampled_from([0, 1, 2, 3, np.inf, -np.inf]))
    return lambda xp, make: xp.linalg.vector_norm(make(x), axis=axis, keepdims=keepdims, ord=order)


def matrix_norm(draw: st.DrawFn) -> Run:
    x = drawn(draw, INEXACT, hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=4))
    keepdims, order = draw(st.booleans()), draw(st.sampled_from(["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]))
    return lambda xp, make: xp.linalg.matrix_norm(make(x), keepdims=keepdims, ord=order)


LINEAR: dict[str, Case] = {
    **{f"{place}matmul": matmul(f"{place}matmul") for place in ("", "linalg.", "operator.")},
    "operator.imatmul": imatmul,
    **{f"{place}vecdot": vecdot(f"{place}vecdot") for place in ("", "linalg.")},
    **{f"{place}tensordot": tensordot(f"{place}tensordot") for place in ("", "linalg.")},
    **{f"{place}matrix_transpose": matrix(f"{place}matrix_transpose", EVERY) for place in ("", "linalg.")},
    "linalg.cholesky": of_square("linalg.cholesky", definite=True, upper=st.booleans()),
    **{f"linalg.{name}": of_square(f"linalg.{name}") for name in ("det", "inv", "slogdet")},
    "linalg.matrix_rank": matrix("linalg.matrix_rank", INEXACT, hnp.array_shapes(min_dims=2, max_dims=3, min_side=1)),
    "linalg.eigvalsh": of_square("linalg.eigvalsh", definite=True),
    **{f"linalg.{name}": rebuilt(f"linalg.{name}") for name in ("eig", "eigh")},
    "linalg.qr": rebuilt("linalg.qr", mode=st.sampled_from(["reduced", "complete"])),
    "linalg.svd": rebuilt("linalg.svd", full_matrices=st.booleans()),
    "linalg.eigvals": eigvals,
    "linalg.svdvals": matrix("linalg.svdvals"),
    "linalg.pinv": of_square("linalg.pinv"),
    "linalg.solve": solve,
    "linalg.matrix_power": matrix_power,
    "linalg.cross": cross,
    "linalg.outer": outer,
    "linalg.diagonal": matrix("linalg.diagonal", EVERY, offset=OFFSETS),
    "linalg.trace": matrix("linalg.trace", NUMERIC, offset=OFFSETS),
    "linalg.vector_norm": vector_norm,
    "linalg.matrix_norm": matrix_norm,
}

# ---- Fourier transforms ----

NORMS = st.sampled_from(["backward", "ortho", "forward"])


def transform(name: str, dtypes: tuple[str, ...]) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, dtypes, hnp.array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=6))
        axis, n, norm = axis_of(draw, x), draw(st.none() | st.integers(2, 7)), draw(NORMS)
        return lambda xp, make: call(name, xp)(make(x), n=n, axis=axis, norm=norm)

    return case


def transforms(name: str, dtypes: tuple[str, ...]) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, dtypes, hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=5))
        axes = tuple(draw(st.permutations(range(x.ndim)))[: draw(st.integers(1, x.ndim))])
        s, norm = draw(st.none() | st.just(tuple(range(2, 2 + len(axes))))), draw(NORMS)
        return lambda xp, make: call(name, xp)(make(x), s=s, axes=axes, norm=norm)

    return case


def frequencies(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        n, d = draw(st.integers(1, 9)), draw(st.sampled_from([0.5, 1.0, 3.0]))
        return lambda xp, make: call(name, xp)(n, d=d, dtype=xp.float64)

    return case


def shifted(name: str) -> Case:
    def case(draw: st.DrawFn) -> Run:
        x = drawn(draw, INEXACT, LINES)
        axes = axes_of(draw, x)
        return lambda xp, make: call(name, xp)(make(x), axes=axes)

    return case


FOURIER: dict[str, Case] = {
    **{f"fft.{name}": transform(f"fft.{name}", COMPLEX) for name in ("fft", "ifft", "irfft", "hfft")},
    **{f"fft.{name}": transform(f"fft.{name}", REAL) for name in ("rfft", "ihfft")},
    **{f"fft.{name}": transforms(f"fft.{name}", COMPLEX) for name in ("fftn", "ifftn", "irfftn")},
    "fft.rfftn": transforms("fft.rfftn", REAL),
    **{f"fft.{name}": frequencies(f"fft.{name}") for name in ("fftfreq", "rfftfreq")},
    **{f"fft.{name}": shifted(f"fft.{name}") for name in ("fftshift", "ifftshift")},
}
