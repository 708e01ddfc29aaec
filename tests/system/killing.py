"""What tests that kill have in common: a portal with all its processes, a killer, and what must hold afterwards."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
from app.serving.first_release import STEPS
from app.serving.opening import Opening, open_portal
from app.serving.processes import Family
from app.settings import Settings, session_key


@dataclass
class Killer:
    """Kills these processes of the family once, at the first look at which it is time."""

    family: Family
    victims: tuple[str, ...]
    is_time: Callable[[], bool]
    happened: bool = False

    def look(self) -> None:
        if self.happened or not self.is_time():
            return
        for name in self.victims:
            # gunicorn's children are in its group; the runner's builds are not, and must end all the same.
            os.killpg(self.family.process_of(name).pid, signal.SIGKILL)
        self.happened = True


@contextmanager
def running_portal(home: Path, repository: Path, governance: Path) -> Iterator[tuple[Flask, Opening, Family]]:
    """The portal for this repository with web, worker and runner, on a free port; leases last two seconds."""
    home.mkdir(mode=0o700)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(
        home=home, database_url=f"sqlite:///{home / 'flambeau.db'}", session_key=session_key(home), log_json=False,
        port=port, base_url=f"http://127.0.0.1:{port}", is_local=True, lease_s=2, governance_dir=governance,
    )  # fmt: skip
    app = create_app(settings, clock=SystemClock())
    opening = open_portal(app, look_at(repository))
    with Family(settings.folder("logs"), most_deaths=10_000) as family:
        start_processes(family, settings, opening)
        family.wait_until_answers(f"{settings.base_url}/healthz", timeout_s=60)
        yield app, opening, family
    app.extensions["flambeau"].db.close()


def assert_whole_and_once(app: Flask, commit: str, expected: dict[str, str]) -> None:
    """The commit's release is these files, published once; one audit entry a step and decision; no lease is left."""
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
