"""Who sits for an organization keeps its record: what is theirs, what they only propose, and who may not."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from app.audit import Actor, AuditEntry
from app.auth import can, user_of
from app.bodies import queries as bodies
from app.members import queries as members
from app.members.models import Membership, Organization, OrganizationDomain, Proposal
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Affiliation
from app.people.rules import StatementSource
from tests.portal import send

STAFF = Actor.system("staff")
DAY = date(2026, 1, 15)


@pytest.fixture
def board(governed):
    """Two platinum members: Rita holds Acme's seat, Alf is her alternate, Blu's seat is Bea's; Wim is nobody's."""
    made = {}
    with governed.write() as session:
        for name in ("Acme", "Blu"):
            kind = OrganizationKind.COMPANY
            row = members.create_organization(session, name, kind=kind, actor=STAFF, reason="New.", contact="to@us.org")
            members.start_membership(
                session, row, "platinum", starts_on=date(2025, 1, 1), actor=STAFF, reason="Joined."
            )
            made[name] = row.public_id
        for name, owner, is_alternate in (("Rita", "Acme", False), ("Alf", "Acme", True), ("Bea", "Blu", False)):
            person = people.create_person(session, f"{name} Person", f"{name.lower()}@people.org")
            bodies.appoint(
                session, bodies.seat_by_key(session, "governing-board", "platinum"), person,
                starts_on=DAY - timedelta(days=30), is_alternate=is_alternate, actor=STAFF, reason="Chosen.",
                organization=members.organization_by_public_id(session, made[owner]),
            )  # fmt: skip
            made[name] = person.public_id
        made["Wim"] = people.create_person(session, "Wim Worker", "wim@people.org").public_id
    return made


@pytest.fixture
def enter(app, signed_in, board):
    """`enter("Rita")`: the browser of somebody of the board."""
    return lambda name: signed_in(app.test_client(), board[name])


def row(db, model, *which):
    with db.read() as session:
        return session.scalars(sa.select(model).where(*which).order_by(model.id.desc())).first()


def record(**values):
    return {"name": "Acme", "website": "", "description": "", "contact": "", "reason": "Ours.", **values}


FORMS = ["edit", "domains/new", "people/new"]


@pytest.mark.parametrize("form", FORMS)
def test_who_holds_the_seat_may_and_another_members_an_alternate_and_a_visitor_may_not(app, board, enter, form):
    url = f"/organizations/{board['Acme']}/{form}"
    assert enter("Rita").get(url).status_code == 200
    for name in ("Bea", "Alf", "Wim"):
        browser = enter(name)
        assert browser.get(url).status_code == 403, name
        assert browser.post(url, data=record()).status_code == 403, name
        assert b"Yours to keep" not in browser.get(f"/organizations/{board['Acme']}").data
    visitor = app.test_client()
    assert visitor.get(url).status_code == 302
    assert visitor.post(url, data=record()).status_code == 401


def test_tier_and_dues_stay_with_staff(board, enter):
    url = f"/organizations/{board['Acme']}/memberships/new"
    assert enter("Rita").get(url).status_code == 403
    assert enter("Rita").get("/organizations/new").status_code == 403
    assert enter("Rita").get("/organizations/proposals").status_code == 403


def test_a_membership_is_not_the_representatives_to_end(board, enter, governed):
    url = f"/organizations/memberships/{row(governed, Membership).public_id}/end"
    assert enter("Bea").post(url, data={"ends_on": "2026-01-01", "reason": "Cheaper."}).status_code == 403


def test_a_seat_that_ended_opens_nothing_any_more(board, enter, clock):
    browser = enter("Rita")
    url = f"/organizations/{board['Acme']}/edit"
    assert browser.get(url).status_code == 200
    with browser.application.extensions["flambeau"].db.write() as session:
        appointment = bodies.appointments_for(session, row_id(session, board["Acme"]), DAY)[0][0]
        bodies.end_appointment(session, appointment, DAY, actor=STAFF, reason="She left.")
    assert browser.get(url).status_code == 200
    clock.advance(days=1)
    assert browser.get(url).status_code == 403


def row_id(session, public_id):
    return members.organization_by_public_id(session, public_id).id


def test_a_seat_goes_with_the_membership_that_gave_it(board, enter, governed, clock):
    with governed.write() as session:
        acme = members.organization_by_public_id(session, board["Acme"])
        members.end_membership(session, members.memberships_of(session, acme)[0], DAY, actor=STAFF, reason="Left.")
    assert enter("Rita").get(f"/organizations/{board['Acme']}/edit").status_code == 200
    clock.advance(days=1)
    assert enter("Rita").get(f"/organizations/{board['Acme']}/edit").status_code == 403
    with governed.read() as session:
        assert bodies.held_seats(session, people.person_by_public_id(session, board["Rita"]).id, clock.now()) == ()


def test_the_permission_asks_for_this_very_organization(app, board, governed):
    with app.app_context(), governed.read() as session:
        users = {name: user_of(session, board[name]) for name in ("Rita", "Alf", "Bea", "Wim")}
    allowed = {name: [can(user, "members.keep", board[of]).allowed for of in ("Acme", "Blu")]
               for name, user in users.items()}  # fmt: skip
    assert allowed == {"Rita": [True, False], "Alf": [False, False], "Bea": [False, True], "Wim": [False, False]}


def test_a_representative_changes_the_words_and_nothing_else_and_it_is_written_down(board, enter, governed):
    sent = record(
        name="Acme AG", description="Tensors.", contact="board@acme.com", kind="university", parent=board["Blu"]
    )
    page = send(enter("Rita"), f"/organizations/{board['Acme']}/edit", sent, follow_redirects=True)
    assert b"Tensors." in page.data
    assert b"board@acme.com" in page.data
    after = row(governed, Organization, Organization.public_id == board["Acme"])
    assert (after.name, after.kind, after.parent_id) == ("Acme AG", OrganizationKind.COMPANY, None)
    with governed.read() as session:
        wanted = sa.select(AuditEntry).where(AuditEntry.action == "members.organization.keep")
        entry = session.scalars(wanted).one()
    assert (entry.actor_id, entry.thing, entry.reason) == (board["Rita"], board["Acme"], "Ours.")
    assert "board@acme.com" not in str(entry.data)


def test_only_staff_and_its_own_representatives_see_where_an_organization_is_written_to(board, enter, app):
    url = f"/organizations/{board['Acme']}"
    seen = {name: b"to@us.org" in enter(name).get(url).data for name in ("Rita", "Alf", "Bea")}
    assert seen == {"Rita": True, "Alf": False, "Bea": False}
    assert b"to@us.org" not in app.test_client().get(url).data


def test_who_saves_after_somebody_else_did_sees_that_and_changes_nothing(board, enter, governed):
    url, rita = f"/organizations/{board['Acme']}/edit", enter("Rita")
    opened = row(governed, Organization, Organization.public_id == board["Acme"]).version
    assert send(rita, url, record(description="First.")).status_code == 302
    late = rita.post(url, data=record(description="Second.", version=str(opened)))
    assert (late.status_code, b"Somebody changed it meanwhile" in late.data) == (409, True)
    assert rita.post(url, data=record(description="Without a version.")).status_code == 409
    assert row(governed, Organization, Organization.public_id == board["Acme"]).description == "First."


def test_a_form_without_its_token_is_refused(board, enter, app):
    app.config["WTF_CSRF_ENABLED"] = True
    assert enter("Rita").post(f"/organizations/{board['Acme']}/edit", data=record()).status_code == 400


def test_a_proposed_domain_counts_for_nothing_until_staff_accept_it(board, enter, governed, administrator):
    data = {"domain": "acme.com", "starts_on": "2025-01-01", "reason": "Ours."}
    page = enter("Rita").post(f"/organizations/{board['Acme']}/domains/new", data=data, follow_redirects=True)
    assert b"waiting for an answer" in page.data
    assert row(governed, OrganizationDomain) is None
    proposal = row(governed, Proposal).public_id
    url = f"/organizations/proposals/{proposal}"
    assert b"acme.com" in administrator.get("/organizations/proposals").data
    for name in ("Bea", "Wim", "Alf"):
        assert enter(name).get(url).status_code == 403, name
    rita = send(enter("Rita"), url, {"outcome": "accepted"})
    assert (rita.status_code, b"is none of the choices" in rita.data) == (422, True)
    refused = send(administrator, url, {"outcome": "refused"})
    assert b"say why it is refused" in refused.data
    assert send(administrator, url, {"outcome": "accepted"}).status_code == 302
    assert row(governed, OrganizationDomain).domain == "acme.com"
    again = send(administrator, url, {"outcome": "refused", "reason": "Hm."})
    assert b"came too late: it is accepted" in again.data


def test_a_proposed_person_counts_once_they_say_so_and_then_by_their_own_word(board, enter, governed):
    data = {"person": board["Wim"], "starts_on": "2025-03-01", "reason": "On our payroll."}
    enter("Rita").post(f"/organizations/{board['Acme']}/people/new", data=data)
    assert row(governed, Affiliation) is None
    assert b"Said of you" in enter("Wim").get(f"/people/{board['Wim']}").data
    assert b"Said of" not in enter("Bea").get(f"/people/{board['Wim']}").data
    url = f"/organizations/proposals/{row(governed, Proposal).public_id}"
    assert enter("Bea").get(url).status_code == 403
    assert send(enter("Wim"), url, {"outcome": "accepted"}).status_code == 302
    said = row(governed, Affiliation)
    assert (said.source, said.starts_on, said.stated_by) == (StatementSource.SELF, date(2025, 3, 1), board["Wim"])
    assert b"Wim Worker" in enter("Bea").get(f"/organizations/{board['Acme']}").data


def test_a_representative_takes_a_proposal_back_and_nothing_counts(board, enter, governed):
    data = {"person": board["Wim"], "starts_on": "2025-03-01", "reason": "On our payroll."}
    enter("Rita").post(f"/organizations/{board['Acme']}/people/new", data=data)
    url = f"/organizations/proposals/{row(governed, Proposal).public_id}"
    assert send(enter("Rita"), url, {"outcome": "withdrawn", "reason": "Another Wim."}).status_code == 302
    assert row(governed, Affiliation) is None
    assert b"Said of you" not in enter("Wim").get(f"/people/{board['Wim']}").data


def test_all_that_is_wrong_with_a_proposal_is_said_at_once(board, enter):
    url = f"/organizations/{board['Acme']}/people/new"
    page = enter("Rita").post(url, data={"person": "Nobody", "starts_on": "soon"})
    for text in (b"nobody is found so", b"is no date", b"is empty"):
        assert text in page.data
    url = f"/organizations/{board['Acme']}/domains/new"
    page = enter("Rita").post(url, data={"domain": "gmail.com", "starts_on": "2026-02-01", "ends_on": "2026-01-01"})
    for text in (b"nobody&#39;s employer", b"is before the first day", b"is empty"):
        assert text in page.data


@pytest.fixture
def domain(governed, board):
    """The public id of acme.com, Acme's since 2025."""
    with governed.write() as session:
        acme = members.organization_by_public_id(session, board["Acme"])
        added = members.add_domain(session, acme, "acme.com", starts_on=date(2025, 1, 1), actor=STAFF, reason="Theirs.")
        return added.public_id


def test_a_representative_ends_a_domain_once_and_not_before_today_and_staff_choose_the_day(
    domain, enter, governed, administrator
):
    url, rita = f"/organizations/domains/{domain}/end", enter("Rita")
    early = rita.post(url, data={"ends_on": "2026-01-14", "reason": "Sold."})
    assert (early.status_code, b"is before today, 2026-01-15" in early.data) == (422, True)
    assert rita.post(url, data={"ends_on": "2026-01-15", "reason": "Sold."}).status_code == 302
    for day in ("2027-01-01", "2026-01-15"):
        again = rita.post(url, data={"ends_on": day, "reason": "Ours again."})
        assert (again.status_code, b"is 2026-01-15 already" in again.data) == (422, True), day
    assert row(governed, OrganizationDomain).ends_on == date(2026, 1, 15)
    for day in (date(2027, 1, 1), date(2025, 12, 31)):
        assert administrator.post(url, data={"ends_on": day.isoformat(), "reason": "It was so."}).status_code == 302
        assert row(governed, OrganizationDomain).ends_on == day


def test_whose_domain_their_representative_ends_still_counts_for_the_employer_for_ninety_days(
    domain, board, enter, governed
):
    with governed.write() as session:
        worker = people.create_person(session, "Ada Worker", "ada@acme.com").id
        people.resolve(session)
        acme = row_id(session, board["Acme"])

    def counted(day):
        with governed.read() as session:
            return people.counted_employers(session, [worker], day, window_days=90)[worker].employers

    url, rita = f"/organizations/domains/{domain}/end", enter("Rita")
    rita.post(url, data={"ends_on": "2025-06-30", "reason": "Sold."})
    assert counted(DAY) == (acme,)
    rita.post(url, data={"ends_on": "2026-01-15", "reason": "Sold."})
    assert [counted(date(2026, 4, day)) for day in (15, 16)] == [(acme,), ()]


def test_a_representative_finds_a_person_by_shown_name_or_public_id_and_by_no_address(board, enter, governed):
    with governed.write() as session:
        people.create_person(session, "ann@people.org", "ann@people.org")
        hidden = people.create_person(session, "Hedy Hidden", "hedy@people.org")
        people.hide(session, hidden, hidden=True, actor=STAFF, reason="She asked.")
    url = f"/organizations/{board['Acme']}/people/new"
    assert "e-mail" not in enter("Rita").get(url).text.split("<main")[1].split("</main>")[0]
    data = {"starts_on": "2025-03-01", "reason": "On our payroll."}
    for text in ("wim@people.org", "hedy@people.org", "ann@people.org", "Hedy Hidden"):
        page = enter("Rita").post(url, data={"person": text, **data})
        assert (page.status_code, b"nobody is found so" in page.data) == (422, True), text
    assert row(governed, Proposal) is None
    assert enter("Rita").post(url, data={"person": "wim worker", **data}).status_code == 302
    assert enter("Rita").post(url, data={"person": board["Bea"], **data}).status_code == 302


@pytest.mark.parametrize("what", ["domains", "people"])
def test_an_accepted_proposal_has_one_audit_entry_that_names_it(board, enter, governed, administrator, what):
    data = {"domain": "acme.com", "person": board["Wim"], "starts_on": "2025-01-01", "reason": "Ours."}
    enter("Rita").post(f"/organizations/{board['Acme']}/{what}/new", data=data)
    with governed.read() as session:
        before = session.scalar(sa.select(sa.func.max(AuditEntry.number)))
    proposal = row(governed, Proposal).public_id
    answer = {"outcome": "accepted", "reason": "We looked."}
    assert send(administrator, f"/organizations/proposals/{proposal}", answer).status_code == 302
    with governed.read() as session:
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.number > before)).one()
    assert entry.action == {"domains": "members.domain.add", "people": "people.affiliation.state"}[what]
    assert entry.reason == f"proposed by Acme ({proposal}): Ours. Accepted: We looked."
