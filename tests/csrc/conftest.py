"""The devices that kernels are compared on: the reference, and the CPU backend at each of its levels."""

from __future__ import annotations

import fcntl
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.csrc import emulated
from tests.csrc.emulated import Emulated
from tests.csrc.kernels import ROOT, Device, library_path

LEVELS = ("v2", "v3", "v4", "aarch64") if platform.machine() in ("x86_64", "AMD64") else ("portable",)


@pytest.fixture(scope="session")
def harness() -> Path:
    """The kernels without the core; built if a compiler is there and it has not been, by one process at a time."""
    folder = ROOT / "build" / "harness"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # first of all: a file that another process still links is there already
        if library_path() is None:
            if not shutil.which("cmake") or not shutil.which("g++"):
                pytest.skip("the kernel harness is not built, nor can it be: apt-get install cmake g++")
            _build(folder)
    path = library_path()
    assert path is not None
    return path


def _build(folder: Path) -> None:
    for command in (
        ["cmake", "-G", "Ninja", "-S", str(ROOT), "-B", str(folder), "-DFLAMBEAU_OPENBLAS=OFF"],
        ["cmake", "--build", str(folder), "--target", "kernel_harness", "-j", "2"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"the kernel harness could not be built: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def at_level(level: str) -> Device:
    """The CPU backend at this level; skips where the processor has none of its instructions."""
    try:
        return Device("cpu", level=level)
    except RuntimeError as error:
        if "this processor does not run it" not in str(error):
            raise
        pytest.skip(f"this processor lacks instructions of level {level}; only one that has them can compare it")


@pytest.fixture(scope="session")
def reference(harness: Path) -> Device:
    return Device("reference")


@pytest.fixture(scope="session", params=LEVELS)
def cpu(request: pytest.FixtureRequest, harness: Path) -> Iterator[Device | Emulated]:
    """The CPU backend at each level; `aarch64` is the portable one as another processor runs it, in an emulator."""
    if request.param == "aarch64":
        if lacking := emulated.missing():
            pytest.skip(f"no AArch64 here: apt-get install {' '.join(lacking)}")
        device = emulated.Emulated("cpu")
        assert device.driver().startswith("level portable")
        yield device
        device.close()
        return
    device = at_level(request.param)
    assert device.driver().startswith(f"level {request.param}")
    yield device
