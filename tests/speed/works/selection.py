"""Finding and ordering: argmax, nonzero, sort."""

from __future__ import annotations

from typing import Any

from tests.speed.rows import Row, Work


def _argmax(lib: Any) -> Work:
    return lib.work(lib.argmax, lib.given(10_000_000))


def _nonzero(lib: Any) -> Work:
    return lib.work(lib.nonzero, lib.given(1_000_000) > 0.5)


def _sort(lib: Any) -> Work:
    return lib.work(lib.sort, lib.given(1_000_000))


ROWS = (
    Row("argmax_10m", "argmax of 10 million", _argmax, {"B": 4.0}, peers=("numpy", "jax"), bytes_moved=4e7),
    Row("nonzero_1m", "nonzero of 1 million, half of them", _nonzero, {"B": 4.0}, peers=("numpy",)),
    Row("sort_1m", "sort 1 million", _sort, {"B": 4.0}, peers=("numpy", "jax")),
)
