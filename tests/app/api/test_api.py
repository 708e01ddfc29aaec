"""What the API promises beside its document: lists that lose nothing, honest caches, problems that name the fault."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.operations import examples, operations
from app.api.operations import filled as operations_filled
from app.api.pace import Pace
from app.bodies.models import Appointment
from app.contributions.figures import FIGURES
from app.contributions.models import Change, Issue, Repository, RepositoryRelease
from app.members.models import Organization
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Identity, IdentityPerson, Person
from app.people.queries.persons import HIDDEN_NAME
from app.people.rules import Role
from app.search import queries
from tests.app.api.conftest import US, Portal, portal_at
from tests.portal import SignedIn

V1 = "/api/v1"


def walked(client: FlaskClient, address: str) -> list[dict[str, Any]]:
    """All items of a list, part by part."""
    found = []
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        assert answer.headers.get("Link") == (f'<{answer.json["next"]}>; rel="next"' if answer.json["next"] else None)
        found += answer.json["items"]
        address = answer.json["next"]
    return found


def filled(portal: Portal) -> list[str]:
    """The address of every operation, with ids that are there."""
    with portal.app.app_context(), portal.db.read() as session:
        known = examples(session)
    return [f"{V1}{operations_filled(one, known)}" for one in operations()]


def test_commits_and_changes_of_an_organization_are_those_that_its_page_counts(portal: Portal) -> None:
    of_each = {}
    for one in walked(portal.client, f"{V1}/organizations?limit=200"):
        asked = f"organization={one['id']}"
        commits = len(walked(portal.client, f"{V1}/commits?{asked}&limit=200&since=2000-01-01"))
        changes = len(walked(portal.client, f"{V1}/changes?{asked}&limit=200"))
        shown = portal.client.get(f"{V1}/figures/headline?window=all&{asked}").json["rows"]
        counted = {row[0]: row[1] for row in shown}
        of_each[one["name"]] = commits
        assert commits == counted["Commits"], one["name"]
        assert changes >= counted["Changes opened"], one["name"]
    assert any(of_each.values())
    assert portal.client.get(f"{V1}/commits?organization=o_000000000000").status_code == 404


@pytest.mark.parametrize("path", ["changes", "commits", "people", "issues", "audit", "organizations", "memberships"])
def test_a_list_in_small_parts_is_the_list_in_one(path: str, portal: Portal) -> None:
    whole = walked(portal.client, f"{V1}/{path}?limit=200")
    assert walked(portal.client, f"{V1}/{path}?limit=7") == whole
    assert len(whole) == len({json.dumps(one, sort_keys=True) for one in whole}) > 1


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limits=st.lists(st.integers(1, 6), min_size=1, max_size=5), inserted=st.integers(0, 3))
def test_rows_that_are_inserted_meanwhile_move_nothing(own_portal: Portal, limits: list[int], inserted: int) -> None:
    before = {one["id"] for one in walked(own_portal.client, f"{V1}/organizations?limit=200")}
    address, seen, turn = f"{V1}/organizations", [], 0
    while address:
        separator = "&" if "?" in address else "?"
        limit = f"{separator}limit={limits[turn % len(limits)]}" if "limit=" not in address else ""
        answer = own_portal.client.get(address + limit).json
        seen += [one["id"] for one in answer["items"]]
        address, turn = answer["next"], turn + 1
        with own_portal.db.write() as session:
            for number in range(inserted if turn < 6 else 0):
                name = f"new {len(before)} {turn} {number}"
                session.add(Organization(name=name, slug=name.replace(" ", "-"), kind=OrganizationKind.COMPANY,
                                         created_at=own_portal.db.clock.now()))  # fmt: skip
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def test_a_cursor_opens_the_list_that_gave_it_and_no_other(portal: Portal, tmp_path: Path) -> None:
    following = portal.client.get(f"{V1}/changes?limit=2&state=merged").json["next"]
    assert portal.client.get(following).status_code == 200
    for other in (following.replace("state=merged", "state=open"), following.replace("/changes", "/issues"),
                  following[:-2] + "AA", following.replace("&state=merged", "")):  # fmt: skip
        answer = portal.client.get(other)
        assert answer.status_code == 422, other
        assert [one["parameter"] for one in answer.json["errors"]] in (["cursor"], ["state"], ["state", "cursor"])


HOSTILE = [
    ("limit=0", "limit"), ("limit=201", "limit"), ("limit=1e2", "limit"), ("limit=" + "9" * 400, "limit"),
    ("limit=%F0%9D%9F%8F", "limit"), ("limit=+5", "limit"), ("limit=", "limit"), ("limit=5&limit=6", "limit"),
    ("since=2026-02-30", "since"), ("since=1700000000", "since"), ("since=0000-01-01", "since"),
    ("until=99999-01-01", "until"), ("since=2026-01-01T00:00:00", "since"),
    ("author=p_%00aaaa", "author"), ("author=' OR 1=1 --", "author"), ("repository=r_%ED%A0%80", "repository"),
    ("module=%27%3B DROP TABLE person", "module"), ("cursor=AAAA", "cursor"), ("cursor=%00", "cursor"),
    ("cursor=" + "A" * 5000, "cursor"), ("number=-1", "number"), ("number=99999999999999999999", "number"),
    ("state=opened", "state"), ("authr=p_000000000001", "authr"), ("%00=1", "\x00"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "parameter"), HOSTILE)
def test_what_cannot_be_used_is_named(query: str, parameter: str, portal: Portal) -> None:
    answer = portal.client.get(f"{V1}/changes?{query}")
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert [one["parameter"] for one in answer.json["errors"]] == [parameter]
    assert answer.json["type"].endswith("/api/#wrong-parameters")
    assert answer.json["instance"] == f"{V1}/changes"


def test_every_wrong_parameter_is_named_at_once(portal: Portal) -> None:
    answer = portal.client.get(f"{V1}/changes?limit=0&since=never&state=lost&colour=red")
    assert {one["parameter"] for one in answer.json["errors"]} == {"limit", "since", "state", "colour"}


@pytest.mark.parametrize("query", ["since=0001-01-01", "until=9999-12-31", "since=9999-12-31&until=0001-01-01"])
def test_absurd_days_are_days(query: str, portal: Portal) -> None:
    for path in ("changes", "issues", "commits"):
        assert portal.client.get(f"{V1}/{path}?{query}").status_code == 200


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_day_from_which_nothing_can_be_counted_back_is_a_day_too(day: str, portal: Portal) -> None:
    for path in ("modules/core", "bodies/governing-board", "organizations", "people", "memberships", "appointments"):
        assert portal.client.get(f"{V1}/{path}?at={day}").status_code == 200
    for path, wrong in ((f"{V1}/figures/changes-over-time", 422), ("/contributions/", 400)):
        answer = portal.client.get(f"{path}?until={day}")
        assert answer.status_code == (wrong if day < "1970" else 200)


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", f"{V1}/nothing", 404), ("GET", "/api/nothing", 404), ("POST", f"{V1}/changes", 405),
    ("DELETE", f"{V1}/people/p_000000000001", 405), ("GET", f"{V1}/people/p_999999999999", 404),
    ("GET", f"{V1}/people/nobody", 422), ("GET", f"{V1}/bodies/none", 404),
])  # fmt: skip
def test_every_error_is_a_problem_of_rfc_9457(method: str, path: str, status: int, portal: Portal) -> None:
    answer = portal.client.open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= answer.json.keys()
    assert answer.json["status"] == status
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_fault_of_ours_is_a_problem_too(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("app.api.answers.log._entry", broken)
    answer = portal.client.get(f"{V1}/audit")
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert "on purpose" not in answer.text


def test_a_portal_without_governance_says_so(sqlite_url: str, tmp_path: Path) -> None:
    empty = portal_at(tmp_path, sqlite_url)
    assert empty.client.get(f"{V1}/foundation").status_code == 503
    told = empty.client.get(f"{V1}/openapi.json").json["paths"]["/foundation"]["get"]["responses"]
    assert "503" in told
    for path in ("people", "organizations", "changes", "figures", "audit"):
        assert empty.client.get(f"{V1}/{path}").status_code == 200
    assert empty.client.get("/api/").status_code == 200
    empty.db.close()


def test_what_has_not_changed_is_not_sent_again(portal: Portal) -> None:
    for address in [*filled(portal), f"{V1}/openapi.json"]:
        first = portal.client.get(address)
        assert first.status_code == 200, address
        assert first.headers["Cache-Control"] == "public, no-cache"
        again = portal.client.get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b""), address
        head = portal.client.head(address)
        assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", first.headers["ETag"])


def test_a_figures_tag_outlives_the_moment_it_was_taken_and_no_change_of_its_rows(own_portal: Portal) -> None:
    address = f"{V1}/figures/commits-over-time?since=2025-01-01&until=2025-12-31"
    first = own_portal.client.get(address)
    own_portal.db.clock.advance(hours=2)  # type: ignore[attr-defined]  # a FixedClock
    again = own_portal.client.get(address)
    assert first.json["as_of"] != again.json["as_of"]
    assert first.headers["ETag"] == again.headers["ETag"]
    assert first.headers["ETag"].startswith("W/")
    with own_portal.db.write() as session:
        session.execute(sa.text("UPDATE organization SET name = name || ' renamed'"))
    assert own_portal.client.get(address).headers["ETag"] != first.headers["ETag"]


def test_a_figure_is_the_download_of_its_page(portal: Portal) -> None:
    query = "since=2024-01-01&until=2025-12-31"
    page = portal.client.get(f"/contributions/figures/organizations.json?{query}").json
    answer = portal.client.get(f"{V1}/figures/organizations?{query}")
    assert {**answer.json, "as_of": ""} == {**page, "as_of": "", "rests_on": answer.json["rests_on"]}
    table = portal.client.get(f"{V1}/figures/organizations?{query}", headers={"Accept": "text/csv"})
    assert table.text == portal.client.get(f"/contributions/figures/organizations.csv?{query}").text
    assert (table.mimetype, "Accept" in table.vary) == ("text/csv", True)
    assert portal.client.get(f"{V1}/people", headers={"Accept": "text/csv"}).status_code == 406


def test_a_figure_of_one_thing_says_which_parameter_is_missing(portal: Portal) -> None:
    key = next(key for key, one in FIGURES.items() if "everything" not in one.scopes)
    answer = portal.client.get(f"{V1}/figures/{key}")
    assert answer.status_code == 422
    assert {one["parameter"] for one in answer.json["errors"]} <= {"organization", "person", "module"}


def test_any_site_may_read_it_and_none_with_a_visitors_cookies(portal: Portal) -> None:
    answer = portal.client.options(f"{V1}/changes", headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Access-Control-Allow-Origin" not in portal.client.get("/people/").headers
    assert portal.client.get(f"{V1}/nothing").headers["Access-Control-Allow-Origin"] == "*"


def test_a_session_changes_no_answer(portal: Portal, signed_in: SignedIn) -> None:
    addresses = filled(portal)
    before = [portal.client.get(address).headers["ETag"] for address in addresses]
    mine = signed_in(portal.app.test_client(), "p_000000000001")
    assert [mine.get(address).headers["ETag"] for address in addresses] == before


def test_whoever_asks_too_often_waits(own_portal: Portal) -> None:
    own_portal.app.extensions["flambeau-api-pace"] = Pace(burst=3, per_minute=1)
    statuses = [own_portal.client.get(f"{V1}/modules").status_code for _ in range(4)]
    refused = own_portal.client.get(f"{V1}/modules")
    assert statuses == [200, 200, 200, 429]
    assert (refused.mimetype, int(refused.headers["Retry-After"]) > 0) == ("application/problem+json", True)


def test_whoever_asked_to_be_hidden_is_in_no_answer(own_portal: Portal) -> None:
    with own_portal.db.read() as session:
        hidden = session.scalars(sa.select(Person).where(Person.hidden_at.is_not(None))).one()
        written = session.execute(
            sa.select(Identity.name, Identity.email, Identity.login)
            .join(IdentityPerson, IdentityPerson.identity_id == Identity.id)
            .where(IdentityPerson.person_id == hidden.id)
        ).all()
    words = {hidden.name, *(text for row in written for text in row if text)}
    assert words
    assert own_portal.client.get(f"{V1}/people/{hidden.public_id}").status_code == 404
    for path in ("people", "commits", "changes", "issues", "appointments", "organizations"):
        for one in walked(own_portal.client, f"{V1}/{path}?limit=200"):
            assert not any(word in json.dumps(one, ensure_ascii=False) for word in words), one
    for address in filled(own_portal):
        assert not any(word in own_portal.client.get(address).text for word in words), address


def test_whoever_is_hidden_is_hidden_under_a_name_that_was_merged_too(own_portal: Portal) -> None:
    with own_portal.db.write() as session:
        seat = session.scalars(sa.select(Appointment).where(Appointment.ends_on.is_(None))).one()
        first, second = session.get_one(Person, seat.person_id), people.create_person(session, "Somebody Other")
        seat.person_id = second.id
        people.merge(session, first, second, actor=US, reason="the same")
        session.refresh(second)
        assert second.merged_into_id == first.id
        people.hide(session, first, hidden=True, actor=US, reason="they asked")
    for address in (f"{V1}/bodies/administration", f"{V1}/appointments", "/bodies/administration"):
        answer = own_portal.client.get(address)
        assert (answer.status_code, "Somebody Other" in answer.text) == (200, False), address


def test_a_hidden_name_in_labels_releases_branches_and_read_words_is_veiled(own_portal: Portal) -> None:
    with own_portal.db.write() as session:
        hidden = session.scalars(sa.select(Person).where(Person.hidden_at.is_not(None))).one()
        hidden.name = "Quillonia"  # one word, as a login is
        change = session.scalars(sa.select(Change).order_by(Change.id)).first()
        issue = session.scalars(sa.select(Issue).order_by(Issue.id)).first()
        assert change is not None and issue is not None  # noqa: PT018 - for the type checker
        change.labels = issue.labels = ["for Quillonia", "bug"]
        change.base_ref, change.title = "quillonia/base", "What Quillonia wished for"
        place = session.get_one(Repository, change.repository_id)
        now = own_portal.db.clock.now()
        session.add(RepositoryRelease(repository_id=place.id, source="github", external_id="1", tag="v1",
                                      name="By Quillonia", published_at=now))
        addresses = [f"changes/{change.public_id}", f"issues/{issue.public_id}",
                     f"repositories/{place.public_id}/releases"]  # fmt: skip
    queries.work_off(own_portal.db)
    texts = [own_portal.client.get(f"{V1}/{address}").text for address in addresses]
    assert [text for text in texts if HIDDEN_NAME not in text] == []
    texts += [own_portal.client.get(f"{place}?q=quillonya").text for place in (f"{V1}/search", "/search")]
    assert [text for text in texts if "uillonia" in text] == []
    assert [text for text in texts[-2:] if change.public_id in text] == [], "nor is it found by that name"


def test_addresses_of_mail_are_masked_as_on_the_pages(portal: Portal) -> None:
    with portal.db.read() as session:
        emails = [email for email in session.scalars(sa.select(Identity.email)) if email]
    texts = "".join(portal.client.get(address).text for address in filled(portal))
    for item in walked(portal.client, f"{V1}/people?limit=200"):
        texts += portal.client.get(f"{V1}/people/{item['id']}").text
    assert [email for email in emails if email in texts] == []


def test_a_login_stands_beside_no_masked_address_here_or_there(own_portal: Portal) -> None:
    with own_portal.db.write() as session:
        person = people.create_person(session, "Dora Dee", "dora@dee.example")
        for name, email, login in (("Dora Dee", "d.dee@acme.example", "ddee1"), ("", "x@dee.example", "ddee2"),
                                   ("Dora", "", "ddee3")):  # fmt: skip
            wording = ("import", name, email, login)
            number = people.intern_identities(session, [wording])[wording]
            session.add(IdentityPerson(identity_id=number, person_id=person.id, home_person_id=person.id,
                                       role=Role.PERSON))  # fmt: skip
        public_id = person.public_id
    for address in (f"{V1}/people/{public_id}", f"/people/{public_id}"):
        text = own_portal.client.get(address).text
        assert [login for login in ("ddee1", "ddee2", "ddee3") if login in text] == ["ddee3"], address
        assert "d…@acme.example" in text or "d\\u2026@acme.example" in text


def test_the_page_shows_every_operation_with_an_address_that_answers(portal: Portal) -> None:
    page = portal.client.get("/api/").text
    for one in operations():
        assert f"/api/v1{one.path}</code>" in page
    tries = re.findall(r'href="([^"]+)">Try it', page)
    assert len(tries) == len(operations())
    assert {portal.client.get(address).status_code for address in tries} == {200}
