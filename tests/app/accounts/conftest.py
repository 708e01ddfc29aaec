"""A portal with an issuer, a GitHub and a mail server beside it, each speaking over a real connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr

from app import create_app
from app.clock import FixedClock
from app.connections import Issuer, MailServer
from app.db import Database
from app.jobs import Worker, schedules
from app.settings import Settings
from tests.app.accounts import github_double, issuer, mailbox
from tests.app.accounts.github_double import GitHubDouble
from tests.app.accounts.issuer import RealIssuer
from tests.app.accounts.mailbox import Mailbox

BASE = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def nothing_is_scheduled(own_registrations: None) -> None:
    """The worker does what a test asks for, and not also what every portal does by the clock."""
    schedules().clear()


@pytest.fixture(scope="package")
def acme_issuer() -> Iterator[RealIssuer]:
    """An issuer, started once."""
    with issuer.running(f"{BASE}/sign-in/with/acme/back") as made:
        yield made


@pytest.fixture
def acme(acme_issuer: RealIssuer) -> RealIssuer:
    """The issuer as it began."""
    fresh = {"user": "ada", "asks": False, "spoil": None, "published": {}, "seen": []}
    for name, value in fresh.items():
        setattr(acme_issuer, name, value)
    acme_issuer.server.context.cdb[issuer.CLIENT]["redirect_uris"] = [(acme_issuer.redirect_uri, {})]
    acme_issuer.people["ada"].update(email="ada@acme.com", email_verified=True)
    return acme_issuer


@pytest.fixture
def github() -> Iterator[GitHubDouble]:
    """A double of GitHub's sign-in."""
    with github_double.running(f"{BASE}/sign-in/with/github/back") as made:
        yield made


@pytest.fixture
def mail() -> Iterator[Mailbox]:
    """A mail server."""
    with mailbox.running() as made:
        yield made


@pytest.fixture
def settings(settings: Settings, acme: RealIssuer, github: GitHubDouble, mail: Mailbox) -> Settings:
    """Settings of a portal that offers all three ways."""
    issuers = (
        Issuer(key="github", kind="github", name="GitHub", issuer=github.url, client_id=github_double.CLIENT,
               client_secret=SecretStr(github_double.SECRET), domains=("*",)),
        Issuer(key="acme", kind="oidc", name="Acme", issuer=acme.url, client_id=issuer.CLIENT,
               client_secret=SecretStr(issuer.SECRET), domains=("acme.com",)),
    )  # fmt: skip
    server = MailServer(host="127.0.0.1", port=mail.port, security="plain", sender="Flambeau <portal@example.org>",
                        timeout_s=3.0)  # fmt: skip
    return settings.model_copy(update={"issuers": issuers, "mail": server, "base_url": BASE})


@dataclass
class Visitor:
    """A browser, and what it does beside the portal."""

    app: Flask
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def go(self, way: str, start: str = "/sign-in/with", **arguments: str) -> str:
        """Begin to sign in, say yes at the issuer; the path with which it sends the browser back."""
        there = self.client.get(f"{start}/{way}", query_string=arguments)
        assert there.status_code == 302, there.text
        answer = requests.get(there.location, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        parts = urlsplit(answer.headers["Location"])
        return f"{parts.path}?{parts.query}"

    def sign_in(self, way: str) -> Any:
        """Sign in at an issuer."""
        answer = self.client.get(self.go(way))
        assert answer.status_code == 302, answer.text
        return answer

    def ask(self, address: str, path: str = "/sign-in/by-mail") -> Any:
        """Ask for a link by mail, and let the worker send it."""
        answer = self.client.post(path, data={"address": address})
        Worker(self.app).run_until_idle()
        return answer

    @property
    def person(self) -> str:
        """The public id of whoever is signed in, or ""."""
        with self.client.session_transaction() as cookie:
            token = cookie.get("token")
        if not token:
            return ""
        from app import sessions

        with self.app.extensions["flambeau"].db.read() as session:
            row = sessions.session_by_token(session, token)
            return row.person if row else ""


def state_of(path: str) -> dict[str, str]:
    """What a path on the way back says."""
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


@pytest.fixture
def ada(app: Flask) -> Visitor:
    """A browser."""
    return Visitor(app)


@pytest.fixture
def eve(app: Flask) -> Visitor:
    """Another browser, of somebody else."""
    return Visitor(app)


@pytest.fixture
def app_on(settings: Settings, clock: FixedClock) -> Any:
    """The portal on another database, or with other settings."""

    def make(db: Database, **update: Any) -> Flask:
        made = create_app(settings.model_copy(update=update), clock=clock, db=db)
        made.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
        return made

    return make
