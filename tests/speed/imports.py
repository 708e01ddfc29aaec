"""Time and memory that `import` costs, in fresh processes."""

from __future__ import annotations

import subprocess
import sys

from tests.speed.workers import ROOT, environment

PROGRAM = """
import time
start = time.perf_counter()
import {module}
seconds = time.perf_counter() - start
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[1])
import os
print(seconds * 1e3, pages * os.sysconf("SC_PAGESIZE") / 1e6)
"""


def import_cost(module: str) -> tuple[float, float]:
    """Milliseconds that the import takes, and megabytes resident after it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(module, 1),
    )
    milliseconds, megabytes = done.stdout.split()
    return float(milliseconds), float(megabytes)
