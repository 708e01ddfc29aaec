"""Kill -9 at each step's beginning, middle and end: every release still comes out whole, and once.

`FLAMBEAU_KILLS=60` kills more often; beyond the twelve named points, at random moments.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from app.serving.checks import look_at
from app.serving.first_release import STEPS, FirstRelease
from app.serving.opening import Opening
from app.serving.processes import Family
from tests import sample_project
from tests.system.killing import Killer, assert_whole_and_once, running_portal

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills")]
KILLS = int(os.environ.get("FLAMBEAU_KILLS", "12"))
POINTS = [f"{step}-{place}" for step in STEPS for place in ("begun", "half", "done")]
MOST_TRIES = 5
VICTIMS = [("runner",), ("web",), ("runner",), ("worker",), ("runner", "web", "worker")]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Opening, Family, Path]]:
    folder = tmp_path_factory.mktemp("kills")
    repository = folder / "sample"
    repository.mkdir()
    sample_project.write_repository(repository)
    governance = sample_project.write_governance(folder / "governance")
    with running_portal(folder / "home", repository, governance) as (app, opening, family):
        yield app, opening, family, repository


@pytest.mark.parametrize("number", range(KILLS))
def test_a_release_comes_out_whole_and_once_whoever_is_killed(portal, tmp_path, number):
    chance = random.Random(number)
    point = POINTS[number] if number < len(POINTS) else f"after {chance.uniform(0, 8):.2f}"
    # A point lasts some tenths of a second; on a busy machine the killer may look too late, and tries the next release.
    tries = (_release(portal, tmp_path / str(attempt), number, attempt, point) for attempt in range(MOST_TRIES))
    assert any(tries) or point.startswith("after"), f"{point} went by unseen in {MOST_TRIES} releases"


def _release(portal: tuple[Flask, Opening, Family, Path], folder: Path, number: int, attempt: int, point: str) -> bool:
    """Release a new commit whole and once, with one kill; whether the kill came at its point.

    `pytest -rP` shows what was being done when it came.
    """
    app, opening, family, repository = portal
    folder.mkdir()
    (repository / "core.cpp").write_text(f"#define ANSWER 42\n// {number}.{attempt} {point}\n{sample_project.SOURCE}")
    commit = sample_project.commit(repository, f"change {number}.{attempt}")
    work = FirstRelease(app, replace(opening, checkout=look_at(repository)))
    home = app.extensions["flambeau"].settings.home
    killer = Killer(family, VICTIMS[number % len(VICTIMS)], _moment(point, home))
    begun = time.monotonic()
    doing = "asking for the release"

    def is_over() -> bool:
        if not killer.happened:
            killer.look()
            if killer.happened:
                print(f"killed {' '.join(killer.victims)} at {point}: {doing}, {time.monotonic() - begun:.2f} s")
        assert time.monotonic() < begun + 120, f"no release 120 s after {killer.victims} died at {point}"
        return work.look(note)

    def note(text: str, share: float | None) -> None:
        nonlocal doing
        doing = text

    family.watch(until=is_over, every_s=0.02)
    assert work.trouble == ""
    assert_whole_and_once(app, commit, _expected_hashes(repository, folder, commit, str(work.version)))
    return killer.happened


def _moment(point: str, home: Path) -> Callable[[], bool]:
    """When to kill: at the file named after the point, which the build touches there, or so many seconds from now."""
    if point.startswith("after "):
        at = time.monotonic() + float(point.removeprefix("after "))
        return lambda: time.monotonic() > at
    return lambda: any(home.glob(f"runner/*/work/tmp/{point}"))


def _expected_hashes(repository: Path, folder: Path, commit: str, version: str) -> dict[str, str]:
    """The files of this commit, made here and now by its own backend, without any portal."""
    source = folder / "source"
    source.mkdir()
    archive = folder / "source.tar"
    sample_project.git(repository, "archive", "--output", str(archive), commit)
    subprocess.run(["tar", "-xf", str(archive), "-C", str(source)], check=True)
    stamp = sample_project.RECIPE["stamps"][0]
    text = stamp["text"].replace("{version}", version).replace("{commit}", commit)
    (source / stamp["path"]).write_text(text.replace("{origin}", "local build, reviewed by nobody"))
    epoch = sample_project.git(repository, "log", "-1", "--format=%ct", commit)
    out = folder / "out"
    out.mkdir()
    make = f"import backend; backend.build_sdist({str(out)!r}); backend.build_wheel({str(out)!r})"
    python = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([python, "-c", make], cwd=source, check=True, env=os.environ | {"SOURCE_DATE_EPOCH": epoch})
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()}
