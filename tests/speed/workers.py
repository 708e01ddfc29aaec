"""The rivals as processes: each waits its turn, so that all see the same machine at the same time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.speed.compiled import shared_object

ROOT = Path(__file__).resolve().parents[2]
TCMALLOC = ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4")
# These make OpenBLAS choose kernels of an older processor, for us and for NumPy alike.
MISLEADING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
# Threads that have worked spin a while before they sleep, OpenBLAS's for some 100 ms, OpenMP's for some ms: whoever
# comes next would have one processor less.
LINGER_S = {"numpy": 0.15}
LINGER_OTHERS_S = 0.02


def find_tcmalloc() -> Path | None:
    """The library that experts preload under PyTorch, if the machine has it."""
    folders = [Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-gnu"), Path("/usr/local/lib")]
    return next((folder / name for folder in folders for name in TCMALLOC if (folder / name).exists()), None)


def process_of(rival: str) -> str:
    """The process that a rival runs in: means that are no preloaded library share one.

    >>> process_of("torch+tcmalloc+channels_last+fused"), process_of("torch+tcmalloc+mkl"), process_of("numpy")
    ('torch+tcmalloc', 'torch+tcmalloc+mkl', 'numpy')
    """
    name, *means = rival.split("+")
    return "+".join([name, *(part for part in means if part in ("tcmalloc", "mkl"))])


def environment(rival: str, threads: int) -> dict[str, str]:
    """What a rival starts with. Raises: RuntimeError if what it preloads is not there."""
    variables = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    paths = [str(ROOT), str(ROOT / "framework"), variables.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    variables.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    # Ours cuts the work itself; NumPy's OpenBLAS reads its number of threads here.
    variables["OPENBLAS_NUM_THREADS"] = str(threads if rival == "numpy" else 1)
    preloaded = []
    if "+tcmalloc" in rival:
        tcmalloc = find_tcmalloc()
        if tcmalloc is None:
            raise RuntimeError("no libtcmalloc on this machine (Debian: libtcmalloc-minimal4)")
        preloaded.append(str(tcmalloc))
    if "+mkl" in rival:
        preloaded.append(str(shared_object("mkl_stub.c")))
    if preloaded:
        variables["LD_PRELOAD"] = ":".join(preloaded)
    return variables


class Worker:
    """One process. `missing` says why it cannot run, if it cannot."""

    def __init__(self, rival: str, threads: int) -> None:
        self.rival = rival
        self.missing = ""
        self.version = ""
        self.linger_s = LINGER_S.get(rival, LINGER_OTHERS_S) if threads > 1 else 0.0
        try:
            variables = environment(rival, threads)
        except RuntimeError as error:
            self.missing = str(error)
            return
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.speed.worker", rival, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=variables,
            process_group=0,  # a Ctrl-C is for the bench, which ends its workers by closing their pipes
        )
        answer = self._answer()
        self.missing = str(answer.get("error", ""))
        self.version = str(answer.get("version", ""))

    def prepare(self, rival: str, row: str) -> str:
        """Sets a row up; gives the reason if this rival cannot run it."""
        return self.missing or str(self._ask(f"prepare {rival} {row}").get("error", ""))

    def sample(self, rival: str, row: str) -> float | None:
        """Seconds a call; None when the process ended over it (`missing` says so)."""
        answer = self._ask(f"sample {rival} {row}")
        return None if self.missing else float(answer["seconds"])

    def drop(self) -> None:
        """Forgets what was set up, and its memory."""
        if not self.missing:
            self._ask("drop")

    def refresh_version(self) -> None:
        """Asks again: which GEMM runs is known after the first large product."""
        if not self.missing:
            self.version = str(self._ask("version").get("version", ""))

    def close(self) -> None:
        if not hasattr(self, "_process"):
            return
        with suppress(BrokenPipeError), self._process:  # closes the pipes, at whose end the worker ends, and waits
            pass

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the answer will be missing too
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.missing = f"its process ended with {self._process.wait()}; its error went to the terminal"
            return {"error": self.missing}
        answer: dict[str, Any] = json.loads(line)
        return answer


# Ends by itself when the bench was killed.
_BUSY = """
import os
bench = os.getppid()
while os.getppid() == bench:
    sum(range(1_000_000))
"""


class BusyProcess:
    """A process that computes without end while a `with` block runs, and sleeps else."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", _BUSY])
        self._process.send_signal(signal.SIGSTOP)

    def __enter__(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
