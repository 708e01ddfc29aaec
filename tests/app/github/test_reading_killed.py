"""Workers that die in the middle of reading GitHub: what stands in the end is what an undisturbed one reads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.github.client import Client
from app.jobs import JobState
from app.settings import Settings
from tests.app.github.world import Killed, World
from tests.doubles.github import GitHub
from tests.doubles.github.server import TOKEN
from tests.kill_reading import kill

Patch = pytest.MonkeyPatch
KILLS = int(os.environ.get("FLAMBEAU_GITHUB_KILLS", "1"))


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 4, 6, 8, 10])
def test_a_killed_reading_goes_on_and_ends_as_an_undisturbed_one(
    small: World, another: Callable[[], World], after: int, monkeypatch: Patch
) -> None:
    monkeypatch.setattr("app.github.reading.MOST", 2)
    sends, send = 0, Client._send

    def dies(self: Client, *arguments: Any, **options: Any) -> Any:
        nonlocal sends
        sends += 1
        if sends == after:
            raise Killed
        return send(self, *arguments, **options)

    monkeypatch.setattr(Client, "_send", dies)
    assert small.go_on(small.ask_and_die()).state is JobState.SUCCEEDED

    monkeypatch.undo()
    undisturbed = another()
    undisturbed.read()
    assert small.rows() == undisturbed.rows()


@pytest.mark.slow
def test_workers_that_are_killed_leave_whole_pages(small: World, another: Callable[[], World], github: GitHub,
                                                   settings: Settings, tmp_path: Path) -> None:  # fmt: skip
    """SIGKILL, in the middle of a request: by then the page before is written, and the worker's next one is not."""
    repository = github.repositories[0]
    for number in range(110):
        repository.pull(f"More {number}", github.account("eve"))
    (tmp_path / "token").write_text(TOKEN)
    home = {"FLAMBEAU_HOME": str(tmp_path), "DATABASE_URL": settings.database_url, "FLAMBEAU_GITHUB_URL": github.url,
            "FLAMBEAU_GITHUB_TOKEN_FILE": str(tmp_path / "token")}  # fmt: skip
    number, asked = small.ask(), 0
    workers: list[subprocess.Popen[bytes]] = []

    def kill(_request: Any) -> None:
        nonlocal asked
        asked += 1
        if asked in (4, 8):
            workers[-1].kill()

    github.before = kill
    while small.job(number).state is not JobState.SUCCEEDED and len(workers) < 5:
        command = [sys.executable, "-m", "flask", "--app", "app", "worker", "--once", "--lease", "1"]
        workers.append(subprocess.Popen(command, env=os.environ | home))
        workers[-1].wait(timeout=60)
        small.lease_runs_out(number)

    assert [one.returncode for one in workers] == [-9, -9, 0]
    whole = another()
    whole.read()
    assert small.rows() == whole.rows()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_readings_that_are_killed_at_random_end_as_an_undisturbed_one(
    kind: str, empty_url: Callable[[str], str], tmp_path: Path
) -> None:
    """While things are opened, changed and deleted there; `python -m tests.kill_reading` does it fifty times."""
    where, trouble = kill((empty_url(kind), empty_url(kind)), tmp_path, kills=KILLS, seed=7)
    assert trouble == []
    assert where.total() == KILLS
