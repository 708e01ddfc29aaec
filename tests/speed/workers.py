"""The rivals as processes: each waits its turn, so that all see the same machine at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TCMALLOC = ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4")
# These make OpenBLAS choose kernels of an older processor, for us and for NumPy alike.
MISLEADING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def find_tcmalloc() -> Path | None:
    """The library that experts preload under PyTorch, if the machine has it."""
    folders = [Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-gnu"), Path("/usr/local/lib")]
    return next((folder / name for folder in folders for name in TCMALLOC if (folder / name).exists()), None)


def environment(rival: str, threads: int) -> dict[str, str]:
    """What a rival starts with."""
    variables = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    paths = [str(ROOT), str(ROOT / "framework"), variables.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    variables.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    # Ours cuts the work itself; NumPy's OpenBLAS reads its number of threads here.
    variables["OPENBLAS_NUM_THREADS"] = str(threads if rival == "numpy" else 1)
    if rival == "torch+tcmalloc":
        tcmalloc = find_tcmalloc()
        variables["LD_PRELOAD"] = str(tcmalloc) if tcmalloc else ""
    return variables


class Worker:
    """One rival. `missing` says why it cannot run, if it cannot."""

    def __init__(self, rival: str, threads: int) -> None:
        self.rival = rival
        self.missing = ""
        self.version = ""
        if rival == "torch+tcmalloc" and find_tcmalloc() is None:
            self.missing = "no libtcmalloc on this machine (Debian: libtcmalloc-minimal4)"
            return
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.speed.worker", rival, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(rival, threads),
        )
        answer = self._answer()
        self.missing = str(answer.get("error", ""))
        self.version = str(answer.get("version", ""))

    def prepare(self, row: str) -> str:
        """Sets a row up; gives the reason if this rival cannot run it."""
        return str(self._ask(f"prepare {row}").get("error", ""))

    def sample(self) -> float:
        """Seconds a call."""
        return float(self._ask("sample")["seconds"])

    def refresh_version(self) -> None:
        """Asks again: which GEMM runs is known after the first large product."""
        self.version = str(self._ask("version")["version"])

    def close(self) -> None:
        if not hasattr(self, "_process"):
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"bench: the process of {self.rival} ended; its error is above")
        answer: dict[str, Any] = json.loads(line)
        return answer
