"""How the runner is started in these tests: as a plain folder, by an interpreter without site packages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

RUNNER = Path(__file__).resolve().parents[3] / "app" / "runner"


@pytest.fixture
def run_once(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run_once(portal.url, "--no-namespaces")` does the one job there is and ends."""
    (tmp_path / "token").write_text("registration\n")

    def run(url: str, *extra: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", str(RUNNER), "--portal", url, "--hardware", "cpu", "--once",
                   "--token-file", str(tmp_path / "token"), "--home", str(tmp_path / "runner"), *extra]  # fmt: skip
        environment = os.environ | {"DATABASE_URL": "postgresql://secret", "FLAMBEAU_SECRET": "hunter2"}
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, check=False)

    return run
