"""Training is PyTorch's: the same losses from the same weights and data, and state that travels both ways."""

from __future__ import annotations

from pathlib import Path

import flambeau as fl
import numpy as np
import pytest

from tests.framework.beside_torch import torch
from tests.framework.models_for_both import TRAININGS, losses

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
both_dtypes = pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
every_network = pytest.mark.parametrize("name", TRAININGS)


@pytest.mark.torch
@pytest.mark.slow
@every_network
@both_dtypes
def test_losses_over_100_steps_are_pytorchs(name: str, dtype: str, tolerance: float, tmp_path: Path) -> None:
    """Weights begin as PyTorch's, read from its .pt file, and are clipped and stepped 100 times; the loss falls."""
    module = torch()
    training = TRAININGS[name]
    module.manual_seed(0)
    theirs = training.network(module, training.width).to(getattr(module, dtype))
    module.save(theirs.state_dict(), tmp_path / "theirs.pt")
    ours = training.network(fl, training.width).to(getattr(fl, dtype))
    ours.load_state_dict(fl.load_pt(tmp_path / "theirs.pt"))
    expected = losses(module, theirs, training, dtype=dtype, steps=100, size=16)
    found = losses(fl, ours, training, dtype=dtype, steps=100, size=16)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=0)
    assert np.mean(found[-10:]) < 0.9 * np.mean(found[:10])


@pytest.mark.torch
@every_network
def test_state_travels_both_ways_by_name(name: str, tmp_path: Path) -> None:
    module = torch()
    files = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    training = TRAININGS[name]
    inputs = next(training.batches(0, 8))[0]
    inputs = inputs.astype("float32") if inputs.dtype.kind == "f" else inputs
    theirs, ours = (training.network(library, training.width) for library in (module, fl))
    losses(fl, ours, training, dtype="float32", steps=2, size=16)  # running statistics are no longer the first ones

    fl.save(ours.state_dict(), tmp_path / "ours.safetensors")
    theirs.load_state_dict(files.load_file(tmp_path / "ours.safetensors"))  # strict
    with module.no_grad(), fl.no_grad():
        expected = theirs.eval()(module.tensor(inputs)).numpy()
        np.testing.assert_allclose(ours.eval()(fl.tensor(inputs)).numpy(), expected, rtol=1e-5, atol=1e-5)

        files.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
        module.save(theirs.state_dict(), tmp_path / "theirs.pt")
        for state in (fl.load(tmp_path / "theirs.safetensors"), fl.load_pt(tmp_path / "theirs.pt")):
            other = training.network(fl, training.width)
            other.load_state_dict(state)
            assert {key: value.tolist() for key, value in other.state_dict().items()} == {
                key: value.tolist() for key, value in ours.state_dict().items()
            }


@pytest.mark.slow
@every_network
def test_training_gives_the_same_bits_for_any_number_of_threads(name: str) -> None:
    training = TRAININGS[name]
    before = fl.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            fl.set_num_threads(threads)
            fl.manual_seed(0)
            net = training.network(fl, 4 * training.width)
            curve = losses(fl, net, training, dtype="float32", steps=6, size=64)
            results.append((curve, {key: value.numpy().tobytes() for key, value in net.state_dict().items()}))
    finally:
        fl.set_num_threads(before)
    for curve, state in results[1:]:
        assert curve == results[0][0]
        assert [key for key in state if state[key] != results[0][1][key]] == []
