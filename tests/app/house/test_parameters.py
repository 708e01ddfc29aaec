"""What an address may ask for: what cannot be meant is refused in words, on both databases, and never breaks a page."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.clock import FixedClock
from app.db import Database
from app.settings import Settings

NUL = "a\x00b"


@pytest.fixture
def portal(settings: Settings, db_each: Database, clock: FixedClock) -> Flask:
    """An empty portal, once on each kind of database."""
    made = create_app(settings, clock=clock, db=db_each)
    made.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    return made


def test_a_nul_in_an_address_breaks_no_page(portal: Flask) -> None:
    client = portal.test_client()
    tried = 0
    for rule in portal.url_map.iter_rules():
        if "GET" not in rule.methods or rule.endpoint.endswith("static"):
            continue
        path = re.sub(r"<(?:int:)?(\w+)>", lambda found: "2026" if found[1] == "year" else quote(NUL), rule.rule)
        asked = "" if rule.arguments - {"year"} else "?" + "&".join(f"{name}={quote(NUL)}" for name in NAMES)
        answer = client.get(path + asked)
        tried += 1
        is_told = answer.status_code < 500 if path.startswith("/api/") else answer.status_code in (302, 308, 400)
        assert is_told, f"{path}{asked} answers {answer.status_code}"
    assert tried > 90


NAMES = ("repository", "module", "organization", "tier", "window", "since", "at", "q", "page", "path", "state", "next")


def test_a_nul_in_a_form_is_told(portal: Flask) -> None:
    client = portal.test_client()
    for sent in ({"link": NUL}, {NUL: "link"}):
        answer = client.post("/sign-in", data=sent)
        assert (answer.status_code, "character NUL" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/organizations/?at=soon", "no day"), ("/organizations/?at=2026-02-30", "no day"),
        ("/modules/roll-call?at=0001-01-01", "from 1970 to 2200"), ("/audit?page=x", "whole number from 1 on"),
        ("/audit?page=-1", "whole number from 1 on"), ("/audit?page=0", "whole number from 1 on"),
        ("/audit?page=²", "whole number from 1 on"), ("/jobs/?state=lost", "none of the choices: cancelled, failed"),
        ("/people/?kind=dogs", "none of the choices: machines, people"), ("/jobs/?state=" + "x" * 900, "xxx..."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_words(address: str, words: str, client: FlaskClient) -> None:
    answer = client.get(address)
    assert answer.status_code == 400, address
    assert words in answer.text.replace("&#39;", "'")


def test_what_is_left_empty_has_its_default_and_a_list_that_shrank_shows_its_last_page(client: FlaskClient) -> None:
    for address in ("/audit?page=", "/audit?page=99999999999999999999", "/jobs/?state=", "/people/?kind=&q="):
        assert client.get(address).status_code == 200, address
