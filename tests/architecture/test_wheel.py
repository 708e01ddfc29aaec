"""What people install: the wheel holds the framework and nothing else, and builds from the source distribution."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.xdist_group("wheel"),  # one worker builds it, once
    pytest.mark.skipif(
        not (find_spec("scikit_build_core") and find_spec("pybind11") and find_spec("scipy_openblas32")),
        reason="scikit-build-core, pybind11 or scipy-openblas32 is not installed",
    ),
]
# Debian 12's Python 3.11.2 knows no filters; Python 3.12 warns where none is named.
FILTER: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def build(kind: str, source: Path, to: Path) -> Path:
    """A distribution of `source` by its own build backend, without fetching anything."""
    hook = f"from scikit_build_core.build import build_{kind} as build; print(build({str(to)!r}))"
    # By the name under which make calls the compiler: else ccache, which looks at the name, compiles everything again.
    named = {"CC": "cc", "CXX": "c++", **os.environ}
    subprocess.run([sys.executable, "-c", hook], cwd=source, env=named, check=True, capture_output=True, text=True)
    return max(to.iterdir(), key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> Path:
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, **FILTER)
    return build("wheel", next(unpacked.iterdir()), tmp_path_factory.mktemp("wheel"))


def test_the_source_distribution_holds_what_a_build_needs_and_nothing_of_the_portal(sdist):
    with tarfile.open(sdist) as archive:
        names = [name.split("/", 1)[1] for name in archive.getnames() if "/" in name]
    roots = {name.split("/")[0] for name in names}
    assert roots == {
        "CHANGELOG.md", "CMakeLists.txt", "LICENSE", "PKG-INFO", "README.md", "csrc", "framework", "pyproject.toml",
    }  # fmt: skip
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
    assert "csrc/include/flambeau/backend.h" in names
    assert "framework/flambeau/__init__.py" in names


@pytest.mark.slow
def test_the_wheel_built_from_it_holds_the_framework_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {re.sub(r"-.*", "", name.split("/")[0]) for name in names} == {"flambeau"}
    inside = {name.removeprefix("flambeau/") for name in names if name.startswith("flambeau/")}
    assert [name for name in inside if re.fullmatch(r"_core\.cpython-.*\.so", name)]
    assert {"__init__.py", "_core.pyi", "py.typed", "include/flambeau/backend.h"} <= inside
    assert {"libs/libscipy_openblas.so", "libs/LICENSE-OpenBLAS.txt"} <= inside
    assert any(name.endswith("licenses/LICENSE") for name in names)
    sources = {str(p.relative_to(ROOT / "framework/flambeau")) for p in (ROOT / "framework/flambeau").rglob("*.py")}
    assert sources <= inside
    assert wheel.stat().st_size < 30e6


@pytest.mark.slow
def test_the_wheel_computes_where_it_is_unpacked(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        "import flambeau as fl; x = fl.ones((300, 300)).requires_grad_(); (x @ x).sum().backward(); "
        "print(fl.__file__, x.grad[0, 0].item())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    place, value = done.stdout.split()
    assert place.startswith(str(tmp_path))
    assert float(value) == 600
