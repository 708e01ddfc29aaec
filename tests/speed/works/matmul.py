"""Matrix products. The default GEMM of ours is named in the report's versions."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

from tests.speed.rows import Row, Work


def _square(lib: Any, size: int, **dtype: str) -> Work:
    return lib.work(operator.matmul, lib.given(size, size, **dtype), lib.given(size, size, seed=1, **dtype))


def _decode(lib: Any) -> Work:
    return lib.work(operator.matmul, lib.given(1, 1024), lib.given(1024, 1024, seed=1))


def _float32(size: int) -> Row:
    return Row(f"matmul_{size}", f"float32 matmul {size}", partial(_square, size=size), {"E": 2.0},
               peers=("numpy", "jax"), operations=2.0 * size**3)  # fmt: skip


def _bfloat16(size: int) -> Row:
    return Row(f"matmul_bf16_{size}", f"bfloat16 matmul {size}", partial(_square, size=size, dtype="bfloat16"),
               {"B": 0.95}, peers=("jax",), operations=2.0 * size**3, dtype="bfloat16")  # fmt: skip


ROWS = (
    *map(_float32, (256, 1024, 2048)),
    *map(_bfloat16, (512, 2048)),
    Row("matmul_decode", "1 x 1024 by 1024 x 1024", _decode, peers=("numpy", "jax")),
)
