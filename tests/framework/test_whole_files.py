"""A process that is killed while it writes leaves the file that was there, or the new one, and never a part."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import flambeau as fl
import pytest
from flambeau.whole_files import written_whole

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


STOPPED = """
import sys, time
from flambeau.whole_files import written_whole
with written_whole(sys.argv[1]) as file:
    file.write(b"half of it")
    file.flush()
    print("ready", flush=True)
    time.sleep(100)
"""


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name; use Linux")
def test_a_writer_that_is_killed_leaves_no_litter(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STOPPED, str(tmp_path / "state")]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer.stdout:
        assert writer.stdout.readline() == "ready\n"
        writer.kill()
        writer.wait()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("unnamed", [True, False])
def test_a_file_is_written_whole_with_and_without_files_that_have_no_name(
    unnamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not unnamed:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "state"
    for value in (1.0, 2.0):
        fl.save({"x": fl.full(3, value)}, path)
        assert fl.load(path)["x"].tolist() == [value] * 3

    def stop_in_the_middle() -> None:
        with written_whole(path) as file:
            file.write(b"half of it")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stop_in_the_middle()
    assert fl.load(path)["x"].tolist() == [2.0] * 3
    assert list(tmp_path.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
