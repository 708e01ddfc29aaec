"""What the tests of GitHub share: its double, portals that count or read repositories there, and a signed webhook."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from flask import Flask
from pydantic import SecretStr
from werkzeug.test import TestResponse

from app import create_app
from app.audit import Actor
from app.clock import FixedClock
from app.contributions.models import Repository
from app.db import Database
from app.github.jobs import Listener
from app.settings import Settings
from tests.app.github.octokit.cut import examples
from tests.app.github.world import World, busy, world
from tests.doubles.github import GitHub, running

SECRET, FORMER = "a secret of the tests, long enough", "the one before, while it is changed"
EXAMPLES = examples()
PLACES = ("Codertocat/Hello-World", "octo-org/octo-repo", "Octocoders/Hello-World")


def example(event: str, action: str = "", **changed: Any) -> dict[str, Any]:
    """GitHub's first example of an event, with parts of its object changed (`comment__id=5`)."""
    found = next(body for name, body in EXAMPLES if name == event and action in (body.get("action"), ""))
    found = copy.deepcopy(found)
    for path, value in changed.items():
        *into, last = path.split("__")
        place = found
        for name in into:
            place = place[name]
        place[last] = value
    return found


def count(db: Database, table: Any) -> int:
    with db.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass
class Hooked:
    """A portal that hears webhooks."""

    app: Flask
    db: Database
    sent: int = field(default=0)

    def send(self, event: str, payload: Any, *, secret: str = SECRET, form: bool = False, guid: str = "",
             **headers: str) -> TestResponse:  # fmt: skip
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        if form:
            body = urlencode({"payload": body.decode()}).encode()
        self.sent += 1
        told = {"X-GitHub-Event": event, "X-GitHub-Delivery": guid or f"guid-{self.sent}",
                "X-Hub-Signature-256": signature(body, secret),
                "Content-Type": "application/x-www-form-urlencoded" if form else "application/json"}  # fmt: skip
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.app.test_client().post("/api/github/hook", data=body, headers=told)

    def handle(self) -> dict[str, int]:
        """As the job does, without a worker."""
        return Listener(self.db.write, Actor.system("test")).run()

    def hear(self, event: str, payload: Any) -> dict[str, int]:
        answer = self.send(event, payload)
        assert answer.status_code == 202, answer.text
        return self.handle()


def hooked(settings: Settings, db: Database, clock: FixedClock) -> Hooked:
    secrets = (SecretStr(SECRET), SecretStr(FORMER))
    app = create_app(settings.model_copy(update={"github_hook_secrets": secrets}), clock=clock, db=db)
    app.testing = True
    with db.write() as session:
        for number, place in enumerate(PLACES):
            session.add(Repository(name=f"r{number}", url=f"https://github.com/{place}.git", added_at=clock.now(),
                                   public_id=f"r_000{number}"))  # fmt: skip
    return Hooked(app, db)


@pytest.fixture
def github(clock: FixedClock) -> Iterator[GitHub]:
    """The double, of which nothing may be refused by GitHub's own descriptions."""
    with running(clock.now) as made:
        yield made
    assert made.refusals == []


@pytest.fixture
def small(github: GitHub, db: Database, clock: FixedClock, settings: Settings) -> World:
    """A portal beside a small repository."""
    made = world(github, db, clock, settings)
    made.a_day_passes = busy(github, clock)
    return made


@pytest.fixture
def another(github: GitHub, settings: Settings, sqlite_template: Path, tmp_path: Path, clock: FixedClock,
            ) -> Iterator[Callable[[], World]]:  # fmt: skip
    """Gives another portal beside the same GitHub, which has read nothing yet."""
    made: list[Database] = []

    def make() -> World:
        path = tmp_path / f"another-{len(made)}.db"
        shutil.copy(sqlite_template, path)
        made.append(Database(f"sqlite:///{path}", clock=clock))
        return world(github, made[-1], clock, settings)

    yield make
    for one in made:
        one.close()


@pytest.fixture
def hook(settings: Settings, db: Database, clock: FixedClock) -> Hooked:
    return hooked(settings, db, clock)


@pytest.fixture
def hook_each(settings: Settings, db_each: Database, clock: FixedClock) -> Hooked:
    return hooked(settings, db_each, clock)
