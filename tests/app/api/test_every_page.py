"""Every page's data is also JSON: each public page names the operations that hold it, or stands in a list with why."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask
from markupsafe import escape
from werkzeug.routing import Rule

from app.api.counterparts import COUNTERPARTS
from app.api.operations import examples, operations
from app.auth import access_of
from app.contributions.figures import FIGURES
from app.contributions.models import Change, Repository
from app.db import Database
from app.people import queries as people
from tests.app.api.conftest import US, Portal

V1 = "/api/v1"
WITHOUT = {
    "the front page: its cards say in a line each what other pages show": {"house.front"},
    "how to sign in, and where issuers and mailed links come back": {
        "house.sign_in", "house.sign_in_link", "accounts.sent", "accounts.mailed", "accounts.start", "accounts.back",
    },
    "a form": {"people.wrong"},
    "JSON or a table itself": {
        "house.healthz", "builds.report", "releases.as_json", "contributions.figure", "api.openapi",
    },
    "files, text and style as they are": {
        "static", "house.style", "builds.artefact", "builds.log", "index.file", "reports.board_pdf",
        "reports.member_pdf",
    },
    "the index of packages, which answers pip and uv in JSON at the same address (PEP 691)": {
        "index.simple_index", "index.simple_project",
    },
}  # fmt: skip


def pages(app: Flask) -> list[Rule]:
    """The routes that anybody may open, without those of the API."""
    return [rule for rule in app.url_map.iter_rules()
            if "GET" in (rule.methods or ()) and access_of(app, rule.endpoint) == "public"
            if not rule.rule.startswith(f"{V1}/") or rule.endpoint == "api.openapi"]  # fmt: skip


def address_of(rule: Rule, known: dict[str, str]) -> str:
    """An address of the route at which there is something."""
    of_page = {
        "bodies.show": "body", "builds.one": "build", "contributions.module": "module", "jobs.show": "job",
        "contributions.organization": "organization", "contributions.person": "person", "people.show": "person",
        "contributions.repository": "repository", "github.places.show": "repository", "governance.rule": "rule",
        "members.show": "organization", "modules.show": "module", "releases.one": "release",
        "reports.member": "organization", "reviews.show": "change",
    }  # fmt: skip
    thing = known.get(of_page.get(rule.endpoint, ""), "")
    path = re.sub(r"<(?:int:)?(\w+)>", lambda part: known["year"] if part[1] == "year" else thing, rule.rule)
    return path + ("?q=core" if rule.endpoint == "search.results" else "")


def named_by(page: str) -> list[str]:
    """The addresses that a page's head names."""
    head = page.partition("</head>")[0]
    return re.findall(r'<link rel="alternate" type="application/json" href="([^"]+)">', head)


def test_every_public_page_has_a_counterpart_or_stands_in_the_list(portal: Portal) -> None:
    routes = {rule.endpoint for rule in pages(portal.app)}
    argued = {endpoint for endpoints in WITHOUT.values() for endpoint in endpoints}
    assert routes - set(COUNTERPARTS) - argued == set(), "give it an operation in app/api/counterparts.py"
    assert (set(COUNTERPARTS) | argued) - routes == set(), "no such page: it went, or is not public any more"
    assert set(COUNTERPARTS) & argued == set()


def test_what_a_page_names_is_there_and_is_json(portal: Portal) -> None:
    with portal.app.app_context(), portal.db.read() as session:
        known = examples(session)
    named: set[str] = set()
    for rule in pages(portal.app):
        if rule.endpoint not in COUNTERPARTS:
            continue
        address = address_of(rule, known)
        answer = portal.client.get(address)
        assert (answer.status_code, answer.mimetype) == (200, "text/html"), address
        found = named_by(answer.text)
        assert len(found) == len(COUNTERPARTS[rule.endpoint]), address
        named |= set(found)
    for path in sorted(named):
        answer = portal.client.get(path)
        assert (answer.status_code, answer.mimetype) == (200, "application/json"), path


def test_an_error_names_no_data(portal: Portal) -> None:
    answer = portal.client.get("/people/p_zzzzzzzzzzzz")
    assert answer.status_code == 404
    assert named_by(answer.text) == []
    assert named_by(portal.client.get("/search").text) == []


def test_every_operation_is_of_some_page_or_of_a_part_of_one() -> None:
    shown = {urlsplit(path).path for paths in COUNTERPARTS.values() for path in paths}
    shapes = {re.sub(r"\{\w+\}", "{}", path) for path in shown}
    alone = {re.sub(r"\{\w+\}", "{}", one.path) for one in operations()} - shapes
    assert alone == {
        "/audit/{}", "/changes/{}/timeline", "/commits/{}", "/figures/{}", "/issues", "/issues/{}",
        "/issues/{}/timeline", "/repositories/{}/releases",
    }  # fmt: skip


def test_every_figure_that_a_page_draws_has_its_json_and_table_beside_it(portal: Portal) -> None:
    drawn = set()
    for rule in pages(portal.app):
        if "/figures" not in COUNTERPARTS.get(rule.endpoint, ()) or "<" in rule.rule:
            continue
        page = portal.client.get(f"{rule.rule}?window=all").text
        for key, sheet in re.findall(r'<section class="sheet" id="([a-z-]+)">(.*?)</section>', page, re.DOTALL):
            if key in FIGURES and "<figure" in sheet:
                drawn.add(key)
                for kind in ("json", "csv"):
                    assert f'/contributions/figures/{key}.{kind}?' in sheet, (rule.rule, key)
    assert len(drawn) > 15


def hide_whoever_opened(db: Database, number: int) -> str:
    """Give the change an author, hide them, and give back the name."""
    with db.write() as session:
        change = session.get_one(Change, number)
        person = people.create_person(session, "Perpetua Quillfeather")
        people.hide(session, person, hidden=True, actor=US, reason="they asked")
        change.title, change.author_name = "Perpetua Quillfeather was here", "Perpetua Quillfeather"
    return "Quillfeather"


def test_the_queue_says_whose_turn_it_is_as_its_page_does(own_portal: Portal) -> None:
    queue = own_portal.client.get(f"{V1}/review-queue").json
    page = own_portal.client.get("/reviews/").text
    assert len(queue["waiting"]) == page.count('<p class="turn">') > 0
    assert queue["open"] >= len(queue["waiting"])
    for one in (*(each["change"] for each in queue["waiting"]), *queue["lately_closed"]):
        assert f'/reviews/{one["id"]}"' in page
    with own_portal.db.read() as session:
        wanted = Change.public_id == queue["waiting"][0]["change"]["id"]
        first = session.scalars(sa.select(Change.id).where(wanted)).one()
    name = hide_whoever_opened(own_portal.db, first)
    again = own_portal.client.get(f"{V1}/review-queue")
    assert name not in again.text


def test_a_change_stands_as_on_its_page(portal: Portal) -> None:
    waiting = portal.client.get(f"{V1}/review-queue").json["waiting"]
    for line in waiting[:5]:
        number = line["change"]["id"]
        standing = portal.client.get(f"{V1}/changes/{number}/standing").json
        page = portal.client.get(f"/reviews/{number}").text
        assert (standing["whose_turn"], standing["modules"]) == (line["whose_turn"], line["modules"])
        atoms = standing["sign_off"]["atoms"] + standing["approval"]["atoms"]
        assert page.count('<li class="atom atom-') == len(atoms)
        for one in standing["nearest_approvers"]:
            assert str(escape(one["person"]["name"])) in page
        difference = portal.client.get(f"{V1}/changes/{number}/difference").json
        assert difference["files"] or difference["problem"]
        assert page.count('<details class="diff-file"') == len(difference["files"])


def test_the_quality_of_the_data_is_that_of_its_page(portal: Portal) -> None:
    found = portal.client.get(f"{V1}/data-quality?window=all").json
    page = portal.client.get("/contributions/quality?window=all").text
    shown = re.findall(r'<dd[^>]*>([^<]+)', page.partition('<dl class="stats">')[2].partition("</dl>")[0])
    assert str(found["questions"]) in "".join(shown)
    assert found["hidden"] == 1
    assert 0 < found["unattributed"] < 1
    assert portal.client.get(f"{V1}/data-quality?since=2026-01-02&until=2026-01-01").status_code == 422
    assert portal.client.get(f"{V1}/data-quality?repository=r_zzzzzzzzzzzz").status_code == 404


def test_a_repository_says_how_far_it_is_read_from_github(own_portal: Portal) -> None:
    with own_portal.db.read() as session:
        number = session.scalars(sa.select(Repository.public_id).order_by(Repository.id).limit(1)).one()
    place = own_portal.client.get(f"{V1}/repositories/{number}/github").json
    assert (place["full_name"], place["kinds"], place["heard"]["number"]) == (None, [], 0)
    assert own_portal.client.get(f"{V1}/repositories/r_zzzzzzzzzzzz/github").status_code == 404


@pytest.mark.parametrize("of", ["board", "member"])
def test_a_report_holds_every_figure_of_its_page(of: str, portal: Portal) -> None:
    there = portal.client.get(f"{V1}/reports").json
    year = there["years"][1]
    whose = "board" if of == "board" else f"members/{there['members'][0]['id']}"
    report = portal.client.get(f"{V1}/reports/{year}/{whose}").json
    page = portal.client.get(f"/reports/{year}/{whose}").text
    assert report["title"] in page
    drawn = [one for chapter in report["chapters"] for one in chapter["figures"]]
    assert len(drawn) > 2
    for one in (*report["headline"], *drawn):
        assert str(escape(one["label"] if "label" in one else one["title"])) in page
    assert all(one["rows"] for one in drawn)
    assert portal.client.get(f"{V1}/reports/2999/{whose}").status_code == 404
    assert portal.client.get(f"{V1}/reports/1/{whose}").status_code == 422
