"""Pages of people as visitors, people themselves and staff see them."""

from __future__ import annotations

import doctest
import re
from datetime import date
from html import unescape

import pytest
import sqlalchemy as sa

from app import auth, forms
from app.audit import Actor, AuditEntry
from app.members import queries as members
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people import views
from app.people.models import Affiliation, Identity, IdentityDecision, Person
from app.people.queries.persons import person_by_public_id
from tests.portal import send

STAFF = Actor.system("staff")
SEAT = auth.HeldSeat(body="administration", seat="staff", kind="staff")


@pytest.mark.parametrize("module", [forms, views])
def test_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0


@pytest.fixture
def ada(governed):
    with governed.write() as session:
        members.create_organization(session, "Acme", kind=OrganizationKind.COMPANY, actor=STAFF, reason="New.")
        entries = [("git", "Ada Lovelace", "ada@acme.com", ""), ("git", "Ada <script>", "ada@home.org", "")]
        people.intern_identities(session, entries)
        people.resolve(session)
        return session.scalars(sa.select(Person).order_by(Person.id)).first().public_id


@pytest.fixture
def staff(client, signed_in):
    return signed_in(client, "p_staff", SEAT, name="Sam Staff")


def other(db):
    with db.read() as session:
        return session.scalars(sa.select(Person).order_by(Person.id.desc())).first().public_id


def test_visitors_see_names_and_no_address_and_markup_in_a_name_stays_text(client, ada, governed):
    assert b"Ada Lovelace" in client.get("/people/").data
    page = client.get(f"/people/{ada}").data
    assert b"ada@acme.com" not in page
    assert "a…@acme.com".encode() in page
    assert b"<script>" not in client.get(f"/people/{other(governed)}").data.split(b"</main>")[0]


def test_a_search_finds_by_name_and_finding_nobody_says_so(client, ada):
    assert b"Ada Lovelace" in client.get("/people/?q=loVE").data
    assert b"Nobody is found" in client.get("/people/?q=%25").data


@pytest.mark.parametrize("form", ["merge", "split", "role", "rename", "hide", "invite"])
def test_a_visitor_and_a_signed_in_person_may_not_decide_about_others(client, ada, signed_in, form):
    assert client.get(f"/people/{ada}/{form}").status_code == 302
    assert client.post(f"/people/{ada}/{form}", data={"reason": "x"}).status_code == 401
    signed_in(client, "p_anybody")
    assert client.post(f"/people/{ada}/{form}", data={"reason": "x"}).status_code == 403


def test_staff_enter_somebody_by_name_and_address_and_nobody_else_does(staff, ada, app, signed_in, governed):
    url = "/people/new"
    page = staff.post(url, data={"name": "Ada again", "email": "ADA@acme.com"})
    assert (page.status_code, b"is Ada Lovelace" in page.data, b"is empty" in page.data) == (422, True, True)
    assert b"is no e-mail address" in staff.post(url, data={"name": "Kim", "email": "kim", "reason": "x"}).data
    data = {"name": "Kim New", "email": "kim@new.org", "reason": "Their first change."}
    assert b"Kim New" in staff.post(url, data=data, follow_redirects=True).data
    with governed.read() as session:
        kim = people.one_person(session, "kim@new.org")
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "people.person.enter")).one()
        assert (kim.claimed_at, entry.thing) == (None, kim.public_id)
        assert "kim@new.org" not in str(entry.data)
    visitor = app.test_client()
    assert visitor.post(url, data=data).status_code == 401
    assert signed_in(visitor, "p_anybody").post(url, data=data).status_code == 403


def test_under_a_shared_address_staff_enter_another_name_and_the_same_name_only_once(staff, governed):
    with governed.write() as session:
        people.intern_identities(session, [("git", "Somebody", "root@build.local", "")])
        people.resolve(session)
    data = {"name": "Me", "email": "root@build.local", "reason": "Their first change."}
    assert b"The person is entered" in staff.post("/people/new", data=data, follow_redirects=True).data
    for name in ("Me", "Somebody"):
        again = staff.post("/people/new", data={**data, "name": name})
        assert (again.status_code, f"is {name}’s".encode() in again.data) == (422, True)


def test_staff_merge_two_people_and_undo_it(staff, ada, governed):
    second = other(governed)
    page = staff.post(f"/people/{ada}/merge", data={"other": second, "reason": "One person."}, follow_redirects=True)
    assert b"They are one person now" in page.data
    assert staff.get(f"/people/{second}").headers["Location"].endswith(ada)
    with governed.read() as session:
        decision = session.scalars(sa.select(IdentityDecision)).one().public_id
    staff.post(f"/people/decisions/{decision}/undo", data={"reason": "It was not."})
    assert staff.get(f"/people/{second}").status_code == 200


def test_only_an_administrator_merges_a_person_who_holds_a_seat(client, ada, governed, signed_in):
    signed_in(client, ada, auth.HeldSeat(body="module:ops", seat="maintainer", kind="maintainer", module="ops"))
    staff, second = signed_in(client, "p_staff", SEAT, name="Sam Staff"), other(governed)
    refused = staff.post(f"/people/{second}/merge", data={"other": ada, "reason": "It is me."})
    assert refused.status_code == 422
    assert f"{ada} holds a seat, which would pass on; ask an administrator" in refused.text
    merge = {"other": ada, "reason": "She wrote to us."}
    root = signed_in(client, "p_root", auth.HeldSeat("administration", "administrator", "administrator"))
    assert root.post(f"/people/{second}/merge", data=merge).status_code == 302
    with governed.read() as session:
        decision = session.scalars(sa.select(IdentityDecision)).one().public_id
    signed_in(client, "p_staff", SEAT, name="Sam Staff")
    assert client.post(f"/people/decisions/{decision}/undo", data={"reason": "Hm."}).status_code == 422


def test_a_merge_without_a_reason_and_with_nobody_keeps_what_was_typed_and_names_each_problem(staff, ada):
    page = staff.post(f"/people/{ada}/merge", data={"other": ""})
    assert page.status_code == 422
    assert page.data.count(b"is empty") == 4
    page = staff.post(f"/people/{ada}/merge", data={"other": "Nobody Known", "reason": "Hm."})
    assert b"nobody is found" in page.data
    assert b"Nobody Known" in page.data


def test_staff_split_a_person(staff, ada, governed):
    second = other(governed)
    staff.post(f"/people/{ada}/merge", data={"other": second, "reason": "One person."})
    with governed.read() as session:
        identity = session.scalars(sa.select(Identity).order_by(Identity.id.desc())).first().public_id
    page = staff.post(f"/people/{ada}/split", data={"reason": "None chosen."})
    assert b"choose some, and at least one stays" in page.data
    page = staff.post(f"/people/{ada}/split", data={identity: "yes", "reason": "Two."})
    assert page.status_code == 302
    assert staff.get(f"/people/{second}").status_code == 200


def test_people_of_the_same_name_are_proposed_to_staff_alone(staff, app, governed):
    with governed.write() as session:
        entries = [("git", "Grace Hopper", "grace@acme.com", ""), ("git", "grace hopper", "grace@navy.org", "")]
        people.intern_identities(session, entries)
        people.resolve(session)
        assert people.refresh_proposals(session) == 1
    page = staff.get("/people/proposals").data
    assert b"grace@acme.com" in page
    assert b"grace@navy.org" in page
    assert app.test_client().get("/people/proposals").status_code == 302


def test_what_a_mailmap_joins_and_a_rule_keeps_apart_is_shown_to_staff(staff, governed):
    with governed.write() as session:
        people.create_person(session, "Root Person", "root.person@acme.com")
        people.create_person(session, "Eve", "eve@evil.org")
        entries = [("portal", "Root Person", "root.person@acme.com", ""), ("portal", "Eve", "eve@evil.org", "")]
        ids = people.intern_identities(session, entries)
        people.link_identities(session, "mailmap:r_evil", [tuple(ids.values())])
        people.resolve(session)
    assert b"mailmap:r_evil" in staff.get("/people/proposals").data


def test_a_bot_moves_to_the_bots(staff, ada, governed):
    with governed.read() as session:
        identity = session.scalars(sa.select(Identity).order_by(Identity.id)).first().public_id
    data = {"identity": identity, "kind": "landing-bot-for", "landing_for": "flambeau", "reason": "It lands."}
    staff.post(f"/people/{ada}/role", data=data)
    assert b"Ada Lovelace" not in staff.get("/people/").data
    assert b"landing bot" in staff.get("/people/?kind=machines").data


def test_a_person_says_where_they_work_and_their_word_is_theirs_to_take_back(client, ada, governed, signed_in, app):
    with governed.read() as session:
        acme = members.organizations(session)[0].public_id
    signed_in(client, ada)
    data = {"organization_id": acme, "starts_on": "2025-01-01"}
    page = client.post(f"/people/{ada}/affiliations/new", data=data, follow_redirects=True)
    assert b"their own word, 100% sure" in page.data
    assert b"Acme" in client.get("/people/").data
    with governed.read() as session:
        statement = session.scalars(sa.select(Affiliation)).one().public_id
    colleague = signed_in(app.test_client(), "p_staff", SEAT)
    url = f"/people/affiliations/{statement}/withdraw"
    assert colleague.post(url, data={"reason": "I know better."}).status_code == 403
    assert client.post(url, data={"reason": "I left."}).status_code == 302


def test_whoever_works_for_an_organization_that_is_not_here_tells_staff(client, ada, governed, signed_in):
    signed_in(client, ada)
    page = client.get(f"/people/{ada}").text
    address = re.search(r'href="(/people/wrong[^"]+)">My employer is not in the list', page)
    assert address is not None
    asked = client.get(unescape(address[1]))
    assert "whom Ada" in asked.text
    assert "goes to the foundation’s staff" in asked.text


def test_a_second_word_for_the_same_days_is_told_beside_a_field_that_cannot_be_read(client, ada, governed, signed_in):
    with governed.read() as session:
        acme = members.organizations(session)[0].public_id
    signed_in(client, ada)
    url, data = f"/people/{ada}/affiliations/new", {"organization_id": acme, "starts_on": "2025-01-01"}
    assert client.post(url, data=data).status_code == 302
    page = client.post(url, data={**data, "starts_on": "2025-06-01", "reason": "x" * 1001})
    assert page.status_code == 422
    assert b"is said already, from 2025-01-01 without an end; withdraw that first" in page.data
    assert b"is longer than 1000 characters" in page.data
    assert b"is before the first day" in client.post(url, data={**data, "ends_on": "2024-01-01"}).data
    with governed.read() as session:
        statement = session.scalars(sa.select(Affiliation)).one().public_id
    client.post(f"/people/affiliations/{statement}/withdraw", data={"reason": "Another day."})
    assert client.post(url, data={**data, "starts_on": "2025-06-01"}).status_code == 302


def test_nobody_says_where_others_work(client, ada, governed, signed_in):
    signed_in(client, other(governed))
    data = {"organization_id": "independent", "starts_on": "2025-01-01"}
    assert client.post(f"/people/{ada}/affiliations/new", data=data).status_code == 403


def test_all_that_is_wrong_with_a_statement_is_said_at_once(client, ada, signed_in):
    signed_in(client, ada)
    page = client.post(f"/people/{ada}/affiliations/new", data={"starts_on": "soon", "ends_on": "later"})
    assert page.status_code == 422
    for text in (b"is empty", b"is no date; write it like 2026-01-31"):
        assert text in page.data


def test_a_hidden_person_has_no_name_on_any_page_and_the_rest_stays(staff, ada, app, governed):
    send(staff, f"/people/{ada}/hide", {"reason": "She asked."})
    visitor = app.test_client()
    for page in (f"/people/{ada}", "/people/", "/people/?q=love"):
        assert b"Lovelace" not in visitor.get(page).data
    assert b"Lovelace" in staff.get(f"/people/{ada}").data
    with governed.read() as session:
        assert person_by_public_id(session, ada).hidden_at is not None
        assert "people.person.hide" in session.scalars(sa.select(AuditEntry.action)).all()


def test_people_hide_their_own_name_and_show_it_again(client, ada, app, governed, signed_in):
    own = signed_in(client, ada)
    assert "Hide my name" in own.get(f"/people/{ada}").text
    asked = own.get(f"/people/{ada}/hide").text
    assert ("Hide me" in asked, "Another identity looks like yours" in asked) == (True, False)
    said = send(own, f"/people/{ada}/hide", {}, follow_redirects=True).text
    assert "is empty" in said  # the reason is offered, and may be another
    send(own, f"/people/{ada}/hide", {"reason": "I ask for it."})
    visitor = app.test_client()
    assert "Lovelace" not in visitor.get(f"/people/{ada}").text
    assert "Lovelace" in own.get(f"/people/{ada}").text
    send(own, f"/people/{ada}/hide", {"reason": "I changed my mind."})
    assert "Lovelace" in visitor.get(f"/people/{ada}").text
    with governed.read() as session:
        own_word = sa.select(AuditEntry.action).where(AuditEntry.actor_id == ada).order_by(AuditEntry.number)
        assert list(session.scalars(own_word)) == ["people.person.hide", "people.person.show"]


def test_who_hides_somebody_reads_what_would_still_be_shown(staff, ada, governed):
    with governed.write() as session:
        people.intern_identities(session, [("git", "Ada Lovelace", "lovelace@acme.com", "")])
        people.resolve(session)
        people.refresh_proposals(session)
    assert "Another identity looks like this person’s and would stay" in unescape(staff.get(f"/people/{ada}/hide").text)


def test_an_invitation_signs_the_person_in_once(administrator, ada, app):
    page = administrator.post(f"/people/{ada}/invite").get_data(as_text=True)
    address = page.split("<code>")[1].split("</code>")[0]
    link = address.removeprefix("http://127.0.0.1:8000")  # as the settings call it, not as this request did: localhost
    assert link.startswith("/sign-in/")
    visitor = app.test_client()
    assert visitor.post(link).status_code == 302
    assert b"Ada Lovelace" in visitor.get("/account").data
    assert app.test_client().post(link).status_code != 302


def test_whoever_does_not_exist_is_not_found(client):
    assert client.get("/people/p_nobody").status_code == 404


def test_a_day_of_employment_is_shown_from_the_evidence(client, ada, governed):
    with governed.write() as session:
        acme = members.organizations(session)[0]
        members.add_domain(session, acme, "acme.com", starts_on=date(2024, 1, 1), actor=STAFF, reason="Theirs.")
    page = client.get(f"/people/{ada}").data
    assert b"their e-mail address, 60% sure" in page
