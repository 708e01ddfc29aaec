"""A long short-term memory as one op through all steps: odd sizes, states that learn, threads, second derivatives."""

from __future__ import annotations

from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn
from flambeau.autograd import gradgradcheck

from tests.framework.beside_torch import same_layer, torch

RANDOM = np.random.default_rng(12)


@pytest.mark.torch
@pytest.mark.parametrize(("inputs", "units", "steps", "n"),
                         [(5, 33, 7, 3), (3, 64, 2, 17), (8, 1, 4, 1), (2, 130, 3, 5)])
@pytest.mark.parametrize("both_ways", [False, True])
def test_sizes_that_fill_no_block_are_pytorchs_with_all_gradients(
    inputs: int, units: int, steps: int, n: int, both_ways: bool
) -> None:
    options: dict[str, Any] = {"bidirectional": both_ways}
    ours, theirs = nn.LSTM(inputs, units, **options), torch().nn.LSTM(inputs, units, **options)
    states = [RANDOM.normal(size=(1 + both_ways, n, units)) for _ in range(2)]
    x = RANDOM.normal(size=(steps, n, inputs))
    same_layer(ours, theirs, x, *states, call=lambda layer, x, h, c: layer(x, (h, c)))


def test_any_number_of_threads_gives_the_same_bits() -> None:
    before, results = fl.get_num_threads(), set()
    fl.manual_seed(4)
    net = nn.LSTM(20, 200)
    x = fl.random.normal((6, 40, 20))
    try:
        for threads in (1, 2, 3, 8):
            fl.set_num_threads(threads)
            for parameter in net.parameters():
                parameter.grad = None
            y, (h, c) = net(x)
            (fl.sum(y * y) + fl.sum(h) + fl.sum(c)).backward()
            gradients = b"".join(np.asarray(p.grad).tobytes() for p in net.parameters())
            results.add(np.asarray(y.detach()).tobytes() + gradients)
    finally:
        fl.set_num_threads(before)
    assert len(results) == 1


def test_second_derivatives_are_those_of_the_formula() -> None:
    shapes = ((3, 2, 8), (8, 2), (2, 2), (2, 2))
    given = tuple(fl.tensor(RANDOM.normal(size=shape), requires_grad=True) for shape in shapes)
    for backwards in (False, True):
        gradgradcheck(lambda *x, turned=backwards: fl._core.ops["lstm"](*x, turned)[:2], given)


def test_states_of_the_wrong_shape_are_refused_by_name() -> None:
    with pytest.raises(fl.ShapeError, match=r"weight is \(8, 3\): for these sequences it must be \(8, 2\)"):
        fl._core.ops["lstm"](fl.zeros((3, 2, 8)), fl.zeros((8, 3)), fl.zeros((2, 2)), fl.zeros((2, 2)), False)
