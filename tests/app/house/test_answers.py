"""Answers leave compressed; what strangers see is kept until something is decided or observed."""

from __future__ import annotations

import gzip

import pytest
from flask import Blueprint, session

from app import answers, audit
from app.audit import Actor
from app.auth import access

HUGE = "<p>a line that comes again and again</p>\n" * 100
GZIP = {"Accept-Encoding": "gzip, br"}


@pytest.fixture
def counter(app, monkeypatch):
    """A room with a page that counts how often it is made."""
    monkeypatch.setattr(answers, "KEPT_S", 60.0)
    room, made = Blueprint("room", __name__, url_prefix="/room"), []
    answers.keep_pages(room, lambda _session: len(observed))
    observed: list[str] = []

    @room.get("/kept")
    @access("public")
    def kept() -> str:
        answers.may_keep()
        made.append("kept")
        return f"<p>{len(made)}</p>" + HUGE

    @room.get("/own")
    @access("public")
    def own() -> str:
        made.append("own")
        return f"<p>{len(made)}</p>"

    @room.get("/begins-a-session")
    @access("public")
    def begins() -> str:
        answers.may_keep()
        session["csrf_token"] = "secret of one reader"
        made.append("begins")
        return HUGE

    app.register_blueprint(room)
    made_and_observed = made, observed
    return made_and_observed


def decide(app) -> None:
    with app.extensions["flambeau"].db.write() as writing:
        audit.record(writing, actor=Actor.system("test"), action="test.decide", thing="x", reason="because")


def test_texts_leave_compressed_for_whoever_can_read_that(client):
    plain, packed = client.get("/style.css"), client.get("/style.css", headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 3
    assert "Accept-Encoding" in plain.headers["Vary"]
    again = client.get("/style.css", headers={**GZIP, "If-None-Match": packed.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    refused = client.get("/style.css", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


def test_what_is_small_leaves_as_it_is(client):
    assert "Content-Encoding" not in client.get("/healthz", headers=GZIP).headers


def test_the_length_of_a_signed_in_readers_page_tells_nothing(administrator):
    pages = [administrator.get("/account", headers=GZIP) for _ in range(12)]
    assert len({len(page.data) for page in pages}) > 3
    assert len({len(gzip.decompress(page.data)) for page in pages}) == 1


def test_a_kept_page_is_made_once_until_something_is_decided_or_observed(app, client, counter):
    made, observed = counter
    first = client.get("/room/kept", headers=GZIP)
    assert [gzip.decompress(client.get("/room/kept", headers=GZIP).data) for _ in range(3)] == [
        gzip.decompress(first.data)] * 3  # fmt: skip
    assert client.get("/room/kept").data == gzip.decompress(first.data)
    assert client.get("/room/kept").headers["Content-Security-Policy"]
    assert made == ["kept"]
    decide(app)
    client.get("/room/kept")
    observed.append("a commit")
    client.get("/room/kept")
    client.get("/room/kept?window=3y")
    assert made == ["kept"] * 4


def test_a_kept_page_ends_after_a_while(client, counter, monkeypatch):
    made, _ = counter
    monkeypatch.setattr(answers, "KEPT_S", -1.0)
    client.get("/room/kept")
    client.get("/room/kept")
    assert made == ["kept"] * 2


def test_nobody_gets_a_page_made_for_somebody_signed_in_nor_the_other_way(client, administrator, counter, app):
    made, _ = counter
    administrator.get("/room/kept")
    administrator.get("/room/kept")
    app.test_client().get("/room/kept")
    app.test_client().get("/room/kept")
    administrator.get("/room/kept")
    assert made == ["kept"] * 4


def test_a_page_that_begins_a_session_or_does_not_ask_for_it_is_never_kept(app, counter):
    made, _ = counter
    for address in ("/room/own", "/room/begins-a-session"):
        app.test_client().get(address)
        app.test_client().get(address)
    assert made == ["own", "own", "begins", "begins"]


def test_many_pages_do_not_fill_the_memory(client, counter, monkeypatch):
    made, _ = counter
    monkeypatch.setattr(answers, "_MOST", 3)
    for number in range(6):
        client.get(f"/room/kept?at={number}")
    client.get("/room/kept?at=5")
    assert len(made) == 6
    client.get("/room/kept?at=0")
    assert len(made) == 7
