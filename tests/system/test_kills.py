"""Kill -9 at each step's beginning, middle and end: every release still comes out whole, and once.

`FLAMBEAU_KILLS=60` kills more often; beyond the twelve named points, at random moments.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app import audit, create_app
from app.builds.models import Artefact, ArtefactKind, Build
from app.clock import SystemClock
from app.index.models import ProjectFile
from app.jobs import Job
from app.releases.models import Release
from app.serve import start_processes
from app.serving.checks import look_at
from app.serving.first_release import STEPS, FirstRelease
from app.serving.opening import Opening, open_portal
from app.serving.processes import Family
from app.settings import Settings, session_key
from tests import sample_project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills")]
KILLS = int(os.environ.get("FLAMBEAU_KILLS", "12"))
POINTS = [f"{step}-{place}" for step in STEPS for place in ("begun", "half", "done")]
MOST_TRIES = 5
VICTIMS = [("runner",), ("web",), ("runner",), ("worker",), ("runner", "web", "worker")]


@dataclass
class Killer:
    """Kills once: when the build touches the file named after the point, or at a random moment."""

    family: Family
    home: Path
    point: str
    victims: tuple[str, ...]
    begun: float = field(default_factory=time.monotonic)
    happened: bool = False

    def look(self) -> None:
        if self.happened or not self._is_time():
            return
        for name in self.victims:
            # gunicorn's children are in its group; the runner's builds are not, and must end all the same.
            os.killpg(self.family.process_of(name).pid, signal.SIGKILL)
        self.happened = True

    def _is_time(self) -> bool:
        if self.point.startswith("after "):
            return time.monotonic() - self.begun > float(self.point.removeprefix("after "))
        return any(self.home.glob(f"runner/*/work/tmp/{self.point}"))


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Opening, Family, Path]]:
    folder = tmp_path_factory.mktemp("kills")
    repository, home = folder / "sample", folder / "home"
    repository.mkdir()
    home.mkdir(mode=0o700)
    sample_project.write_repository(repository)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(
        home=home, database_url=f"sqlite:///{home / 'flambeau.db'}", session_key=session_key(home), log_json=False,
        port=port, base_url=f"http://127.0.0.1:{port}", is_local=True, lease_s=2,
        governance_dir=sample_project.write_governance(folder / "governance"),
    )  # fmt: skip
    app = create_app(settings, clock=SystemClock())
    opening = open_portal(app, look_at(repository))
    with Family(settings.folder("logs"), most_deaths=10_000) as family:
        start_processes(family, settings, opening)
        family.wait_until_answers(f"{settings.base_url}/healthz", timeout_s=60)
        yield app, opening, family, repository
    app.extensions["flambeau"].db.close()


@pytest.mark.parametrize("number", range(KILLS))
def test_a_release_comes_out_whole_and_once_whoever_is_killed(portal, tmp_path, number):
    chance = random.Random(number)
    point = POINTS[number] if number < len(POINTS) else f"after {chance.uniform(0, 8):.2f}"
    # A point lasts some tenths of a second; on a busy machine the killer may look too late, and tries the next release.
    tries = (_release(portal, tmp_path / str(attempt), number, attempt, point) for attempt in range(MOST_TRIES))
    assert any(tries) or point.startswith("after"), f"{point} went by unseen in {MOST_TRIES} releases"


def _release(
    portal: tuple[Flask, Opening, Family, Path], folder: Path, number: int, attempt: int, point: str
) -> bool:
    """Release a new commit whole and once, with one kill; whether the kill came at its point."""
    app, opening, family, repository = portal
    folder.mkdir()
    (repository / "core.cpp").write_text(f"#define ANSWER 42\n// {number}.{attempt} {point}\n{sample_project.SOURCE}")
    commit = sample_project.commit(repository, f"change {number}.{attempt}")
    work = FirstRelease(app, replace(opening, checkout=look_at(repository)))
    home = app.extensions["flambeau"].settings.home
    killer = Killer(family, home, point, VICTIMS[number % len(VICTIMS)])
    end = time.monotonic() + 120

    def is_over() -> bool:
        killer.look()
        assert time.monotonic() < end, f"no release 120 s after {killer.victims} died at {point}"
        return work.look(lambda text, share: None)

    family.watch(until=is_over, every_s=0.02)
    assert work.trouble == ""
    _assert_whole_and_once(app, commit, _expected_hashes(repository, folder, commit, str(work.version)))
    return killer.happened


def _assert_whole_and_once(app: Flask, commit: str, expected: dict[str, str]) -> None:
    with app.extensions["flambeau"].db.read() as session:
        build = session.scalars(sa.select(Build).where(Build.commit_sha == commit)).one()
        release = session.scalars(sa.select(Release).where(Release.commit_sha == commit)).one()
        published = dict(
            session.execute(
                sa.select(ProjectFile.filename, ProjectFile.sha256).where(ProjectFile.version == release.version)
            ).all()
        )
        assert published == expected
        kept = sa.select(Artefact.filename, Artefact.sha256).where(
            Artefact.build_id == build.id, Artefact.kind.in_([ArtefactKind.SDIST, ArtefactKind.WHEEL])
        )
        assert dict(session.execute(kept).all()) == expected
        for job, steps in (
            (build.job, STEPS),
            (release.job, ("build", "evidence", "sign-offs", "decision", "publish")),
        ):
            entries = sa.select(audit.AuditEntry.action).where(
                audit.AuditEntry.thing == job.public_id, audit.AuditEntry.action.like("jobs.%")
            )
            assert sorted(session.scalars(entries)) == sorted(f"jobs.{job.workflow}.{name}" for name in steps)
        for action in ("releases.sign-off", "releases.publish", "releases.request"):
            entries = sa.select(audit.AuditEntry.number).where(
                audit.AuditEntry.thing == release.public_id, audit.AuditEntry.action == action
            )
            assert len(session.scalars(entries).all()) == 1, action
        mine = sa.select(Job.public_id).where(Job.id.in_([build.job_id, release.job_id]))
        assert session.scalars(mine.where(Job.lease_expires_at.is_not(None))).all() == []
        assert audit.verify(session).ok


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
