"""Kill -9 while the compiler works on the framework itself: the release is bit for bit that of an undisturbed build.

It builds the framework nearly three times, the undisturbed build among them, which takes minutes; so it asks for
`FLAMBEAU_KILL_REAL_BUILD=1`, as `.ci/run` does. Where `CCACHE_DIR` names a folder, as there, the compiler's work is
taken from it; where it does not, the compilers work each time, and nothing is shared with the undisturbed build.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.builds.models import Build
from app.runner import machine
from app.runner.workspace import Workspace
from app.serving.first_release import FirstRelease
from tests.system.killing import Killer, assert_whole_and_once, running_portal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("FLAMBEAU_KILL_REAL_BUILD"),
        reason="takes minutes: FLAMBEAU_KILL_REAL_BUILD=1 asks for it, as .ci/run does",
    ),
]
ROOT = Path(__file__).resolve().parents[2]
OBJECTS = 30  # of about a hundred: the compiler is in the middle of its work
MOST_S = 1500


def test_the_frameworks_release_comes_out_whole_and_once_when_all_die_while_the_compiler_works(tmp_path):
    repository, home = tmp_path / "flambeau", tmp_path / "home"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(repository)], check=True)
    compilers: set[tuple[int, str]] = set()

    def in_the_middle() -> bool:
        if len(list(home.glob("runner/*/work/tmp/unpacked/build/**/*.o"))) < OBJECTS:
            return False
        compilers.update(_processes_of_builds())
        return bool(compilers)

    with running_portal(home, repository, repository / "governance") as (app, opening, family):
        work = FirstRelease(app, opening)
        killer = Killer(family, ("runner", "worker"), in_the_middle)
        end = time.monotonic() + MOST_S
        gone_by = 0.0

        def is_over() -> bool:
            nonlocal gone_by
            if not killer.happened:
                killer.look()
                gone_by = time.monotonic() + 10
            left = compilers & _processes_of_builds()
            assert not left or time.monotonic() < gone_by, f"compilers {left} outlive their runner"
            assert time.monotonic() < end, f"no release after {MOST_S} s; the last page was {work.page}"
            return work.look(lambda text, share: None)

        family.watch(until=is_over, every_s=0.1)
        assert work.trouble == ""
        assert killer.happened
        commit = str(opening.checkout.commit)
        assert_whole_and_once(app, commit, _undisturbed(app, commit, repository, tmp_path))


def _processes_of_builds() -> set[tuple[int, str]]:
    """The processes that stand in a wheel's unpacked source: number and start, as a number may come again meanwhile."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place, stat = os.readlink(process / "cwd"), (process / "stat").read_text()
        except OSError:
            continue
        if "/work/tmp/unpacked" in place:
            found.add((int(process.name), stat.rpartition(")")[2].split()[19]))
    return found


def _undisturbed(app: Flask, commit: str, repository: Path, folder: Path) -> dict[str, str]:
    """The hashes of what the recipe's first two steps make of the commit in another folder, without any portal."""
    with app.extensions["flambeau"].db.read() as session:
        task: dict[str, Any] = session.scalars(sa.select(Build).where(Build.commit_sha == commit)).one().job.payload
    space = Workspace(folder / "a longer way to" / "the undisturbed build".replace(" ", "-"))
    space.create()
    archive = folder / "source.tar"
    subprocess.run(["git", "archive", "--output", str(archive), commit], cwd=repository, check=True)
    space.unpack(archive)
    space.stamp(task["stamps"])
    given = {
        **task["environment"], "HOME": str(space.home), "TMPDIR": str(space.tmp), "PYTHON": machine.base_python(),
        "OUT": str(space.inputs), "INPUTS": str(space.inputs), "WORK": str(space.tmp),
        "CCACHE_DIR": str(machine.compiler_cache() or space.home / "ccache"),
    }  # fmt: skip
    for step in task["steps"][:2]:
        subprocess.run(
            ["/bin/sh", "-eu", "-c", step["script"]], cwd=space.source, check=True, env=machine.environment(given)
        )
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in space.inputs.iterdir()}
