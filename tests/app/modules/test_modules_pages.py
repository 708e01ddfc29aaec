"""Pages of modules."""

from __future__ import annotations

from app.bodies import queries as bodies


def test_a_module_without_maintainers_says_which_rule_applies_and_who_stands_in(client, governed):
    with governed.write() as session:
        bodies.first_administrator(session, "Root Admin", "root.admin@acme.com", "invited")
    page = client.get("/modules/core").data
    assert b"no active maintainer, fewer than 2: rule single-maintainer (charter.md, clause 7.4)" in page
    assert b"Root Admin" in page


def test_a_path_is_answered_with_its_module(client, governed):
    page = client.get("/modules/?path=csrc/ops/add.h").data
    assert b'<code>csrc/ops/add.h</code> belongs to <a href="/modules/ops">ops</a>' in page
    assert b"&lt;script&gt;" in client.get("/modules/?path=<script>").data


def test_every_module_has_a_page(client, governed, governance):
    assert {client.get(f"/modules/{module.key}").status_code for module in governance.modules} == {200}
    assert client.get("/modules/none").status_code == 404


def test_before_the_first_sync_the_list_says_what_to_run(client):
    assert b"flask governance sync" in client.get("/modules/").data


def test_the_roll_call_names_every_body_with_something_amiss(client, governed):
    page = client.get("/modules/roll-call").data
    assert b"8 of 8 seats are vacant." in page
    assert b"Nobody maintains it." in page
    assert b"As of 1 Jan 2020" in client.get("/modules/roll-call?at=2020-01-01").data


def test_the_front_page_says_how_many_modules_need_maintainers(client, governed, governance):
    page = client.get("/").get_data(as_text=True)
    assert f"<dt>need maintainers</dt><dd>{len(governance.modules)}</dd>" in page
