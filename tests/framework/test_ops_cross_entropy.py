"""The edges of cross_entropy: ignored targets, smoothing, and nothing left."""

from __future__ import annotations

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core
from flambeau.opcases import values
from flambeau.testing import assert_close, gradcheck

NONE, MEAN, SUM = 0, 1, 2


def loss(
    logits: fl.Tensor, target: fl.Tensor, reduction: int = MEAN, ignored: int = -100, smoothing: float = 0.0
) -> fl.Tensor:
    return _core.apply("cross_entropy", [logits, target], [reduction, ignored, smoothing])[0]


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_the_mean_is_over_targets_that_are_not_ignored(device: str) -> None:
    logits = fl.tensor([[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]], device=device)
    target = fl.tensor([0, 1, -100], dtype="int64", device=device)
    expected = (np.log1p(np.exp(-2.0)) + np.log1p(np.exp(-1.0))) / 2
    assert_close(loss(logits, target), expected, rtol=1e-6)


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_mean_over_nothing_is_nan_and_a_sum_is_zero(device: str) -> None:
    logits = fl.tensor([[2.0, 0.0]], device=device)
    target = fl.tensor([-100], dtype="int64", device=device)
    assert np.isnan(loss(logits, target).item())
    assert loss(logits, target, SUM).item() == 0.0
    assert loss(logits, target, NONE).tolist() == [0.0]


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("reduction", [NONE, MEAN, SUM])
def test_ignored_rows_get_no_gradient(device: str, reduction: int) -> None:
    logits = fl.tensor([[2.0, 0.0], [1.0, 3.0]], device=device, requires_grad=True)
    target = fl.tensor([1, -100], dtype="int64", device=device)
    loss(logits, target, reduction).sum().backward()
    assert values(logits.grad)[1].tolist() == [0.0, 0.0]
    assert values(logits.grad)[0, 0] > 0


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_large_logits_do_not_overflow(device: str) -> None:
    logits = fl.tensor([[1e4, -1e4], [3e38, 0.0]], device=device)
    target = fl.tensor([0, 0], dtype="int64", device=device)
    assert loss(logits, target).item() == 0.0


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_the_decomposition_agrees_with_the_kernel(smoothing: float) -> None:
    """Under a second derivative the gradient runs through its decomposition."""
    logits = fl.tensor(np.random.default_rng(0).normal(size=(4, 3)))
    target = fl.tensor([0, 2, 1, -100], dtype="int64")
    gradcheck(lambda x: loss(x, target, MEAN, -100, smoothing), [logits])


def test_a_negative_target_is_not_counted_from_the_end() -> None:
    """Neither by the kernel nor by the decomposition, whose take_along_axis would."""
    logits = fl.tensor([[1.0, 2.0]], requires_grad=True)
    with pytest.raises(IndexError, match="target -1 at row 0 is not a class"):
        loss(logits, fl.tensor([-1], dtype="int64"))


@pytest.mark.torch
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("target", [[0, 1, 2, 1], [0, -100, 2, -100], [-100] * 4])
def test_losses_and_gradients_are_those_of_pytorch(target: list[int], reduction: str, smoothing: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    start = np.random.default_rng(3).normal(size=(4, 3))
    there = torch.tensor(start, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        there, torch.tensor(target), reduction=reduction, label_smoothing=smoothing
    )
    expected.sum().backward()
    here = fl.tensor(start, requires_grad=True)
    number = ("none", "mean", "sum").index(reduction)
    result = loss(here, fl.tensor(target, dtype="int64"), number, -100, smoothing)
    result.sum().backward()
    assert_close(result, expected.detach().numpy(), rtol=1e-12, equal_nan=True)
    assert_close(here.grad, there.grad.numpy(), rtol=1e-12, atol=1e-15)
