"""What a release must do where it was just installed: the release workflow runs these against the wheel.

They import flambeau, NumPy, pytest and, if it is there, scikit-learn for its digits; nothing of the repository but
examples/digits_mlp.py.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn, optim

pytestmark = pytest.mark.release

ROOT = Path(__file__).resolve().parents[2]
# The flambeau that is tested, for new processes too; where it is installed they find it anyhow.
PLACE = {**os.environ, "PYTHONPATH": str(Path(fl.__file__).parents[1])}


def test_the_version_is_the_distributions() -> None:
    try:
        installed = metadata.version("flambeau")
    except metadata.PackageNotFoundError:
        pytest.skip("flambeau is used from a checkout and not installed")
    assert fl.__version__ == installed


def test_import_brings_nothing_heavy() -> None:
    code = "import sys, flambeau; print([name for name in ('numpy', 'flambeau.nn', 'flask') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=PLACE)
    assert done.stdout.strip() == "[]"


def test_the_cpu_and_the_reference_are_there() -> None:
    names = [device.name for device in fl.devices()]
    assert names[0] == "cpu"
    assert "reference" in names


def test_arithmetic_is_numpys() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 40, 40)).astype("float32")
    ours = (fl.tensor(a) @ fl.tensor(b) + fl.tensor(a)).numpy()
    np.testing.assert_allclose(ours, a @ b + a, rtol=1e-4, atol=1e-5)


def test_a_gradient_is_the_derivative() -> None:
    x = fl.tensor([0.5, -1.5], requires_grad=True)
    fl.sum(fl.exp(x) * x).backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.exp([0.5, -1.5]) * np.array([1.5, -0.5]), rtol=1e-6)


def test_a_function_recorded_as_text_gives_the_same_bits() -> None:
    x = fl.tensor([1.0, 2.0, 3.0])
    graph = fl.record(lambda x: fl.tanh(x) * x + 1.0, x)
    assert fl.Graph.parse(graph.text, graph.captures).run(x).tolist() == (fl.tanh(x) * x + 1.0).tolist()


def test_a_network_learns_and_is_saved(tmp_path: Path) -> None:
    fl.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = optim.AdamW(net.parameters(), lr=0.05)
    x, y = fl.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), fl.tensor([0, 1, 1, 0])
    for _ in range(150):
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    fl.save(net.state_dict(), tmp_path / "net.safetensors")
    other = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    other.load_state_dict(fl.load(tmp_path / "net.safetensors"))
    assert other(x).tolist() == net(x).tolist()


def test_conformance_of_an_op_writes_a_report(tmp_path: Path) -> None:
    report = tmp_path / "cpu.json"
    command = [sys.executable, "-m", "flambeau.conformance", "--device", "cpu", "--ops", "add", "sum", "--json", report]
    done = subprocess.run(command, capture_output=True, text=True, env=PLACE)
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(report.read_text())
    assert written["conforms"]
    assert written["flambeau"]["version"] == fl.__version__


def test_the_digits_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    monkeypatch.syspath_prepend(str(ROOT / "examples"))  # where it finds what stands beside it
    example = runpy.run_path(str(ROOT / "examples" / "digits_mlp.py"))
    data = example["digits"]()
    net = example["train"](data, seed=0, epochs=15, device="cpu")
    assert example["accuracy"](net, data, "cpu") > 0.96
