"""Half precision and int8 on real data: what is learned in bfloat16 beside float32 and PyTorch, what int8 loses."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn, optim, quantization

from tests.framework.beside_torch import torch

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Examples as modules."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


def test_bfloat16_learns_the_digits_as_float32_does(example: Any) -> None:
    """Means over five seeds: one point, 3.6 of 360 images, is what another seed changes by itself."""
    mlp = example("digits_mlp")
    data = mlp.digits()

    def accuracy(train: Any) -> float:
        nets = [train(data, seed=seed, epochs=20, device="cpu") for seed in range(5)]
        return float(np.mean([mlp.accuracy(net, data, "cpu") for net in nets]))

    single, half = accuracy(mlp.train), accuracy(fl.autocast(dtype=fl.bfloat16)(mlp.train))
    assert half >= single - 0.01
    assert half >= mlp.WANTED - 0.01


def test_int8_weights_cost_the_digits_less_than_half_a_point(example: Any) -> None:
    mlp = example("digits_mlp")
    data = mlp.digits()
    net = mlp.train(data, seed=0, epochs=20, device="cpu")
    small = quantization.quantize_(copy.deepcopy(net))
    errors = quantization.compare(net, small, fl.tensor(data.test_images))
    assert len(errors) == 3
    assert all(error.weight_db > 38 and error.output_db > 35 for error in errors)
    assert abs(mlp.accuracy(small, data, "cpu") - mlp.accuracy(net, data, "cpu")) < 0.005


def _curves(images: np.ndarray, classes: np.ndarray, steps: int) -> dict[str, np.ndarray]:
    """Losses of the same network on the same data: ours and PyTorch's, in float32 and in autocast to bfloat16."""
    module = torch()
    module.manual_seed(0)
    first = module.nn.Sequential(module.nn.Linear(64, 128), module.nn.ReLU(), module.nn.Linear(128, 10))
    state = {name: fl.tensor(value.numpy()) for name, value in first.state_dict().items()}
    curves = {}
    for half in (False, True):
        theirs = copy.deepcopy(first)
        ours = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
        ours.load_state_dict(state)
        their_optimizer = module.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
        our_optimizer = optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
        found: list[tuple[float, float]] = []
        for step in range(steps):
            chosen = np.arange(step * 64, step * 64 + 64) % len(images)
            with module.autocast("cpu", dtype=module.bfloat16, enabled=half), fl.autocast(enabled=half):
                our_loss = nn.functional.cross_entropy(ours(fl.tensor(images[chosen])), fl.tensor(classes[chosen]))
                their_loss = module.nn.functional.cross_entropy(
                    theirs(module.tensor(images[chosen])), module.tensor(classes[chosen])
                )
            for loss, optimizer in ((our_loss, our_optimizer), (their_loss, their_optimizer)):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            found.append((our_loss.item(), their_loss.item()))
        curves["ours half" if half else "ours"], curves["theirs half" if half else "theirs"] = np.array(found).T
    return curves


@pytest.mark.torch
def test_the_loss_curve_of_autocast_is_pytorchs(example: Any) -> None:
    """As close as bfloat16 lets two libraries be.

    Both round the same products to 8 bits, after sums in another order, so now and then a rounding falls the other way
    and training carries it on. At first the losses agree; over 100 steps they differ in the mean by a thousandth of
    the first loss at most, a quarter of one rounding of bfloat16 (1/256).
    """
    data = example("digits_mlp").digits()
    curves = _curves(data.train_images, data.train_classes, 100)
    apart = np.abs(curves["ours half"] - curves["theirs half"]).mean()
    assert apart < curves["ours"][0] / 1000
    assert curves["ours half"][-10:].mean() < 0.2 * curves["ours half"][0]
    np.testing.assert_allclose(curves["ours half"][:5], curves["theirs half"][:5], rtol=5e-4)
