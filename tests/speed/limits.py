"""The machine's limits, measured in the same run: memory bandwidth by a copy, peak by a loop of multiply-adds."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE = Path(__file__).with_name("limits.c")
COPY_BYTES = 128 << 20
MULTIPLY_ADD_ROUNDS = 20_000_000


class Limits:
    """The compiled helper. Raises: RuntimeError without a C compiler."""

    def __init__(self) -> None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            raise RuntimeError("the machine's limits need a C compiler: apt-get install gcc")
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "limits.so"
            flags = ["-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
            subprocess.run([compiler, *flags, str(SOURCE), "-o", str(library)], check=True, capture_output=True)
            self._library = ctypes.CDLL(str(library))
        for function in (self._library.copy_bandwidth, self._library.multiply_add_rate):
            function.restype = ctypes.c_double
            function.argtypes = [ctypes.c_int64]

    def measure(self, threads: int) -> dict[str, float]:
        """Bytes and operations a second on so many threads at once."""
        with ThreadPoolExecutor(threads) as pool:
            copies = sum(pool.map(self._library.copy_bandwidth, [COPY_BYTES] * threads))
            operations = sum(pool.map(self._library.multiply_add_rate, [MULTIPLY_ADD_ROUNDS] * threads))
        return {"bytes_per_s": copies, "operations_per_s": operations}
