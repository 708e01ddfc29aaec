"""Which index answers for the names that are not ours: the one that this machine's own pip uses."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache

_ASK_CONFIG = ("-m", "pip", "config", "get", "global.index-url")
# pip's own code knows its built-in default; we neither repeat it nor import pip into the portal.
_ASK_DEFAULT = ("-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)")


@lru_cache(maxsize=1)
def machine_upstream() -> str | None:
    """The index address of the machine's pip: its variable, its settings, or its built-in default; None without pip."""
    return os.environ.get("PIP_INDEX_URL") or _answer(_ASK_CONFIG) or _answer(_ASK_DEFAULT)


def _answer(arguments: tuple[str, ...]) -> str | None:
    python = getattr(sys, "_base_executable", sys.executable)
    for interpreter in dict.fromkeys((sys.executable, python)):
        try:
            done = subprocess.run([interpreter, *arguments], capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    return None
