"""The front page, health, and error pages."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from app.pages import STYLES


def test_the_front_page_answers(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert b"Flambeau" in answer.data


def test_a_page_names_one_stylesheet_which_holds_all_of_them_and_is_kept(app: Flask, client: FlaskClient) -> None:
    named = re.findall(r'rel="stylesheet" href="([^"]+)"', client.get("/").text)
    assert len(named) == 1
    answer = client.get(named[0])
    assert (answer.mimetype, answer.cache_control.public, answer.cache_control.immutable) == ("text/css", True, True)
    files = sorted(Path(app.static_folder or "").glob("*.css"))
    assert [file.stem for file in files] == sorted(STYLES)
    assert all(file.read_text(encoding="utf-8") in answer.text for file in files)
    again = client.get(named[0], headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_health_names_the_database(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"ok": True, "database": "sqlite"}


def test_a_missing_page_shows_the_request_number_that_the_header_has(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["X-Request-Id"] in answer.text
