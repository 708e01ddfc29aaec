"""Pages of organizations as visitors see them and staff keep them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app import auth, pages
from app.members.models import Membership, Organization, OrganizationDomain
from app.people import queries as people
from tests.portal import send

SEAT = auth.HeldSeat(body="administration", seat="staff", kind="staff")


@pytest.fixture
def staff(client, governed, signed_in):
    return signed_in(client, "p_staff", SEAT, name="Sam Staff")


@pytest.fixture
def acme(staff, governed):
    data = {"name": "Acme <b>", "kind": "company", "website": "https://acme.com", "reason": "New."}
    staff.post("/organizations/new", data=data)
    return one(governed, Organization)


def one(db, model):
    with db.read() as session:
        return session.scalars(sa.select(model).order_by(model.id.desc())).first().public_id


def test_an_empty_foundation_says_how_organizations_come_here(client):
    assert b"No organization is entered yet" in client.get("/organizations/").data


def test_staff_enter_an_organization_and_visitors_see_it(client, acme, app):
    visitor = app.test_client()
    assert b"Acme &lt;b&gt;" in visitor.get("/organizations/").data
    page = visitor.get(f"/organizations/{acme}").data
    assert b"It never was a member" in page
    assert b"For staff" not in page


@pytest.mark.parametrize(
    "page", ["new", "{acme}/edit", "{acme}/memberships/new", "{acme}/domains/new", "{acme}/people/new"]
)
def test_only_staff_open_the_forms(app, acme, signed_in, staff, page):
    url = "/organizations/" + page.format(acme=acme)
    assert staff.get(url).status_code == 200
    visitor = app.test_client()
    assert visitor.get(url).status_code == 302
    signed_in(visitor, "p_anybody")
    assert visitor.get(url).status_code == 403
    assert visitor.post(url).status_code == 403


def test_all_that_is_wrong_with_an_organization_is_said_at_once_and_kept(staff):
    page = staff.post("/organizations/new", data={"name": "", "kind": "club", "website": "ftp://x", "description": "Y"})
    assert page.status_code == 422
    for text in (b"is empty", b"is none of the choices", b"is no web address", b">Y</textarea>"):
        assert text in page.data


def test_a_membership_begins_and_ends_and_its_history_stays(staff, acme, governed):
    url = f"/organizations/{acme}/memberships/new"
    data = {"tier": "platinum", "starts_on": "2025-03-01", "reason": "They joined."}
    assert b"Platinum member since 1 Mar 2025" in staff.post(url, data=data, follow_redirects=True).data
    again = staff.post(url, data={**data, "starts_on": "2025-06-01", "dues_cents": "12.345"})
    assert b"decimal" in again.data.lower()
    again = staff.post(url, data={**data, "starts_on": "2025-06-01"})
    assert b"another membership runs from 2025-03-01 without an end" in again.data
    membership = one(governed, Membership)
    end = f"/organizations/memberships/{membership}/end"
    assert b"is before the first day" in send(staff, end, {"ends_on": "2025-01-01", "reason": "x"}).data
    send(staff, end, {"ends_on": "2025-12-31", "reason": "They left."})
    page = staff.get(f"/organizations/{acme}").data
    assert b"no member" in page
    assert "1 Mar 2025 – 31 Dec 2025".encode() in page


def test_dues_are_seen_by_staff_and_by_who_sits_for_the_organization(staff, acme, app, signed_in):
    data = {"tier": "platinum", "starts_on": "2025-03-01", "dues_cents": "120000.50", "reason": "They joined."}
    staff.post(f"/organizations/{acme}/memberships/new", data=data)
    page = f"/organizations/{acme}"
    assert b"120,000.50 USD" in staff.get(page).data
    assert b"120,000.50 USD" not in app.test_client().get(page).data
    seats = {name: auth.HeldSeat("governing-board", "platinum", "governor", None, name) for name in (acme, "o_other")}
    seen = {name: signed_in(app.test_client(), f"p_{name}", seat).get(page).data for name, seat in seats.items()}
    assert [b"120,000.50 USD" in seen[name] for name in (acme, "o_other")] == [True, False]


def test_the_list_is_as_of_a_day_and_nonsense_is_refused(staff, acme):
    data = {"tier": "platinum", "starts_on": "2024-03-01", "reason": "They joined."}
    staff.post(f"/organizations/{acme}/memberships/new", data=data)
    assert b"<h2>Premier" in staff.get("/organizations/?at=2024-06-01").data
    assert b"Premier, later Platinum" in staff.get(f"/organizations/{acme}").data
    assert b"<h2>Platinum" in staff.get("/organizations/?at=").data
    for day in ("soon", "9999-99-99", "0001-01-01"):
        assert staff.get(f"/organizations/?at={day}").status_code == 400


def test_a_domain_is_entered_once_and_ended(staff, acme, governed):
    url = f"/organizations/{acme}/domains/new"
    assert (
        b"nobody&#39;s employer"
        in staff.post(url, data={"domain": "gmail.com", "starts_on": "2025-01-01", "reason": "x"}).data
    )
    for wrong in ("*.acme.com", "acme .com", "-", "acme"):
        assert b"nobody&#39;s employer" in staff.post(url, data={"domain": wrong, "starts_on": "2025-01-01"}).data
    with governed.write() as session:
        people.intern_identities(session, [("git", "Bea", "bea@mail.b\u00fccher.de", "")])
        people.resolve(session)
        bea = people.one_person(session, "bea@mail.b\u00fccher.de").public_id
    assert b"Not known." in staff.get(f"/people/{bea}").data
    staff.post(url, data={"domain": "b\u00fccher.de", "starts_on": "2025-01-01", "reason": "Theirs."})
    twice = staff.post(url, data={"domain": "xn--bcher-kva.de", "starts_on": "2025-01-01", "reason": "Theirs."})
    assert b"belongs to Acme" in twice.data, "one domain, however it is written"
    assert b"their e-mail address" in staff.get(f"/people/{bea}").data
    staff.post(url, data={"domain": "acme.com", "starts_on": "2025-01-01", "reason": "Theirs."})
    end = f"/organizations/domains/{one(governed, OrganizationDomain)}/end"
    staff.post(end, data={"ends_on": "2025-12-31", "reason": "Sold."})
    assert "1 Jan 2025 – 31 Dec 2025".encode() in staff.get(f"/organizations/{acme}").data


def test_a_person_who_is_not_found_is_a_problem_of_the_field(staff, acme):
    page = staff.post(
        f"/organizations/{acme}/people/new", data={"person": "Nobody", "starts_on": "2025-01-01", "reason": "x"}
    )
    assert b"nobody is found so" in page.data


def test_another_slice_puts_its_card_on_an_organizations_page(staff, acme, monkeypatch):
    monkeypatch.setattr(pages, "_slots", {})

    @pages.fill("organization", order=1)
    def figures(_session, _user, organization):
        return pages.Card(f"Figures of {organization.slug}", "bodies/_seats_of_organization.html", {"rows": []})

    assert b"Figures of acme-b" in staff.get(f"/organizations/{acme}").data
