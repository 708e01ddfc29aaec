"""Pages of bodies: the public roster, appointments, and the proof that no tier gives a technical right."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from app import auth
from app.audit import Actor
from app.bodies import powers
from app.bodies.models import Appointment
from app.members import queries as members
from app.members.rules import OrganizationKind
from app.people import queries as people
from tests.portal import send

STAFF = Actor.system("staff")


@pytest.fixture
def staff(client, governed, signed_in):
    seat = auth.HeldSeat(body="administration", seat="staff", kind="staff")
    return signed_in(client, "p_staff", seat, name="Sam Staff")


@pytest.fixture
def ada(governed):
    with governed.write() as session:
        made = people.create_person(session, "Ada Lovelace", "ada@acme.com")
        acme = members.create_organization(session, "Acme", kind=OrganizationKind.COMPANY, actor=STAFF, reason="New.")
        members.start_membership(session, acme, "platinum", starts_on=date(2025, 1, 1), actor=STAFF, reason="Joined.")
        return made.public_id, acme.public_id


def test_every_body_has_a_public_roster(client, governed, governance):
    page = client.get("/bodies/").data
    for body in governance.bodies:
        assert body.name.encode() in page
        assert client.get(f"/bodies/{body.key}").status_code == 200
    assert client.get("/bodies/module:core").status_code == 200
    assert client.get("/bodies/none").status_code == 404


def test_staff_appoint_for_a_member_and_the_roster_of_an_earlier_day_stays_empty(staff, ada, governed):
    person, acme = ada
    url = "/bodies/governing-board/appoint"
    data = {"seat": "platinum", "person": person, "organization": acme, "starts_on": "2026-01-10", "reason": "Chosen."}
    assert b"Ada Lovelace is appointed" in staff.post(url, data=data, follow_redirects=True).data
    assert b"Ada Lovelace" not in staff.get("/bodies/governing-board?at=2026-01-09").data
    assert b"Governing Board" in staff.get(f"/people/{person}").data
    assert b"Ada Lovelace" in staff.get(f"/organizations/{acme}").data
    with governed.read() as session:
        appointment = session.scalars(sa.select(Appointment)).one().public_id
    send(staff, f"/bodies/appointments/{appointment}/end", {"ends_on": "2026-01-14", "reason": "She left."})
    assert b"Ada Lovelace" not in staff.get("/bodies/governing-board").data
    assert b"Ada Lovelace" in staff.get("/bodies/governing-board?at=2026-01-14").data


def test_a_hidden_holder_has_no_name_in_the_roster(staff, ada, app):
    person, acme = ada
    data = {"seat": "platinum", "person": person, "organization": acme, "starts_on": "2026-01-10", "reason": "Chosen."}
    staff.post("/bodies/governing-board/appoint", data=data)
    send(staff, f"/people/{person}/hide", {"reason": "She asked."})
    page = app.test_client().get("/bodies/governing-board").data
    assert b"Lovelace" not in page
    assert b"a hidden person" in page


def test_staff_never_appoint_an_administrator(staff, ada, administrator):
    url = "/bodies/administration/appoint"
    assert administrator.get(url).status_code == 200


def test_only_an_administrator_appoints_one(staff, ada):
    data = {"seat": "administrator", "person": ada[0], "starts_on": "2026-01-10", "reason": "Me."}
    assert staff.post("/bodies/administration/appoint", data=data).status_code == 403


def test_every_problem_of_an_appointment_is_named(staff, ada):
    page = staff.post(
        "/bodies/governing-board/appoint",
        data={"seat": "x", "person": "Nobody", "starts_on": "2026-01-10", "reason": "y"},
    )
    assert page.status_code == 422
    assert b"is none of the choices" in page.data
    assert b"nobody is found so" in page.data


def test_no_tier_maps_to_a_technical_permission(client, governed):
    with governed.read() as session:
        proof = powers.prove(session)
    assert proof.holds
    assert {grant.appointed_by for grant in proof.grants if grant.is_by_tier} == {
        "tier:platinum",
        "tier:gold",
        "tier:silver",
    }
    assert b"No tier of membership maps to a technical permission" in client.get("/governance/two-powers").data


def test_the_proof_fails_when_a_rule_lets_a_tiers_seat_do_something_technical(client, governed, monkeypatch):
    def sold(user, _thing=None):
        return auth.Decision(user.holds("governor"), "bought")

    monkeypatch.setitem(auth._rules, "releases.sold", sold)
    with governed.read() as session:
        proof = powers.prove(session)
    assert not proof.holds
    assert {grant.seat for grant in proof.violations} == {"platinum", "gold", "silver"}
    assert b"clause 1.2 is broken" in client.get("/governance/two-powers").data


def test_the_proof_is_empty_before_the_first_sync(client):
    assert b"Nothing to prove yet" in client.get("/governance/two-powers").data
