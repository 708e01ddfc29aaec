"""The front page, health, and error pages."""

from __future__ import annotations

from flask.testing import FlaskClient


def test_the_front_page_answers(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert b"Flambeau" in answer.data


def test_health_names_the_database(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"ok": True, "database": "sqlite"}


def test_a_missing_page_shows_the_request_number_that_the_header_has(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["X-Request-Id"] in answer.text
