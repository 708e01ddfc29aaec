"""Element by element and along rows: what memory bounds, 10 million float32; and chains of 1 million."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.speed.rows import Row, Work

TEN_MILLION = 10_000_000
TABLE = (9766, 1024)  # ten million in rows


def _one(lib: Any, function: Callable[[Any, Any], Any], shape: tuple[int, ...] = (TEN_MILLION,)) -> Work:
    return lib.work(partial(function, lib), lib.given(*shape))


def _add(lib: Any) -> Work:
    return lib.work(operator.add, lib.given(TEN_MILLION), lib.given(TEN_MILLION, seed=1))


def _layer_norm(lib: Any) -> Work:
    return lib.work(lib.layer_norm, lib.given(*TABLE), lib.given(1024, seed=1), lib.given(1024, seed=2))


def _where(lib: Any) -> Work:
    condition = lib.given(TEN_MILLION, seed=2) > 0.5
    return lib.work(lib.where, condition, lib.given(TEN_MILLION), lib.given(TEN_MILLION, seed=1))


def _six(lib: Any, x: Any, y: Any) -> Any:
    return lib.relu(lib.sigmoid(x * y + x) * 0.5 - y)


def _chain(lib: Any) -> Work:
    return lib.work(partial(_six, lib), lib.given(1_000_000), lib.given(1_000_000, seed=1))


def _chain_step(lib: Any) -> Work:
    inputs = [lib.given(1_000_000, grad=True), lib.given(1_000_000, seed=1, grad=True)]
    return lib.gradients(partial(_six, lib), inputs, lib.given(1_000_000, seed=2))


def _row(name: str, title: str, work: Callable[[Any], Work], bytes_each: float, targets: dict[str, float],
         **more: Any) -> Row:  # fmt: skip
    """A row of ten million: B 0.95 at least."""
    moved = bytes_each * TEN_MILLION
    return Row(name, title, work, {"B": 0.95} | targets, bytes_moved=moved, peers=more.pop("peers", ("jax",)), **more)


BOTH = ("numpy", "jax")
ROWS = (
    _row("add_10m", "add, 10 million float32", _add, 12, {"E": 3.0}, peers=BOTH),
    _row("exp_10m", "exp", partial(_one, function=lambda lib, x: lib.exp(x)), 8, {"E": 3.0, "B": 2.0}, peers=BOTH),
    _row("tanh_10m", "tanh", partial(_one, function=lambda lib, x: lib.tanh(x)), 8, {"B": 5.0}, means=("compile",),
         peers=BOTH),
    _row("gelu_10m", "gelu", partial(_one, function=lambda lib, x: lib.gelu(x)), 8, {}),
    _row("gelu_tanh_10m", "gelu by tanh", partial(_one, function=lambda lib, x: lib.gelu(x, "tanh")), 8, {"B": 3.0}),
    _row("softmax_10m", "softmax of 9,766 rows of 1,024",
         partial(_one, function=lambda lib, x: lib.softmax(x), shape=TABLE), 8, {"B": 1.5},
         means=("compile",)),
    _row("layer_norm_10m", "layer_norm of such rows", _layer_norm, 8, {}),
    _row("var_10m", "var of such rows", partial(_one, function=lambda lib, x: lib.var(x), shape=TABLE), 4,
         {"E": 10.0, "B": 1.4}, means=("compile",), peers=BOTH),
    _row("where_10m", "where, 10 million", _where, 13, {"E": 8.0, "B": 4.0}, means=("compile",), peers=BOTH),
    _row("cumsum_10m", "cumsum along such rows",
         partial(_one, function=lambda lib, x: lib.cumsum(x), shape=TABLE), 8, {}, peers=BOTH),
    Row("chain_1m", "chain of six element-wise ops, 1 million", _chain, {"E": 2.0}, means=("compile",),
        peers=("jax",), elements=1e6, limit="chain_elements_per_s"),
    Row("chain_1m_step", "the chain, gradients too", _chain_step, {"E": 2.0}, means=("compile",), peers=("jax",),
        elements=1e6, limit="chain_step_elements_per_s"),
)  # fmt: skip
