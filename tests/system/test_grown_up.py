"""The compose file's processes on one machine, with PostgreSQL: the same commands, gunicorn and worker, to the end."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from app import audit, create_app
from app.contributions.registry import ensure_repository
from app.db import Database
from app.jobs import Job, JobState
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
TESTER = audit.Actor.system("test")
pytestmark = [pytest.mark.slow, pytest.mark.postgres]


class Foundation:
    """A portal in a temporary home on PostgreSQL, run by the commands that the compose file names."""

    def __init__(self, home: Path, url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.home = home
        self.url = url
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "FLAMBEAU_HOME": str(home),
            "DATABASE_URL": url,
            "PORT": str(self.port),
            "FLAMBEAU_BASE_URL": self.address,
            "FLAMBEAU_LEASE_S": "2",
        }
        self.settings = Settings.from_environment(self.environment)
        self.running: list[subprocess.Popen[bytes]] = []
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            ["flask", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, service: str) -> subprocess.Popen[bytes]:
        log = (self.home / f"{service}.log").open("ab")
        with log:
            process = subprocess.Popen(
                SERVICES[service]["command"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        self.running.append(process)
        return process

    def get(self, path: str, form: dict[str, str] | None = None) -> str:
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        with self.browser.open(self.address + path, data=data, timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def stop(self) -> list[int]:
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        return [process.wait(timeout=30) for process in self.running]


@pytest.fixture
def foundation(tmp_path: Path, empty_url: Callable[[str], str]) -> Iterator[Foundation]:
    """A foundation that is opened as the compose file's `open` does it."""
    made = Foundation(tmp_path / "home", empty_url("postgresql"))
    made.command("db", "upgrade")
    made.command("governance", "sync")
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with three commits of Ada's."""
    path = tmp_path / "kites"
    git = ["git", "-C", str(path), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    for number in range(3):
        (path / f"{number}.txt").write_text("kite\n")
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", f"Kite {number}"], check=True)
    return path


def wait_for(condition: Callable[[], bool], what: str, *, within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within {within_s} s"
        time.sleep(0.1)


def answers(foundation: Foundation) -> bool:
    try:
        return bool(json.loads(foundation.get("/healthz"))["ok"])
    except OSError:
        return False


def test_web_and_worker_on_postgresql_do_the_main_job_survive_a_kill_and_move_to_sqlite(
    foundation: Foundation, repository: Path, tmp_path: Path
) -> None:
    web, worker = foundation.start("web"), foundation.start("worker")
    wait_for(lambda: answers(foundation), "an answer of the web process")
    assert json.loads(foundation.get("/healthz")) == {"ok": True, "database": "postgresql"}

    link = foundation.command("admin", "invite", "--name", "Ada").splitlines()[0]
    path = link.removeprefix(foundation.address)
    token = re.search(r'name="csrf_token" value="([^"]+)"', foundation.get(path))
    assert token is not None
    foundation.get(path, {"csrf_token": token[1]})
    assert "administrator" in foundation.get("/account")

    app = create_app(foundation.settings)
    db: Database = app.extensions["flambeau"].db

    def ingest(name: str) -> Callable[[], bool]:
        with app.app_context(), db.write() as session:
            ensure_repository(session, str(repository), name=name, actor=TESTER, reason="a test")
        return has_read

    def has_read() -> bool:
        with db.read() as session:
            unfinished = [state for state in JobState if state is not JobState.SUCCEEDED]
            return session.scalar(sa.select(Job.id).where(Job.state.in_(unfinished)).limit(1)) is None

    worker.kill()
    worker.wait()
    done = ingest("kites")
    foundation.start("worker")
    wait_for(done, "the ingest after the worker was killed and another started")
    with db.read() as session:
        assert session.scalar(sa.text('SELECT count(*) FROM "commit"')) == 3
        assert audit.verify(session).ok

    foundation.running.remove(worker)
    assert foundation.stop() == [0, 0], "web and worker end in order when told to"
    assert web.returncode == 0

    archive = tmp_path / "portal.tar.gz"
    foundation.command("backup", str(archive))
    foundation.environment |= {
        "FLAMBEAU_HOME": str(tmp_path / "small"),
        "DATABASE_URL": "",
    }
    restored = foundation.command("restore", str(archive))
    assert foundation.command("audit", "verify").split("head ")[1] == restored.split("audit head ")[1]
    db.close()
