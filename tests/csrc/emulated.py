"""The AArch64 build of the kernels, run by qemu's user emulation: calls go over a pipe (see kernel_server.cpp)."""

from __future__ import annotations

import ctypes
import fcntl
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tests.csrc.kernels import DTYPES, ROOT, STATUS, Array

BUILD = ROOT / "build" / "aarch64"
COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
SYSROOT = Path("/usr/aarch64-linux-gnu")


def missing() -> list[str]:
    """What this machine lacks to build and run for AArch64, as Debian calls it."""
    packages = {COMPILER: "g++-aarch64-linux-gnu", EMULATOR: "qemu-user", "cmake": "cmake"}
    return [package for program, package in packages.items() if not shutil.which(program)]


def build() -> Path:
    """Cross-build the kernels' server; ninja or make does nothing when nothing changed.

    Raises: RuntimeError with the end of what the compiler said.
    """
    toolchain = ROOT / "tests" / "csrc" / "aarch64.cmake"
    options = ("FLAMBEAU_OPENBLAS=OFF", f"CMAKE_TOOLCHAIN_FILE={toolchain}", f"Python_EXECUTABLE={sys.executable}")
    BUILD.parent.mkdir(exist_ok=True)
    configure = ["cmake", "-S", str(ROOT), "-B", str(BUILD), *(f"-D{option}" for option in options)]
    # Processes of one test run may come here at once: one builds, the others find it built.
    with BUILD.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for command in (configure, ["cmake", "--build", str(BUILD), "--target", "kernel_server", "-j", "2"]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                said = done.stdout[-2000:] + done.stderr[-2000:]
                raise RuntimeError(f"the AArch64 build of the kernels failed: {said}")
    return BUILD / "tests" / "csrc" / "kernel_server"


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<I", len(data)) + data


def _dtype(dtype: Any) -> bytes:
    return struct.pack("<BBH", *DTYPES[np.dtype(dtype)], 1)


def _attr(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<iiQ", 1, 0, int(value))
    if isinstance(value, int):
        return struct.pack("<iiq", 2, 0, value)
    if isinstance(value, float):
        return struct.pack("<iid", 3, 0, value)
    if isinstance(value, tuple | list):
        return struct.pack(f"<ii{len(value)}q", 4, len(value), *value)
    return struct.pack("<ii", 5, 0) + _dtype(value) + bytes(4)


class _Memory:
    """The arrays' memory as blocks that do not overlap: arrays that share memory here share it there."""

    def __init__(self, inputs: list[Array], outputs: list[Array]) -> None:
        spans = [(*byte_bounds(x), False) for x in inputs if x.size]
        spans += [(*byte_bounds(x), True) for x in outputs if x.size]
        self.blocks: list[list[int]] = []  # from, to, whether it is written
        for low, high, is_written in sorted(spans):
            if self.blocks and low < self.blocks[-1][1]:
                last = self.blocks[-1]
                last[1], last[2] = max(last[1], high), last[2] or is_written
            else:
                self.blocks.append([low, high, is_written])

    def request(self) -> bytes:
        parts = [struct.pack("<I", len(self.blocks))]
        for low, high, is_written in self.blocks:
            parts += [struct.pack("<QB", high - low, is_written), ctypes.string_at(low, high - low)]
        return b"".join(parts)

    def place(self, array: Array) -> bytes:
        steps = [step // array.itemsize for step in array.strides]
        where = struct.pack("<iQ", -1, 0)
        if array.size:
            address = array.__array_interface__["data"][0]
            number = next(i for i, (low, high, _) in enumerate(self.blocks) if low <= address < high)
            where = struct.pack("<iQ", number, address - self.blocks[number][0])
        dims = struct.pack(f"<i{array.ndim}q{array.ndim}q", array.ndim, *array.shape, *steps)
        return _dtype(array.dtype) + where + dims


class Emulated:
    """One backend of the AArch64 build; it answers as kernels.Device does.

    >>> Emulated("cpu").run("add", [np.ones(3), np.ones(3)], [np.empty(3)])  # doctest: +SKIP
    [array([2., 2., 2.])]
    """

    def __init__(self, name: str) -> None:
        self._name, self._threads = name, 1
        command = [EMULATOR, "-L", str(SYSROOT), str(build())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            status, self._driver = self._ask(_text(name) + _text(""))
            if status:
                raise RuntimeError(self._driver)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the emulator: it leaves when its input ends."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(20)

    def driver(self) -> str:
        """The device's driver in words: its level and its GEMM."""
        return self._driver

    def threads(self, count: int) -> None:
        """Runs what follows on so many threads."""
        self._threads = count

    def run(self, op: str, inputs: list[Array], outputs: list[Array], *attrs: Any, repeated: bool = False) -> Any:
        """Runs one op into `outputs` and gives them. Raises: as kernels.Device.run()."""
        typed = [*inputs[:1], *outputs[:1]] if repeated else [*inputs, *outputs]
        if repeated and (op.endswith("_step") or op == "unscale"):
            typed = inputs[:1]
        memory = _Memory(inputs, outputs)
        head = struct.pack("<iiiI", self._threads, len(inputs), len(outputs), len(typed))
        places = b"".join(memory.place(x) for x in [*inputs, *outputs])
        attributes = struct.pack("<I", len(attrs)) + b"".join(map(_attr, attrs))
        dtypes = b"".join(_dtype(x.dtype) for x in typed)
        status, failure = self._ask(
            _text(self._name) + _text(op) + head + dtypes + memory.request() + places + attributes
        )
        for low, high, is_written in memory.blocks:
            if is_written:
                ctypes.memmove(low, self._read(high - low), high - low)
        if status < 0:
            raise NotImplementedError(f"{op} for {[x.dtype.name for x in typed]}")
        if status:
            raise STATUS[status](failure)
        return outputs

    def _ask(self, request: bytes) -> tuple[int, str]:
        assert self._process.stdin is not None
        self._process.stdin.write(request)
        self._process.stdin.flush()
        status, size = struct.unpack("<iI", self._read(8))
        return status, self._read(size).decode()

    def _read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if len(data) != size:
            raise RuntimeError(f"the emulated kernels ended with status {self._process.wait(20)}")
        return data
