"""As whom GitHub is read: a token that goes nowhere else, or an App with tokens of its installation."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr
from werkzeug.serving import make_server

from app.clock import FixedClock
from app.db import Database
from app.jobs import JobState
from app.settings import Settings
from tests.app.github.world import World, busy, world
from tests.doubles.github import Fault, GitHub
from tests.doubles.github.server import TOKEN


@pytest.mark.slow
def test_the_token_is_kept_nowhere_and_goes_to_the_interface_alone(
    small: World, github: GitHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    elsewhere: list[Any] = []

    def listen(environ: Any, start: Any) -> Any:
        elsewhere.append(environ)
        start("200 OK", [])
        return [b"{}"]

    server = make_server("127.0.0.1", 0, listen)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    for status in (301, 302, 307):
        for host in ("localhost", "127.0.0.1"):
            github.fails(Fault(status, "{}", (("Location", f"http://{host}:{server.server_port}/stolen"),)))
            small.read()
    server.shutdown()
    thread.join()
    server.server_close()
    small.read()

    # On the same host a path is followed, on its own port; there is none.
    assert all(one.startswith("GET /stolen") for one in github.refusals)
    github.refusals.clear()
    assert elsewhere == []
    assert TOKEN not in small.everywhere()
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(small.app.extensions["flambeau"].settings)


def pem() -> SecretStr:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return SecretStr(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def test_an_app_reads_with_tokens_of_its_installation(
    github: GitHub, db: Database, clock: FixedClock, settings: Settings
) -> None:
    github.tokens.clear()
    github.installations[77] = "acme"
    made = world(github, db, clock, settings, app_id="1", app_key=pem())
    busy(github, clock)

    assert made.read().state is JobState.SUCCEEDED
    assert len(made.rows()["changes"]) == 6
    assert {one.token[:4] for one in github.asked if one.path == "/api/graphql"} == {"ghs_"}


@pytest.mark.parametrize(
    ("key", "fault", "said"),
    [
        ("", None, "the portal's App may read; correct the name, or install the App there"),
        ("", Fault(401, '{"message": "A JSON web token could not be decoded"}'), "FLAMBEAU_GITHUB_APP_KEY_FILE"),
        ("it was here", None, "FLAMBEAU_GITHUB_APP_KEY holds no key that signs"),
    ],
)  # fmt: skip
def test_an_app_that_may_not_read_is_told_of_as_an_app(
    github: GitHub, db: Database, clock: FixedClock, settings: Settings, key: str, fault: Fault | None, said: str
) -> None:
    made = world(github, db, clock, settings, app_id="1", app_key=SecretStr(key) if key else pem())
    if fault:
        github.fails(fault)

    job = made.read()

    assert job.state is JobState.NEEDS_PERSON
    assert said in (job.error or "")
    assert "token" not in (job.error or "")
    assert made.connection().problem == job.error
