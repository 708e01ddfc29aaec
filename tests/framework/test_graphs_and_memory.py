"""Small promises across the core: fallbacks, graphs that change device, gradients that are their own tensor."""

from __future__ import annotations

import gc

import flambeau as fl
import pytest


def test_a_recorded_graph_may_move_to_another_device():
    def moved(x):
        there = x.to("reference") + 1
        return there * 2 + fl.zeros(2).to("reference")

    graph = fl.record(moved, fl.tensor([1.0, 2.0]))
    result = graph.run(fl.tensor([1.0, 2.0]))
    assert result.tolist() == [4.0, 6.0]
    assert str(result.device) == "reference"


def test_a_tensor_that_is_its_own_gradient_is_freed():
    before = fl.memory.memory_allocated()
    x = fl.ones(100_000).requires_grad_()
    x.grad = x
    assert x.grad[0].item() == 1.0
    del x
    gc.collect()
    assert fl.memory.memory_allocated() <= before


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("copies", [1, 40])
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64"])
def test_nan_becomes_the_integer_0_and_infinities_the_last_ones(dtype, copies, device):
    limits = fl.iinfo(getattr(fl, dtype))
    x = fl.tensor([float("nan"), float("inf"), -float("inf"), 1e30] * copies, device=device)
    assert x.astype(dtype).tolist() == [0, limits.max, limits.min, limits.max] * copies
