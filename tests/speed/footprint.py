"""What ours weighs: time and memory of `import` in fresh processes, and the wheel."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.speed.rows import Ceiling
from tests.speed.workers import ROOT, environment

CEILINGS = (
    Ceiling("import_time", "import flambeau", "ms", 60.0),
    Ceiling("import_memory", "resident memory after import", "MB", 40.0),
    Ceiling("wheel_size", "the wheel", "MB", 30.0),
)
PROGRAM = """
import time
start = time.perf_counter()
import flambeau
seconds = time.perf_counter() - start
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[1])
import os
print(seconds * 1e3, pages * os.sysconf("SC_PAGESIZE") / 1e6)
"""


def samples_of(ceiling: Ceiling, rounds: int) -> tuple[list[float], str]:
    """The figures of one ceiling, and what they are of where that needs saying (or why there are none)."""
    if ceiling.name == "wheel_size":
        return _wheel()
    return [cost[ceiling.name == "import_memory"] for cost in _import_costs(rounds)], ""


@cache
def _import_costs(rounds: int) -> list[tuple[float, float]]:
    """Milliseconds that the import takes, and megabytes resident after it, compiled as pip leaves a package."""
    with tempfile.TemporaryDirectory() as folder:
        variables = environment("flambeau", 1)
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        variables["PYTHONPYCACHEPREFIX"] = folder
        _import_cost(variables)  # compiles
        return [_import_cost(variables) for _ in range(rounds)]


def _import_cost(variables: dict[str, str]) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=variables,
    )
    milliseconds, megabytes = map(float, done.stdout.split())
    return milliseconds, megabytes


def _wheel() -> tuple[list[float], str]:
    """Megabytes of the newest wheel in dist/, or of one built for this."""
    found = sorted((ROOT / "dist").glob("flambeau-*.whl"), key=lambda path: path.stat().st_mtime)
    if found:
        return [found[-1].stat().st_size / 1e6], f"dist/{found[-1].name}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        built = list(Path(folder).glob("*.whl"))
        if done.returncode or not built:
            return [], f"not built: {(done.stderr or done.stdout).strip().splitlines()[-1]}"
        return [built[0].stat().st_size / 1e6], f"{built[0].name}, built for this"
