"""A foundation with a real git repository under review: maintainers of its modules, and a branch `fix`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app.audit import Actor
from app.bodies import queries as bodies
from app.contributions.models import Change
from app.contributions.registry import ensure_repository
from app.db import Database
from app.jobs import Worker
from app.people import queries as people

TEST = Actor.system("test")
ADA = ("Ada Author", "ada@author.example")


@dataclass
class Foundation:
    """The portal with its source repository; `read()` does what the worker does every minute."""

    app: Flask
    db: Database
    source: Path

    def git(self, *arguments: str, author: tuple[str, str] = ADA) -> str:
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
        for role in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{role}_NAME": author[0], f"GIT_{role}_EMAIL": author[1]}
        done = subprocess.run(
            ["git", *arguments], cwd=self.source, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str, files: dict[str, str], *, sign: bool = True) -> str:
        for name, content in files.items():
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "-q", *(["-s"] if sign else []), "-m", message)
        return self.git("rev-parse", "HEAD")

    def read(self) -> None:
        with self.db.write() as session:
            session.execute(sa.text("UPDATE job_schedule SET next_at = '2000-01-01 00:00:00+00:00'"))
        Worker(self.app).run_until_idle()

    def maintainer(self, name: str, module: str) -> str:
        """A person on the module's maintainers' seat; their public id."""
        with self.db.write() as session:
            person = people.create_person(session, name, f"{name.split()[0].lower()}@maintainer.example")
            seat = bodies.seat_by_key(session, f"module:{module}", "maintainer")
            since = self.db.clock.now().date() - timedelta(days=1)
            bodies.appoint(session, seat, person, starts_on=since, actor=TEST, reason="Chosen.")
            return person.public_id

    def change(self, ref: str = "fix") -> Change:
        with self.db.read() as session:
            return session.scalars(sa.select(Change).where(Change.source_ref == ref)).one()


@pytest.fixture
def foundation(app: Flask, governed: Database, tmp_path: Path) -> Foundation:
    source = tmp_path / "source"
    source.mkdir()
    made = Foundation(app, governed, source)
    made.git("init", "-q", "-b", "main")
    made.commit("Begin", {"csrc/ops/add.cpp": "one\ntwo\nthree\n", "docs/ops.md": "ops\n"})
    with governed.write() as session:
        ensure_repository(session, str(source), name="flambeau", actor=TEST, reason="a test")
    made.read()
    made.git("switch", "-qc", "fix")
    return made
