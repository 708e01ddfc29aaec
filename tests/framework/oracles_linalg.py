"""What NumPy says of linear algebra and Fourier transforms: see oracles.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Attrs = tuple[Any, ...]


def _turns(v: Array) -> Array:
    """What makes the first nearly largest element of each column positive."""
    size = np.abs(v)
    first = np.argmax(size >= 0.999 * size.max(axis=-2, keepdims=True, initial=0), axis=-2)
    there = np.take_along_axis(v, first[..., None, :], axis=-2)
    return np.asarray(np.conj(there) / np.abs(there))


def _eigh(x: list[Array], attrs: Attrs) -> list[Array]:
    if not x[0].size:
        return [np.abs(x[0].sum(axis=-1)), x[0]]
    w, v = np.linalg.eigh(x[0])
    return [w, v * _turns(v)]


def _eig(x: list[Array], attrs: Attrs) -> list[Array]:
    kind = np.result_type(x[0], np.complex64)
    if not x[0].size:
        return [x[0].sum(axis=-1).astype(kind), x[0].astype(kind)]
    w, v = np.linalg.eig(x[0].astype(np.complex128))
    order = np.lexsort((-w.imag, np.round(w.real, 6)), axis=-1)
    v = np.take_along_axis(v, order[..., None, :], axis=-1)
    return [np.take_along_axis(w, order, axis=-1), v * _turns(v)]


def _svd(x: list[Array], attrs: Attrs) -> Any:
    if not x[0].size:
        return None
    u, s, vh = np.linalg.svd(x[0], full_matrices=attrs[0])
    turns = _turns(u)
    if u.shape[-1] == vh.shape[-2]:
        return [u * turns, s, vh * np.conj(np.swapaxes(turns, -1, -2))]
    return None


def _cofactors(x: list[Array], attrs: Attrs) -> Array:
    if not x[0].size:
        return x[0]
    inverse = np.linalg.inv(x[0].astype(np.result_type(x[0], np.float64)))
    return np.linalg.det(x[0])[..., None, None] * np.swapaxes(inverse, -1, -2)


def _solve(x: list[Array], attrs: Attrs) -> Array:
    return np.linalg.solve(*x) if x[1].size else x[1]


def _fft(x: list[Array], attrs: Attrs) -> Any:
    axis, inverse, scale = attrs
    size = x[0].shape[axis]
    return (np.fft.ifft(x[0], axis=axis) * size if inverse else np.fft.fft(x[0], axis=axis)) * scale


def _rfft(x: list[Array], attrs: Attrs) -> Any:
    found = np.fft.rfft(x[0], axis=attrs[0]) * attrs[2]
    return np.conj(found) if attrs[1] else found


def _irfft(x: list[Array], attrs: Attrs) -> Any:
    axis, n, inverse, scale = attrs
    return np.fft.irfft(x[0] if inverse else np.conj(x[0]), n=n, axis=axis) * n * scale


NUMPY: dict[str, Callable[[list[Array], Attrs], Any]] = {
    "fft": _fft,
    "rfft": _rfft,
    "irfft": _irfft,
    "solve": _solve,
    "inv": lambda x, attrs: np.linalg.inv(x[0]) if x[0].size else x[0],
    "det": lambda x, attrs: np.linalg.det(x[0]),
    "cofactors": _cofactors,
    "eig": _eig,
    "slogdet": lambda x, attrs: list(np.linalg.slogdet(x[0])),
    "cholesky": lambda x, attrs: np.linalg.cholesky(x[0]) if x[0].size else x[0],
    "qr": lambda x, attrs: list(np.linalg.qr(x[0], mode="complete" if attrs[0] else "reduced")),
    "eigh": _eigh,
    "svd": _svd,
}
