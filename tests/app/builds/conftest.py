"""A portal with the sample project, its runner, and a browser for each kind of person."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from app import create_app
from app.audit import Actor
from app.builds import queries as builds
from app.clock import SystemClock
from app.contributions.registry import ensure_repository
from app.db import Database
from app.governance import sync
from app.governance_files import read
from app.jobs import Worker
from app.settings import Settings, session_key
from tests import sample_project

RUNNER = Path(__file__).resolve().parents[3] / "app" / "runner"
US = Actor.system("test")
TARGET = "linux-x86_64-cpu"


@dataclass
class Farm:
    """A portal that answers on a port, with a registered runner that the test lets work."""

    app: Flask
    settings: Settings
    repository: Path
    commit: str
    url: str
    folder: Path

    @property
    def db(self) -> Database:
        db: Database = self.app.extensions["flambeau"].db
        return db

    def work(self) -> list[str]:
        """Let the worker do what is due."""
        return Worker(self.app).run_until_idle()

    def run_runner(self, *extra: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Let the runner do one job."""
        command = [sys.executable, "-I", "-S", str(RUNNER), "--portal", self.url, "--hardware", TARGET, "--once",
                   "--token-file", str(self.folder / "token"), "--home", str(self.settings.folder("runner")),
                   "--hide", str(self.settings.home), *extra]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, check=False)


@pytest.fixture
def administrator_of(signed_in) -> Callable[[Flask], FlaskClient]:
    """`administrator_of(app)`: a browser with the first administrator signed in."""

    def sign_in(app: Flask) -> FlaskClient:
        house = app.extensions["flambeau"]
        with app.app_context(), house.db.write() as session:
            person = house.directory.first_administrator(session, "Root", "", "test")
        return signed_in(app.test_client(), person)

    return sign_in


MakeFarm = Callable[..., Farm]


@pytest.fixture
def make_farm(tmp_path: Path, sqlite_url: str) -> Iterator[MakeFarm]:
    """`make_farm(answer=41, limits={...})`: a farm whose sample gives that answer, built by a changed recipe."""
    servers = []

    def make(*, answer: int = 42, change: Callable[[Path], None] | None = None, **recipe: object) -> Farm:
        repository, home = tmp_path / "sample", tmp_path / "home"
        repository.mkdir()
        home.mkdir(mode=0o700)
        sha = sample_project.write_repository(repository, answer=answer)
        if change is not None:
            change(repository)
            sha = sample_project.commit(repository, "a change")
        settings = Settings(
            home=home, database_url=sqlite_url, session_key=session_key(home), log_json=False, is_local=True,
            lease_s=20,
            governance_dir=sample_project.write_governance(tmp_path / "governance", **recipe),
            upstream_index="http://127.0.0.1:9/simple/",
        )  # fmt: skip
        app = create_app(settings, clock=SystemClock())
        app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append((server, app))
        house = app.extensions["flambeau"]
        with app.app_context(), house.db.write() as session:
            governance = read(settings.governance_dir, today=datetime.now(UTC).date()).require()
            sync.apply(session, governance, actor=US, reason="test")
            ensure_repository(session, str(repository), name="sample", actor=US, reason="test")
            token = builds.register_runner(session, "tester", [TARGET], actor=US, reason="test")
        (tmp_path / "token").write_text(token)
        return Farm(app, settings, repository, sha, f"http://127.0.0.1:{server.server_port}", tmp_path)

    yield make
    for server, app in servers:
        server.shutdown()
        server.server_close()
        app.extensions["flambeau"].db.close()
