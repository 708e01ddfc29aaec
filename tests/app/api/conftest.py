"""A small foundation of invented people with something of every kind in it, made once; and a program that asks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr

from app import create_app
from app.api.pace import Pace
from app.audit import Actor
from app.bodies import queries as bodies
from app.builds.models import Artefact, ArtefactKind, Build, ConformanceResult
from app.clock import FixedClock
from app.contributions.models import Change, Commit, Repository
from app.db import Database
from app.demo.scale.foundation import Scale
from app.demo.scale.generating import generate
from app.jobs import Job
from app.people import queries as people
from app.people.models import Person
from app.releases.models import Release
from app.reviews.models import Review, Side
from app.reviews.rules import Verdict
from app.search import queries as search
from app.settings import Settings

SMALL = Scale(60, 8, 3, 1500)
US = Actor.system("test")


@dataclass(frozen=True)
class Portal:
    """The portal, its database, and a program that asks it."""

    app: Flask
    db: Database
    client: FlaskClient


def portal_at(home: Path, url: str, *, synthetic: bool = True) -> Portal:
    """A portal on this database that never says 429."""
    settings = Settings(home=home, database_url=url, session_key=SecretStr("k" * 32), log_json=False,
                        synthetic=synthetic)  # fmt: skip
    clock = FixedClock()
    db = Database(url, clock=clock)
    app = create_app(settings, clock=clock, db=db)
    app.extensions["flambeau-api-pace"] = Pace(burst=10**9)
    app.config.update(WTF_CSRF_ENABLED=False)
    return Portal(app, db, app.test_client())


def fill(portal: Portal) -> None:
    """What the generator leaves out: a build and a release, words about a change, a seat, and somebody hidden."""
    generate(portal.app, SMALL, seed=7, say=lambda _text: None)
    with portal.app.app_context(), portal.db.write() as session:
        repository = session.scalars(sa.select(Repository).order_by(Repository.id).limit(1)).one()
        commit = session.scalars(sa.select(Commit).order_by(Commit.id).limit(1)).one()
        change = session.scalars(sa.select(Change).order_by(Change.id).limit(1)).one()
        crowd = list(session.scalars(sa.select(Person).order_by(Person.id).limit(3)))
        now = portal.db.clock.now()
        made: list[Job] = []
        for name in ("one", "two"):
            job = Job(workflow="build", queue="runner", key=name, payload={}, actor_kind="system", actor_id="test",
                      created_at=now, run_at=now)  # fmt: skip
            session.add(job)
            made.append(job)
        session.flush()
        build = Build(repository_id=repository.id, commit_sha=commit.sha, target_key="linux-x86_64-cpu",
                      version="1.0.0", is_local=True, is_trusted=True, created_at=now, job_id=made[0].id)  # fmt: skip
        release = Release(repository_id=repository.id, commit_sha=commit.sha, project="flambeau", version="1.0.0",
                          is_local=True, created_at=now, created_by=crowd[0].public_id, job_id=made[1].id)  # fmt: skip
        session.add_all([build, release])
        session.flush()
        session.add_all([
            Artefact(build_id=build.id, step="wheel", filename="flambeau-1.0.0.whl", kind=ArtefactKind.WHEEL,
                     sha256="ab" * 32, size_bytes=7),
            ConformanceResult(build_id=build.id, device="cpu", hardware="a CPU", driver="", conforms=True, passed=7,
                              failed=0, unsupported=1, not_run=0, seconds=1.5, report_sha256="cd" * 32),
            Review(change_id=change.id, head_sha=commit.sha, person_id=crowd[0].id, verdict=Verdict.COMMENT,
                   text="Why <b>so</b>?", path="csrc/ops/add.cpp", side=Side.NEW, line=7, said_at=now),
        ])  # fmt: skip
        seat = bodies.seat_by_key(session, "administration", "administrator")
        assert seat is not None
        bodies.appoint(session, seat, crowd[1], starts_on=now.date(), actor=US, reason="a test begins")
        people.hide(session, crowd[2], hidden=True, actor=US, reason="they asked")
    search.work_off(portal.db)


@pytest.fixture(scope="session")
def filled_file(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    """The SQLite file of the filled foundation."""
    home = tmp_path_factory.mktemp("filled")
    shutil.copy(sqlite_template, home / "flambeau.db")
    portal = portal_at(home, f"sqlite:///{home / 'flambeau.db'}")
    fill(portal)
    with portal.db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    portal.db.close()
    return home / "flambeau.db"


@pytest.fixture(scope="session")
def portal(filled_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The filled foundation, to be read."""
    made = portal_at(tmp_path_factory.mktemp("api"), f"sqlite:///{filled_file}")
    yield made
    made.db.close()


@pytest.fixture
def own_portal(filled_file: Path, tmp_path: Path) -> Iterator[Portal]:
    """A copy of it, to be written to."""
    shutil.copy(filled_file, tmp_path / "own.db")
    made = portal_at(tmp_path, f"sqlite:///{tmp_path / 'own.db'}")
    yield made
    made.db.close()
