"""Pages of governance: rules with their derivation, tiers, gates, hardware, the charter."""

from __future__ import annotations

import pytest


def test_before_the_first_sync_the_page_says_what_to_run(client):
    assert b"flask governance sync" in client.get("/governance/").data
    assert client.get("/governance/charter").status_code == 404


def test_the_overview_shows_rules_gates_tiers_and_hardware(client, governed):
    page = client.get("/governance/").data
    for text in (b"at least 1/2 of voting seats that are held", b"Premier", b"150,000.00 USD", b"lavapipe", b"synced"):
        assert text in page


def test_a_rule_is_tried_with_numbers_and_shows_its_derivation(client, governed):
    page = client.get("/governance/rules/board-motion?yes=7&no=5&all=21").data
    assert b"It passes." in page
    assert b"1/2 of 21 is 10.5, so 11; 12 present: reached" in page
    electronic = client.get("/governance/rules/board-motion?yes=7&no=5&all=21&mode=electronic").data
    assert b"It does not pass." in electronic


def test_every_rule_has_a_page_with_its_clause(client, governed, governance):
    for entry in governance.rules:
        assert b"charter.md, clause" in client.get(f"/governance/rules/{entry.key}").data
    assert client.get("/governance/rules/none").status_code == 404


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("yes=many", b"is no whole number of seats"),
        ("yes=9&all=3", b"count seats, not people"),
        ("yes=-1", b"no whole"),
    ],
)
def test_numbers_that_cannot_be_are_refused_with_the_reason(client, governed, query, text):
    page = client.get(f"/governance/rules/board-motion?{query}")
    assert page.status_code == 422
    assert text in page.data


def test_the_charter_shows_every_clause_with_its_rules(client, governed, governance):
    page = client.get("/governance/charter").data
    assert all(f'id="clause-{number}"'.encode() in page for number in governance.clauses)
    assert b"rule board-quorum" in page
