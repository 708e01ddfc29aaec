"""Recurrent layers as one op through all steps: odd sizes, unequal lengths, threads, second derivatives."""

from __future__ import annotations

from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn
from flambeau.autograd import gradgradcheck
from flambeau.nn.utils import rnn

from tests.framework.beside_torch import same_layer, torch

RANDOM = np.random.default_rng(12)
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("LSTM", {}), ("LSTM", {"proj_size": True}), ("GRU", {}), ("GRU", {"bias": False}), ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
]  # fmt: skip


def _both(kind: str, inputs: int, units: int, options: dict[str, Any]) -> tuple[Any, Any, int]:
    """Ours and PyTorch's, and the outputs of a direction."""
    given = max(1, units // 2) if options.get("proj_size") else units
    options = options | ({"proj_size": given} if options.get("proj_size") else {})
    return getattr(nn, kind)(inputs, units, **options), getattr(torch().nn, kind)(inputs, units, **options), given


def _states(kind: str, layers: int, n: int, given: int, units: int) -> list[np.ndarray[Any, Any]]:
    return [RANDOM.normal(size=(layers, n, size)) for size in ((given, units) if kind == "LSTM" else (given,))]


@pytest.mark.torch
@pytest.mark.parametrize(
    ("inputs", "units", "steps", "n"), [(5, 33, 7, 3), (3, 64, 2, 17), (8, 2, 4, 1), (2, 130, 3, 5)]
)
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_sizes_that_fill_no_block_are_pytorchs_with_all_gradients(
    kind: str, options: dict[str, Any], inputs: int, units: int, steps: int, n: int
) -> None:
    ours, theirs, given = _both(kind, inputs, units, options | {"bidirectional": True})
    states = _states(kind, 2, n, given, units)
    x = RANDOM.normal(size=(steps, n, inputs))
    same_layer(ours, theirs, x, *states, call=lambda layer, x, *h: layer(x, h if len(h) > 1 else h[0]))


@pytest.mark.torch
@pytest.mark.parametrize(("kind", "options"), KINDS)
@pytest.mark.parametrize("lengths", [[7, 7, 4, 4, 4, 1], [5, 5, 5], [3], [6, 5, 4, 3, 2, 1]])
def test_unequal_lengths_are_pytorchs_with_all_gradients(
    kind: str, options: dict[str, Any], lengths: list[int]
) -> None:
    ours, theirs, given = _both(kind, 3, 18, options | {"bidirectional": True})
    states = _states(kind, 2, len(lengths), given, 18)
    x = RANDOM.normal(size=(lengths[0], len(lengths), 3))

    def call(layer: Any, x: Any, *h: Any) -> Any:
        tools = rnn if isinstance(x, fl.Tensor) else torch().nn.utils.rnn
        output, last = layer(tools.pack_padded_sequence(x, lengths), h if len(h) > 1 else h[0])
        return tools.pad_packed_sequence(output)[0], last

    same_layer(ours, theirs, x, *states, call=call)


@pytest.mark.parametrize(("kind", "options"), [("LSTM", {"proj_size": 90}), ("GRU", {}), ("RNN", {})])
def test_any_number_of_threads_gives_the_same_bits(kind: str, options: dict[str, Any]) -> None:
    before, results = fl.get_num_threads(), set()
    fl.manual_seed(4)
    net = getattr(nn, kind)(20, 200, **options)
    sequences = rnn.pack_sequence([fl.random.normal((length, 20)) for length in (6, 6, 5) for _ in range(13)])
    try:
        for threads in (1, 2, 3, 8):
            fl.set_num_threads(threads)
            for parameter in net.parameters():
                parameter.grad = None
            y, states = net(sequences)
            ends = states if kind == "LSTM" else (states,)
            (fl.sum(y.data * y.data) + sum(fl.sum(end) for end in ends)).backward()
            gradients = b"".join(np.asarray(p.grad).tobytes() for p in net.parameters())
            results.add(np.asarray(y.data.detach()).tobytes() + gradients)
    finally:
        fl.set_num_threads(before)
    assert len(results) == 1


def _given(*shapes: tuple[int, ...]) -> tuple[fl.Tensor, ...]:
    return tuple(fl.tensor(RANDOM.normal(size=shape), requires_grad=True) for shape in shapes)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("counts", [[2, 2, 2], [3, 2, 1]])
def test_second_derivatives_are_those_of_the_formula(counts: list[int], backwards: bool) -> None:
    ops, n = fl._core.ops, counts[0]
    how: dict[str, Any] = {"counts": counts, "reverse": backwards}
    gradgradcheck(lambda *x: ops["lstm"](*x, **how)[:2], _given((6, 8), (8, 2), (n, 2), (n, 2)))
    gradgradcheck(lambda *x: ops["lstm"](*x, **how)[:2], _given((6, 8), (8, 1), (n, 1), (n, 2), (1, 2)))
    gradgradcheck(lambda *x: ops["gru"](*x, **how)[0], _given((6, 6), (6, 2), (n, 2), (6,)))
    gradgradcheck(lambda *x: ops["rnn"](*x, **how), _given((6, 2), (2, 2), (n, 2)))


def test_a_batch_of_states_by_vmap_is_one_after_the_other() -> None:
    x, weight, first = fl.random.normal((6, 6)), fl.random.normal((6, 2)), fl.random.normal((4, 3, 2))
    run = fl._core.ops["gru"]
    together = fl.vmap(lambda h: run(x, weight, h, counts=[3, 2, 1])[0])(first)
    for i in range(4):
        assert together[i].tolist() == run(x, weight, first[i], counts=[3, 2, 1])[0].tolist()


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([2, 2], r"x has 3 rows; counts of \(2, 2\) are 4 rows"),
        ([1, 2], "the first of 2 sequences, and no step may have more than the one before"),
        ([2, 1, 0], "or none"),
        ([], "there must be a step"),
    ],
)
def test_lengths_that_cannot_be_are_refused_with_their_numbers(counts: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fl._core.ops["rnn"](fl.zeros((3, 2)), fl.zeros((2, 2)), fl.zeros((2, 2)), counts, False, False)


def test_states_of_the_wrong_shape_are_refused_by_name() -> None:
    with pytest.raises(fl.ShapeError, match=r"weight is \(8, 3\): for these sequences it must be \(8, 2\)"):
        fl._core.ops["lstm"](fl.zeros((6, 8)), fl.zeros((8, 3)), fl.zeros((2, 2)), fl.zeros((2, 2)), counts=[2, 2, 2])
