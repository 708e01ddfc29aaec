"""Gradients clipped, parameters as a vector, weights as length and direction: as PyTorch does it."""

from __future__ import annotations

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn
from flambeau.nn import utils

from tests.framework.beside_torch import same_layer, torch

GRADIENTS = [np.array([[3.0, -4.0]]), np.array([12.0])]


def parameters() -> list[fl.Tensor]:
    found = [fl.tensor(np.zeros_like(g), requires_grad=True) for g in GRADIENTS]
    for parameter, gradient in zip(found, GRADIENTS, strict=True):
        parameter.grad = fl.tensor(gradient)
    return [*found, fl.tensor([1.0], requires_grad=True)]  # the last has none


@pytest.mark.torch
@pytest.mark.parametrize(("largest", "order"), [(1.0, 2.0), (100.0, 2.0), (2.0, 1.0), (2.0, float("inf")), (2.0, 3.0)])
def test_clipping_by_the_norm_is_pytorchs(largest: float, order: float) -> None:
    module = torch()
    theirs = [module.zeros(g.shape, dtype=module.float64, requires_grad=True) for g in GRADIENTS]
    for parameter, gradient in zip(theirs, GRADIENTS, strict=True):
        parameter.grad = module.tensor(gradient)
    ours = parameters()
    expected = module.nn.utils.clip_grad_norm_(theirs, largest, order)
    assert utils.clip_grad_norm_(ours, largest, order).item() == pytest.approx(expected.item(), rel=1e-12)
    for left, right in zip(ours, theirs, strict=False):
        assert left.grad is not None
        np.testing.assert_allclose(left.grad.numpy(), right.grad.numpy(), rtol=1e-12)


def test_clipping_by_value_and_gradients_that_are_not_finite() -> None:
    ours = parameters()
    utils.clip_grad_value_(ours, 3.5)
    assert [x.grad.tolist() for x in ours if x.grad is not None] == [[[3.0, -3.5]], [3.5]]
    with pytest.raises(ValueError, match="cannot be negative"):
        utils.clip_grad_value_(ours, -1.0)
    ours[1].grad = fl.tensor([float("nan")], dtype=fl.float64)
    with pytest.raises(RuntimeError, match=r"norm of order 2\.0 is nan"):
        utils.clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0


def test_parameters_go_into_a_vector_and_back() -> None:
    net = nn.Linear(2, 3)
    vector = utils.parameters_to_vector(net.parameters())
    utils.vector_to_parameters(vector * 2, net.parameters())
    assert utils.parameters_to_vector(net.parameters()).tolist() == (vector * 2).tolist()
    with pytest.raises(fl.ShapeError, match=r"the parameters need \(9,\)"):
        utils.vector_to_parameters(fl.zeros(8), net.parameters())


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize("dim", [0, 1, None])
def test_a_weight_as_length_and_direction_is_pytorchs(dim: int | None) -> None:
    module = torch()
    ours, theirs = nn.Linear(3, 4), module.nn.Linear(3, 4)
    same_layer(
        utils.weight_norm(ours, dim=dim),
        module.nn.utils.weight_norm(theirs, dim=dim),
        np.random.default_rng(0).normal(size=(5, 3)),
    )


def test_a_weight_becomes_one_parameter_again() -> None:
    net = nn.Linear(3, 4)
    before = net.weight.tolist()
    utils.weight_norm(net)
    with pytest.raises(RuntimeError, match="has one already"):
        utils.weight_norm(net)
    utils.remove_weight_norm(net)
    np.testing.assert_allclose(net.weight.tolist(), before, rtol=1e-6)
    assert sorted(net.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError, match="has none"):
        utils.remove_weight_norm(net)
