"""Changes told apart side by side, on the table that is small enough to count by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.contributions.figures import Figure, read_figure
from app.contributions.figures.apart import BY
from app.contributions.measuring import measure_changes
from app.db import Database
from tests.app.contributions.test_timeline_queries import HOUR, told

NOW = datetime(2026, 12, 31, tzinfo=UTC)
DAYS = {"since": "2026-01-01", "until": "2026-12-31"}


def drawn(session: Session, key: str, **arguments: str) -> Figure:
    return read_figure(session, key, {**DAYS, **arguments}, now=NOW)


def test_waiting_by_organization_worked_out_by_hand(app: Flask, governed_each: Database):
    with governed_each.write() as session:
        told(session)
    with app.test_request_context(), governed_each.read() as session:
        found = drawn(session, "first-response-apart", apart="organization")
        # Ada of Acme: 2 h, 4 h, one that waits. Ben of Bell: 30 h, and two that got no word within a day.
        assert [(row[0], row[1], row[2], row[3], row[7]) for row in found.rows] == [
            ("Acme", 3, 2, 4 * HOUR, None), ("Bell", 3, 1, 30 * HOUR, 30 * HOUR),
            ("Independent", 1, 1, 6 * HOUR, 6 * HOUR), ("Unattributed", 1, 1, 8 * HOUR, 8 * HOUR)]  # fmt: skip
        assert "median 4.0 h, 75% " not in found.drawing  # a third still waits, so three quarters have no end yet
        assert "median 4.0 h, n\u00a0=\u00a03" in found.drawing
        assert found.table.count("This is wrong") == 2
        lasted = drawn(session, "change-duration-apart", apart="organization")
        assert [(row[0], row[1], row[2], row[3]) for row in lasted.rows[:2]] == [
            ("Acme", 3, 2, 20 * HOUR), ("Bell", 3, 2, 50 * HOUR)]  # fmt: skip


def test_openings_closings_and_coverage_worked_out_by_hand(app: Flask, governed_each: Database):
    with governed_each.write() as session:
        told(session)
    with app.test_request_context(), governed_each.read() as session:
        assert drawn(session, "closure-apart", apart="organization").rows == (
            ("Acme", 3, 2, 2, 0.6667, 1), ("Bell", 3, 2, 1, 0.6667, 1), ("Independent", 1, 1, 1, 1.0, 0),
            ("Unattributed", 1, 0, 0, 0.0, 1))  # fmt: skip
        assert drawn(session, "review-coverage-apart", apart="organization").rows == (
            ("Acme", 2, 2, 1.0, "1.50"), ("Bell", 1, 1, 1.0, "1.00"), ("Independent", 1, 1, 1.0, "1.00"))  # fmt: skip
        tiers = drawn(session, "closure-apart", apart="tier").rows
        assert [(row[0], row[1]) for row in tiers] == [
            ("Silver", 3), ("No member’s", 3), ("Independent", 1), ("Unattributed", 1)]  # fmt: skip


@pytest.mark.parametrize("apart", [name for name in BY if name != "module"])
def test_what_is_told_apart_adds_up_to_the_whole(app: Flask, governed: Database, apart: str):
    with governed.write() as session:
        told(session)
    with app.test_request_context(), governed.read() as session:
        assert sum(row[1] for row in drawn(session, "first-response-apart", apart=apart).rows) == 8
        closed = drawn(session, "closure-apart", apart=apart).rows
        assert [sum(row[at] for row in closed) for at in (1, 2, 3, 5)] == [8, 5, 4, 3]


def test_a_change_is_in_every_module_that_it_touched(app: Flask, governed: Database):
    with governed.write() as session:
        _, ids = told(session)
        measure_changes(session, [ids[1]])  # its files are known now
    with app.test_request_context(), governed.read() as session:
        found = drawn(session, "first-response-apart", apart="module")
        assert [(row[1], row[3]) for row in found.rows] == [(1, 2 * HOUR)]
        assert "one that touches none is left out" in found.caption
        assert drawn(session, "closure-apart", apart="module").rows[0][1:4] == (1, 1, 1)


def test_the_page_puts_side_by_side_what_its_address_asks_for(client, app: Flask, governed: Database):
    with governed.write() as session:
        told(session)
    plain = client.get("/contributions/reviews?window=3y").text
    assert "first-response-apart" not in plain
    assert 'href="/contributions/reviews?window=3y&amp;apart=organization"' in plain
    found = client.get("/contributions/reviews?window=3y&apart=organization").text
    assert "first-response-apart.csv?window=3y&amp;apart=organization" in found
    assert client.get("/contributions/reviews?window=3y&apart=moon").status_code == 400
