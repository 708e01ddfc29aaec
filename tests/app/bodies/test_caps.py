"""The cap of seats for one employer, with the ninety days in which a change counts for both (charter 3.3, 6.1)."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from app.audit import Actor
from app.bodies import queries as bodies
from app.bodies.queries import AppointmentError
from app.members import queries as members
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Affiliation
from app.people.rules import StatementSource

STAFF = Actor.system("staff")
DAY = date(2026, 1, 15)
LONG_AGO = date(2024, 1, 1)


def organization(session, name):
    return members.create_organization(session, name, kind=OrganizationKind.COMPANY, actor=STAFF, reason="New.")


def works(session, person, employer, *, since=LONG_AGO, source=StatementSource.SELF):
    number = employer.id if employer else None
    return people.state(session, person, number, starts_on=since, source=source, actor=STAFF, reason="x")


def sit(session, person, starts_on=DAY, seat="member"):
    row = bodies.seat_by_key(session, "technical-council", seat)
    return bodies.appoint(session, row, person, starts_on=starts_on, actor=STAFF, reason="Elected.")


@pytest.fixture
def council(governed, clock):
    """Acme's Ada and Bob sit on the council; a year has passed since anybody said anything."""
    clock.advance(days=-400)
    with governed.write() as session:
        acme, blu = organization(session, "Acme"), organization(session, "Blu")
        persons = {name: people.create_person(session, name, f"{name.lower()}@people.org") for name in "ABCD"}
        for name in "AB":
            works(session, persons[name], acme)
            sit(session, persons[name], DAY - timedelta(days=400))
        works(session, persons["C"], blu)
    clock.advance(days=400)
    return governed, acme, blu, persons


def view(session, day=DAY):
    return bodies.roster_view(session, bodies.body_by_key(session, "technical-council"), day)


def test_a_third_holder_of_one_employer_is_refused_and_whose_employer_is_unknown_is_not(council):
    db, acme, _blu, persons = council
    with db.write() as session:
        works(session, persons["C"], acme, since=DAY)
        with pytest.raises(AppointmentError, match="counts for Acme, as 2 who sit do; the cap is 2"):
            sit(session, persons["C"])
        assert sit(session, persons["D"]).public_id


def test_who_left_an_employer_still_counts_for_it_and_is_refused_until_the_window_ends(council, clock):
    db, acme, blu, persons = council
    clock.advance(days=-400)
    with db.write() as session:
        works(session, persons["D"], acme)
    clock.advance(days=400)
    with db.write() as session:
        works(session, persons["D"], blu)
        with pytest.raises(AppointmentError, match=r"counts for Acme until 2026-04-14, by a change of late"):
            sit(session, persons["D"])
        with pytest.raises(AppointmentError, match="counts for Acme until 2026-04-14"):
            sit(session, persons["D"], date(2026, 4, 14))
        assert sit(session, persons["D"], date(2026, 4, 15)).public_id


def test_a_holder_who_left_keeps_the_place_taken_for_the_old_employer(council):
    db, acme, blu, persons = council
    with db.write() as session:
        works(session, persons["A"], blu)
        works(session, persons["C"], acme, since=DAY)
        with pytest.raises(AppointmentError, match="counts for Acme, as 2 who sit do"):
            sit(session, persons["C"])


def test_staff_confirm_a_change_and_the_place_is_free_at_once(council):
    db, acme, blu, persons = council
    with db.write() as session:
        works(session, persons["A"], blu)
        works(session, persons["A"], blu, since=DAY, source=StatementSource.STAFF)
        works(session, persons["D"], acme, since=DAY)
        assert sit(session, persons["D"]).public_id


def test_the_roster_says_for_whom_a_holder_counts_until_when_and_why(council):
    db, acme, blu, persons = council
    with db.write() as session:
        works(session, persons["C"], acme, since=DAY)
        works(session, persons["A"], blu)
        found = view(session)
        counts = found.employers[persons["A"].id]
        assert [(found.names[one.employer], one.until) for one in counts.counted] == [
            ("Blu", None),
            ("Acme", date(2026, 4, 14)),
        ]
        assert "90 days (charter 3.3)" in counts.derivation(found.names)[1]
        assert view(session, date(2026, 4, 15)).employers[persons["A"].id].employers == (blu.id,)


def test_the_roll_call_counts_who_changed_of_late_for_both(council):
    db, acme, blu, persons = council
    with db.write() as session:
        sit(session, persons["D"])
        works(session, persons["D"], acme, since=DAY)
        works(session, persons["A"], blu)
        texts = [one.text for one in view(session).concerns if one.key == "employer-cap"]
    assert texts == ["3 holders count for Acme, 1 of them by a change of late; the cap is 2."]


def test_a_statement_that_was_withdrawn_of_late_still_counts(council):
    db, acme, _blu, persons = council
    with db.write() as session:
        statement = session.query(Affiliation).filter_by(person_id=persons["A"].id).one()
        people.withdraw(session, statement, actor=STAFF, reason="Never so.")
        works(session, persons["C"], acme, since=DAY)
        with pytest.raises(AppointmentError, match="as 2 who sit do"):
            sit(session, persons["C"])


def test_a_first_day_in_the_past_is_no_way_around_the_cap_of_today(council):
    db, acme, _blu, persons = council
    with db.write() as session:
        works(session, persons["C"], acme, since=DAY)
        row = bodies.seat_by_key(session, "technical-council", "member")
        span = {"starts_on": DAY - timedelta(days=30), "actor": STAFF, "reason": "Elected."}
        with pytest.raises(AppointmentError, match="counts for Acme, as 2 who sit do; the cap is 2"):
            bodies.appoint(session, row, persons["C"], **span)
        assert bodies.appoint(session, row, persons["C"], ends_on=DAY - timedelta(days=1), **span).public_id


@pytest.fixture
def council_page(client, governed, clock):
    """On the database of the page: A, of Acme, says today that it is Blu."""
    clock.advance(days=-400)
    with governed.write() as session:
        acme, blu = organization(session, "Acme"), organization(session, "Blu")
        person = people.create_person(session, "Ada Lovelace", "ada@people.org")
        works(session, person, acme)
        sit(session, person)
    clock.advance(days=400)
    with governed.write() as session:
        works(session, person, blu)
        return blu.public_id


def test_the_page_of_the_body_shows_it_and_staff_confirm_it_there(app, client, council_page, administrator):
    body, visitor = "/bodies/technical-council", app.test_client()
    seen = visitor.get(body).text
    assert "until 14 Apr 2026" in seen
    assert "Confirm Blu" not in seen
    link = re.search(r'href="([^"]+)">Confirm Blu', administrator.get(body).text)[1].replace("&amp;", "&")
    form = administrator.get(link).text
    assert f'value="{council_page}" selected' in form
    data = {"organization_id": council_page, "starts_on": DAY.isoformat(), "reason": "Her contract."}
    assert administrator.post(link, data=data).status_code == 302
    assert "until 14 Apr 2026" not in visitor.get(body).text


def test_the_change_counts_the_same_on_each_kind_of_database(governed_each, clock):
    with governed_each.write() as session:
        acme, blu = organization(session, "Acme"), organization(session, "Blu")
        person = people.create_person(session, "Ada", "ada@acme.com")
        members.add_domain(session, acme, "acme.com", starts_on=LONG_AGO, actor=STAFF, reason="Theirs.")
        works(session, person, blu)
        found = people.counted_employers(session, [person.id], clock.now().date(), window_days=90)
    assert [(one.employer, one.until) for one in found[person.id].counted] == [
        (blu.id, None),
        (acme.id, date(2026, 4, 14)),
    ]
