"""Random numbers: Philox4x32-10 in Python: see oracles.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Attrs = tuple[Any, ...]


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Four random words for a counter of four words and a key of two."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return tuple(c)


def _words(seed: int, offset: int, count: int) -> list[int]:
    words: list[int] = []
    key = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    for block in range((count + 3) // 4):
        number = offset + block
        words += philox((number & 0xFFFFFFFF, (number >> 32) & 0xFFFFFFFF, 0, 0), key)
    return words


def _pairs(seed: int, offset: int, count: int) -> list[int]:
    words = _words(seed, offset, 4 * ((count + 1) // 2))
    return [low | high << 32 for low, high in zip(words[::2], words[1::2], strict=True)][: max(count, 0)]


def _even(shape: tuple[int, ...], seed: int, offset: int, dtype: str, count: int) -> Array:
    if dtype == "float32":
        return np.array([(word >> 8) * 2.0**-24 for word in _words(seed, offset, count)][:count])
    return np.array([(pair >> 11) * 2.0**-53 for pair in _pairs(seed, offset, count)])


def uniform(x: list[Array], attrs: Attrs) -> Array:
    shape = attrs[0]
    return _even(*attrs, int(np.prod(shape))).reshape(shape)


def _normal(x: list[Array], attrs: Attrs) -> Array:
    shape, dtype = attrs[0], attrs[3]
    count = int(np.prod(shape))
    even = _even(*attrs, count + count % 2)
    u, v = even[::2] + (2.0**-24 if dtype == "float32" else 2.0**-53), even[1::2]
    radius = np.sqrt(-2 * np.log(u))
    # Whole quarters of a turn are taken off first: the rest is exact, and so are the zeros.
    quarter = np.floor(4 * v + 0.5)
    angle = (v - quarter / 4) * 2 * np.pi
    number = quarter.astype(int) % 4
    cosine = np.choose(number, [np.cos(angle), -np.sin(angle), -np.cos(angle), np.sin(angle)])
    sine = np.choose(number, [np.sin(angle), np.cos(angle), -np.sin(angle), -np.cos(angle)])
    both = np.stack([radius * cosine, radius * sine], axis=1)
    return both.reshape(-1)[:count].reshape(shape)


def _randint(x: list[Array], attrs: Attrs) -> Array:
    shape, low, high, seed, offset, dtype = attrs
    pairs = _pairs(seed, offset, int(np.prod(shape)))
    return np.array([low + (pair * (high - low) >> 64) for pair in pairs], dtype=dtype).reshape(shape)


NUMPY: dict[str, Callable[[list[Array], Attrs], Any]] = {
    "uniform": uniform,
    "normal": _normal,
    "randint": _randint,
}
