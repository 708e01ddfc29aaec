"""Recurrent layers and cells beside PyTorch's: every form of input, state and length, and the loss curve of an LSTM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn
from flambeau.nn.utils import rnn

from tests.framework.beside_torch import same, same_beginnings, same_layer, torch

RANDOM = np.random.default_rng(2)
X = RANDOM.normal(size=(6, 3, 4))  # time, n, features
LENGTHS = [6, 2, 4]

FORMS = {
    "plain": {},
    "two layers": {"num_layers": 2},
    "both ways": {"num_layers": 2, "bidirectional": True},
    "no bias": {"bias": False},
    "batch first": {"batch_first": True, "bidirectional": True},
}


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("form", FORMS)
def test_layers_and_their_gradients_are_pytorchs(kind: str, form: str) -> None:
    options = FORMS[form]
    ours, theirs = getattr(nn, kind)(4, 5, **options), getattr(torch().nn, kind)(4, 5, **options)
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    n = 6 if options.get("batch_first") else 3
    states = [RANDOM.normal(size=(count, n, 5)) for _ in range(2 if kind == "LSTM" else 1)]
    same_layer(ours, theirs, X)
    same_layer(ours, theirs, X, *states, call=lambda layer, x, *h: layer(x, h if len(h) > 1 else h[0]))


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("form", FORMS)
def test_a_batch_of_no_sequences_gives_none_and_gradients_of_zero(kind: str, form: str) -> None:
    options = FORMS[form]
    ours, theirs = getattr(nn, kind)(4, 5, **options), getattr(torch().nn, kind)(4, 5, **options)
    batch_first = options.get("batch_first", False)
    shape = (0, 6, 4) if batch_first else (6, 0, 4)
    output, _ = ours(fl.zeros(shape))
    assert output.shape == (*shape[:2], 10 if options.get("bidirectional") else 5)
    same_layer(ours, theirs, np.zeros(shape))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("kind", "options"), [("LSTM", {"proj_size": 2, "bidirectional": True}), ("RNN", {"nonlinearity": "relu"})]
)
def test_projections_and_relu_are_pytorchs(kind: str, options: dict[str, Any]) -> None:
    ours, theirs = getattr(nn, kind)(4, 5, **options), getattr(torch().nn, kind)(4, 5, **options)
    same_layer(ours, theirs, X)
    same_layer(ours, theirs, X[:, 0])  # one sequence, no batch


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("ordered", [True, False])
def test_packed_sequences_of_different_lengths_are_pytorchs(kind: str, ordered: bool) -> None:
    module = torch()
    lengths = sorted(LENGTHS, reverse=True) if ordered else LENGTHS
    options = {"num_layers": 2, "bidirectional": True}
    ours, theirs = getattr(nn, kind)(4, 5, **options), getattr(module.nn, kind)(4, 5, **options)
    state = RANDOM.normal(size=(4, 3, 5))

    def call(layer: Any, x: Any, h: Any) -> Any:
        tools = rnn if isinstance(x, fl.Tensor) else module.nn.utils.rnn
        packed = tools.pack_padded_sequence(x, lengths, enforce_sorted=ordered)
        output, last = layer(packed, (h, h * 2) if kind == "LSTM" else h)
        padded, found = tools.pad_packed_sequence(output, padding_value=-7.0, total_length=8)
        assert found.tolist() == lengths
        return padded, last

    same_layer(ours, theirs, X, state, call=call)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells_are_pytorchs(kind: str) -> None:
    ours, theirs = getattr(nn, kind)(4, 5), getattr(torch().nn, kind)(4, 5)
    states = [RANDOM.normal(size=(3, 5)) for _ in range(2 if kind == "LSTMCell" else 1)]
    same_layer(ours, theirs, X[0])
    same_layer(ours, theirs, X[0, 0])
    same_layer(ours, theirs, X[0], *states, call=lambda cell, x, *h: cell(x, h if len(h) > 1 else h[0]))
    same_beginnings(lambda: getattr(nn, kind)(40, 50), lambda: getattr(torch().nn, kind)(40, 50))


@pytest.mark.torch
def test_recurrent_layers_begin_as_pytorchs() -> None:
    same_beginnings(
        lambda: nn.LSTM(30, 40, 2, bidirectional=True, proj_size=20),
        lambda: torch().nn.LSTM(30, 40, 2, bidirectional=True, proj_size=20),
    )


@pytest.mark.torch
@pytest.mark.parametrize("batch_first", [True, False])
def test_packing_is_pytorchs(batch_first: bool) -> None:
    module = torch()
    x = X.transpose(1, 0, 2) if batch_first else X
    found = rnn.pack_padded_sequence(fl.tensor(x), LENGTHS, batch_first, enforce_sorted=False)
    wanted = module.nn.utils.rnn.pack_padded_sequence(module.tensor(x), LENGTHS, batch_first, enforce_sorted=False)
    for left, right in zip(found, wanted, strict=True):
        assert left.tolist() == right.tolist()
    for number, part in enumerate(rnn.unpack_sequence(found)):
        assert part.tolist() == X[: LENGTHS[number], number].tolist()
    parts = [X[:size, i] for i, size in enumerate(LENGTHS)]
    for side in ("left", "right"):
        same(
            lambda *p, s=side: rnn.pad_sequence(p, batch_first, 3.0, s),
            lambda *p, s=side: module.nn.utils.rnn.pad_sequence(p, batch_first, 3.0, s),
            *parts,
        )
    packed = rnn.pack_sequence([fl.tensor(part) for part in parts], enforce_sorted=False)
    assert packed.data.tolist() == found.data.tolist()


def test_dropout_between_layers_stops_in_evaluation() -> None:
    fl.manual_seed(0)
    layer = nn.GRU(4, 5, num_layers=2, dropout=0.5)
    x = fl.tensor(X.astype("float32"))
    assert layer(x)[0].tolist() != layer(x)[0].tolist()
    layer.eval()
    assert layer(x)[0].tolist() == layer(x)[0].tolist()


def test_a_long_sequence_has_gradients_to_its_first_step() -> None:
    x = fl.tensor(np.ones((300, 1, 2)), requires_grad=True)
    output, _ = nn.RNN(2, 3).double()(x)
    output.sum().backward()
    assert x.grad is not None
    assert x.grad.shape == (300, 1, 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: nn.LSTM(4, 5)(fl.zeros((6, 3, 3))), r"it must be \(time, n, 4\)"),
        (lambda: nn.LSTM(4, 5)(fl.zeros((0, 3, 4))), "has no time steps"),
        (lambda: nn.GRU(4, 5)(fl.zeros((6, 3, 4)), fl.zeros((1, 2, 5))), r"it must be \(1, 3, 5\)"),
        (lambda: nn.GRU(4, 0), "must be positive"),
        (lambda: nn.LSTM(4, 5, proj_size=5), "must be below hidden_size 5"),
        (lambda: nn.RNN(4, 5, nonlinearity="sin"), "nonlinearity is 'sin'"),
        (lambda: nn.RNN(4, 5, dropout=2.0), "between 0 and 1"),
        (lambda: nn.RNNCell(4, 5, nonlinearity="sin"), "nonlinearity is 'sin'"),
        (lambda: nn.GRUCell(4, 5)(fl.zeros((2, 2, 4))), "it must be"),
        (lambda: nn.GRUCell(4, 5)(fl.zeros((2, 4)), fl.zeros((3, 5))), r"it must be \(2, 5\)"),
        (lambda: nn.GRUCell(0, 5), "both are positive"),
        (lambda: rnn.pack_padded_sequence(fl.zeros((3, 2)), [1, 2]), "enforce_sorted=False"),
        (lambda: rnn.pack_padded_sequence(fl.zeros((3, 2)), [4, 2]), "each from 1 to 3"),
        (lambda: rnn.pack_padded_sequence(fl.zeros(3), [1]), r"must be \(longest, n, ...\)"),
        (lambda: rnn.pad_sequence([]), "no sequences"),
        (lambda: rnn.pad_sequence([fl.zeros(1)], padding_side="top"), "padding_side is 'top'"),
        (
            lambda: rnn.pad_packed_sequence(rnn.pack_padded_sequence(fl.zeros((3, 1)), [3]), total_length=2),
            "the longest sequence 3",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()
