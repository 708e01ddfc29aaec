"""A stranger's device: built as a wheel of its own, found by its entry point, and run in new processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import flambeau as fl
import pytest

from tests.framework.newer_ops import SAMPLE_WITHOUT_KERNELS

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "vendor_backend"
FRAMEWORK = Path(fl.__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("vendor"),  # one worker builds the wheel, once
    pytest.mark.skipif(not find_spec("scikit_build_core"), reason="scikit-build-core is not installed: pip install it"),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample's wheel unpacked, as pip would install it."""
    folder = tmp_path_factory.mktemp("sample")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        "-C",
        f"build-dir={folder}/build",
        str(SAMPLE),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    assert wheel.name.startswith("flambeau_sample-0.1.0-py3-none-")
    place = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def run(installed: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    place = os.pathsep.join([str(installed), str(FRAMEWORK)])
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": place, **more},
    )


def python(installed: Path, code: str) -> str:
    done = run(installed, "-c", "import flambeau as fl\n" + code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_listed_with_what_it_declares(installed: Path) -> None:
    out = python(
        installed,
        "d = fl.devices()[[d.name for d in fl.devices()].index('sample:0')]\n"
        "print(d.backend, d.driver, d.host_memory, *d.dtypes, d.index_dtype)",
    )
    assert out == "sample flambeau_sample 0.1.0 False bool int32 int64 float32 int64"


def test_it_is_found_by_name_without_asking_for_the_list(installed: Path) -> None:
    assert python(installed, "print(fl.ones(3, device='sample').device)") == "sample:0"


def test_it_conforms(installed: Path, tmp_path: Path) -> None:
    report = tmp_path / "sample.json"
    done = run(installed, "-m", "flambeau.conformance", "--device", "sample:0", "--json", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(report.read_text())
    assert written["conforms"]
    assert written["counts"]["failed"] == 0
    assert written["counts"]["passed"] > 3000
    assert {case["op"] for case in written["cases"] if case["result"] == "unsupported"} <= SAMPLE_WITHOUT_KERNELS


def test_a_network_learns_on_it_as_on_the_cpu(installed: Path) -> None:
    out = python(
        installed,
        """
from flambeau import nn, optim
found = []
for device in ("cpu", "sample:0"):
    fl.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)).to(device)
    optimizer = optim.AdamW(net.parameters(), lr=0.05)
    x = fl.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], device=device)
    y = fl.tensor([0, 1, 1, 0], device=device)
    for _ in range(60):
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found.append(loss.item())
assert abs(found[0] - found[1]) < 1e-4 * abs(found[0]) + 1e-5, found
print("learned")
""",
    )
    assert out == "learned"


def test_a_bad_index_comes_back_late_with_the_ops_name(installed: Path) -> None:
    out = python(
        installed,
        """
x = fl.ones(3, device="sample")
y = fl.take(x, fl.tensor([7], device="sample"))
try:
    x.device.synchronize()
except IndexError as error:
    print(error)
print((x + 1).tolist())
""",
    )
    assert "take: index 7 is out of range for an axis of size 3" in out
    assert out.endswith("[2.0, 2.0, 2.0]")


def test_what_it_lacks_is_said_with_what_it_has(installed: Path) -> None:
    out = python(
        installed,
        """
try:
    fl.ones(2, dtype=fl.float64, device="sample")
except (fl.DTypeError, fl.DeviceError) as error:
    print(error)
try:
    fl.ones(2, device="sample").numpy()
except fl.DeviceError as error:
    print(error)
""",
    )
    assert "float64" in out
    assert "x.to('cpu').numpy()" in out


def test_a_library_that_is_no_backend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(fl.DeviceError):
        fl.devices.load(str(tmp_path / "nothing.so"))


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_the_ops_are_clean_under_sanitizers(tmp_path: Path, sanitizer: str) -> None:
    build = tmp_path / "build"
    tools = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    for command in (
        [
            "cmake",
            "-S",
            str(SAMPLE),
            "-B",
            str(build),
            f"-DFLAMBEAU_SAMPLE_SANITIZE={sanitizer}",
            "-DFLAMBEAU_SAMPLE_TEST=ON",
        ],
        ["cmake", "--build", str(build)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, env=tools)
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([str(build / "sample_test")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR" not in done.stderr
    assert "WARNING" not in done.stderr
