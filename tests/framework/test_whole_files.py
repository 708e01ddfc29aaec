"""A process that is killed while it writes leaves the file that was there, or the new one, and never a part."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import flambeau as fl
import pytest

WRITER = """
import sys
import flambeau as fl
save = {"safetensors": fl.save, "npz": fl.save_npz}[sys.argv[1]]
print("ready", flush=True)
for step in range(10**9):
    save({"step": fl.full((400_000,), float(step)), "last": fl.tensor(float(step))}, sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_a_writer_that_is_killed_leaves_a_whole_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "state"
    load = {"safetensors": fl.load, "npz": fl.load_npz}[kind]
    for delay in (0.004, 0.02, 0.05):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, kind, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        with writer.stdout:
            assert writer.stdout.readline() == "ready\n"
            begun = time.time_ns()
            while writer.poll() is None and (not path.exists() or path.stat().st_mtime_ns < begun):
                time.sleep(0.001)
            time.sleep(delay)  # into the middle of one of the next
            writer.kill()
            writer.wait()
        state = load(path)
        assert bool(fl.all(state["step"] == state["last"])), "parts of two files"
