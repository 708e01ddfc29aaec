"""Governance and the portal's own work as programs read them: the same as on their pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from markupsafe import escape

from app.jobs import enqueue
from app.jobs.tables import Job, JobState
from app.people import queries as people
from tests.app.api.conftest import US, Portal

V1 = "/api/v1"


def test_each_clause_of_the_charter_names_the_rules_that_come_from_it(portal: Portal) -> None:
    clauses = portal.client.get(f"{V1}/governance/charter").json["clauses"]
    page = portal.client.get("/governance/charter").text
    named = {key: one["number"] for one in clauses for key in one["rules"]}
    foundation = portal.client.get(f"{V1}/foundation").json
    assert {one["key"]: one["clause"] for one in foundation["rules"]}.items() <= named.items()
    assert named["single-maintainer"] == foundation["single_maintainer"]["clause"]
    for one in clauses:
        assert f'id="clause-{one["number"]}"' in page
    assert page.count('id="clause-') == len(clauses) > 5
    assert page.count('class="badge"') == sum(len(one["rules"]) for one in clauses)


@pytest.mark.parametrize(
    ("query", "passes"), [("yes=7&no=5&all=21", True), ("yes=7&no=5&all=21&mode=electronic", False)]
)
def test_a_vote_comes_out_as_on_the_page_of_the_rule(query: str, passes: bool, portal: Portal) -> None:
    answer = portal.client.get(f"{V1}/governance/rules/board-motion?{query}").json
    page = portal.client.get(f"/governance/rules/board-motion?{query}").text
    assert answer["outcome"]["passes"] is passes
    for step in answer["outcome"]["derivation"]:
        assert escape(step) in page
    assert answer["clauses"]
    assert portal.client.get(f"{V1}/governance/rules/board-motion").json["outcome"] is None


def test_a_vote_that_cannot_be_is_refused_by_the_parameter(portal: Portal) -> None:
    answer = portal.client.get(f"{V1}/governance/rules/board-motion?yes=9&present=3")
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert [one["parameter"] for one in answer.json["errors"]] == ["present"]
    assert portal.client.get(f"{V1}/governance/rules/none").status_code == 404


def test_the_proof_of_the_two_powers_holds_every_seat(portal: Portal) -> None:
    proof = portal.client.get(f"{V1}/governance/two-powers").json
    page = portal.client.get("/governance/two-powers").text
    assert proof["holds"] is True
    assert proof["violations"] == []
    assert page.count('<th scope="row">') == len(proof["grants"]) > 5
    assert set(proof["permissions"].values()) == {"business", "technical"}
    technical = {name for name, nature in proof["permissions"].items() if nature == "technical"}
    for one in proof["grants"]:
        assert set(one["technical"]) <= technical
        assert not (one["technical"] and one["appointed_by"].startswith("tier:"))


def test_the_foundation_names_its_gates_and_hardware(portal: Portal) -> None:
    foundation = portal.client.get(f"{V1}/foundation").json
    page = portal.client.get("/governance/").text
    assert foundation["gates"]
    assert foundation["hardware"]
    for one in (*foundation["gates"], *foundation["rules"]):
        assert escape(one["title"]) in page
    for one in foundation["hardware"]:
        assert escape(one["name"]) in page


@pytest.mark.parametrize("at", ["", "?at=2025-06-30"])
def test_the_roll_call_is_that_of_its_page(at: str, portal: Portal) -> None:
    amiss = portal.client.get(f"{V1}/roll-call{at}").json["amiss"]
    page = portal.client.get(f"/modules/roll-call{at}").text
    assert page.count('class="rule"') == len(amiss) > 0
    for one in amiss:
        assert escape(one["name"]) in page
        assert one["concerns"]


def test_whose_a_path_is_is_asked_of_modules(portal: Portal) -> None:
    (found,) = portal.client.get(f"{V1}/modules?path=/csrc/ops/add.h").json["items"]
    page = portal.client.get("/modules/?path=/csrc/ops/add.h").text
    assert f'belongs to <a href="/modules/{found["key"]}">' in page
    (rest,) = portal.client.get(f"{V1}/modules?path=no/such/thing").json["items"]
    assert (found["key"] != rest["key"], rest["paths"]) == (True, ["**"])


def test_jobs_are_those_of_their_page_and_hide_whom_it_hides(own_portal: Portal) -> None:
    with own_portal.app.app_context(), own_portal.db.write() as session:
        person = people.create_person(session, "Ottoline Vanishing")
        people.hide(session, person, hidden=True, actor=US, reason="they asked")
        failed = enqueue(session, "build", {}, actor=US)
        failed.state, failed.error = JobState.FAILED, "git has no commit of Ottoline Vanishing"
        failed.started_at, failed.finished_at = failed.created_at, failed.created_at + timedelta(seconds=3)
        session.flush()
        number = failed.public_id
    listed = own_portal.client.get(f"{V1}/jobs?limit=200").json["items"]
    page = own_portal.client.get("/jobs/?state=failed").text
    assert {one["id"] for one in listed if one["state"] == "failed"} == {number}
    assert f"/jobs/{number}" in page
    answer, shown = own_portal.client.get(f"{V1}/jobs/{number}").json, own_portal.client.get(f"/jobs/{number}").text
    assert "git has no commit of" in answer["error"]
    for text in (answer["error"], shown):
        assert "Ottoline" not in text
    assert answer["steps"][0]["state"] == "failed"


def test_regular_rounds_are_jobs_for_whoever_asks_for_them(own_portal: Portal) -> None:
    with own_portal.db.write() as session:
        now = own_portal.db.clock.now()
        session.add(Job(workflow="tidy", queue="portal", key=None, payload={}, actor_kind="system", actor_id="test",
                        created_at=now, run_at=now, schedule="tidy"))  # fmt: skip

    def workflows(query: str) -> set[str]:
        return {one["workflow"] for one in own_portal.client.get(f"{V1}/jobs?limit=200{query}").json["items"]}

    assert "tidy" not in workflows("")
    assert "tidy" in workflows("&rounds=included")
