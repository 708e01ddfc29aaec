"""The roster as of a day, appointments and their refusals, and where permissions get their seats from."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from app import auth
from app.audit import Actor
from app.bodies import queries as bodies
from app.bodies.models import Appointment, Body, Seat
from app.bodies.queries import AppointmentError
from app.bodies.rules import Holding, SeatDefinition, concerns, roster
from app.governance import sync
from app.governance.queries import current
from app.governance_files import GovernanceError, read
from app.members import queries as members
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Person
from app.people.rules import StatementSource

STAFF = Actor.system("staff")
GOVERNANCE = Path(__file__).resolve().parents[3] / "governance"
DAY = date(2026, 1, 15)


def organization(session, name, tier=None, **values):
    made = members.create_organization(
        session, name, kind=OrganizationKind.COMPANY, actor=STAFF, reason="New.", **values
    )
    if tier:
        members.start_membership(session, made, tier, starts_on=date(2025, 1, 1), actor=STAFF, reason="Joined.")
    return made


def sit(session, body, seat, name, **values):
    person = people.create_person(session, name, f"{name.lower()}.{seat}@people.org")
    values = {"starts_on": DAY, "actor": STAFF, "reason": "Chosen.", **values}
    return bodies.appoint(session, bodies.seat_by_key(session, body, seat), person, **values)


def test_every_platinum_member_has_a_seat_and_the_other_classes_share_theirs(governed_each):
    with governed_each.write() as session:
        for number in range(3):
            organization(session, f"Platinum {number}", "platinum")
        for number in range(11):
            organization(session, f"Silver {number}", "silver")
        found = bodies.roster(session, "governing-board", DAY)
    keys = [place.seat.key for place in found.places]
    assert [keys.count(key) for key in ("platinum", "gold", "silver", "technical")] == [3, 0, 2, 1]
    assert (found.votes_entire, found.votes_held) == (6, 0)


def test_the_roster_is_as_of_a_day_and_both_days_of_an_appointment_are_included(governed):
    with governed.write() as session:
        acme = organization(session, "Acme", "platinum")
        sit(session, "governing-board", "platinum", "Ada", organization=acme, ends_on=DAY + timedelta(days=9))
        held = {
            day: bodies.roster(session, "governing-board", DAY + timedelta(days=day)).votes_held
            for day in (-1, 0, 9, 10)
        }
    assert held == {-1: 0, 0: 1, 9: 1, 10: 0}


def test_an_alternate_sits_on_the_holders_seat_and_adds_no_vote(governed):
    with governed.write() as session:
        acme = organization(session, "Acme", "platinum")
        sit(session, "governing-board", "platinum", "Ada", organization=acme)
        sit(session, "governing-board", "platinum", "Bob", organization=acme, is_alternate=True)
        found = bodies.roster(session, "governing-board", DAY)
        place = next(place for place in found.places if place.seat.key == "platinum")
    assert found.votes_held == 1
    assert place.alternate is not None


def test_a_page_shows_the_quorum_of_the_day_with_its_derivation(governed):
    with governed.write() as session:
        for number in range(21):
            acme = organization(session, f"Member {number}", "platinum")
            sit(session, "governing-board", "platinum", f"P{number}", organization=acme)
        view = bodies.roster_view(session, bodies.body_by_key(session, "governing-board"), DAY)
    assert view.quorum.quorum_needed == 11
    assert "1/2 of 21 is 10.5, so 11" in " ".join(view.quorum.derivation)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"reason": " "}, "reason"),
        ({"organization": None}, "organization"),
        ({"ends_on": DAY - timedelta(days=1)}, "ends_on"),
        ({"starts_on": date(2024, 1, 1)}, "organization"),
    ],
)
def test_an_appointment_without_what_it_needs_is_refused(governed, values, field):
    with governed.write() as session:
        acme = organization(session, "Acme", "platinum")
        with pytest.raises(AppointmentError) as caught:
            sit(session, "governing-board", "platinum", "Ada", **{"organization": acme, **values})
    assert field in [where for where, _ in caught.value.problems]


def test_a_held_place_is_not_given_twice_and_a_second_member_is_no_alternate_of_the_first(governed):
    with governed.write() as session:
        acme = organization(session, "Acme", "platinum")
        sit(session, "governing-board", "platinum", "Ada", organization=acme)
        with pytest.raises(AppointmentError, match="every place"):
            sit(session, "governing-board", "platinum", "Bob", organization=acme)
        with pytest.raises(AppointmentError, match="has no alternates"):
            sit(session, "technical-council", "member", "Cy", is_alternate=True)


def test_seats_held_now_become_permissions_and_end_with_their_day(governed_each, clock):
    with governed_each.write() as session:
        made = sit(session, "technical-council", "lead", "Ada")
        held = bodies.held_seats(session, made.person_id, clock.now())
        assert held == (auth.HeldSeat("technical-council", "lead", "lead"),)
        bodies.end_appointment(session, made, DAY, actor=STAFF, reason="She steps down.")
        assert bodies.held_seats(session, made.person_id, clock.now()) == held
        assert bodies.held_seats(session, made.person_id, clock.advance(days=1)) == ()


def test_the_first_administrator_is_seated_once(governed_each):
    with governed_each.write() as session:
        first = bodies.first_administrator(session, "Ada", "ada@acme.com", "invited")
        assert bodies.first_administrator(session, "Ada", "ada@acme.com", "invited again") == first
        assert len(bodies.administrators(session, DAY)) == 1


def test_the_last_administrator_cannot_leave(governed):
    with governed.write() as session:
        bodies.first_administrator(session, "Ada", "ada@acme.com", "invited")
        appointment = session.scalars(sa.select(Appointment)).one()
        with pytest.raises(AppointmentError, match="nobody to run the portal"):
            bodies.end_appointment(session, appointment, DAY, actor=STAFF, reason="Enough.")
        bodies.first_administrator(session, "Bob", "bob@acme.com", "invited")
        bodies.end_appointment(session, appointment, DAY, actor=STAFF, reason="Enough.")


def test_without_governance_the_first_administrator_is_told_what_to_run(db):
    with db.write() as session:
        with pytest.raises(LookupError, match="flask governance sync"):
            bodies.first_administrator(session, "Ada", "", "invited")
        with pytest.raises(GovernanceError, match="flask governance sync"):
            current(session)


def test_the_invitation_from_the_command_line_signs_an_administrator_in(app, governed, client):
    result = app.test_cli_runner().invoke(args=["admin", "invite", "--name", "Ada", "--email", "ada@acme.com"])
    assert result.exit_code == 0, result.output
    link = next(line for line in result.output.splitlines() if "/sign-in/" in line)
    client.post(link.removeprefix("http://127.0.0.1:8000"))
    assert b"Ada" in client.get("/account").data


def test_a_second_sync_changes_nothing(governed_each, governance):
    with governed_each.read() as session:
        assert sync.plan(session, governance, DAY) == []


def test_a_body_that_left_the_files_is_retired_and_comes_back_the_same(governed, governance):
    with governed.write() as session:
        less = governance.model_copy(update={"bodies": governance.bodies[:-1]})
        sync.apply(session, less, actor=STAFF, reason="Fewer.")
        body = bodies.body_by_key(session, governance.bodies[-1].key)
        number = body.id
        assert body.retired_on == DAY
        sync.apply(session, governance, actor=STAFF, reason="Again.")
        session.refresh(body)
        assert (body.retired_on, body.id) == (None, number)
        assert session.scalar(sa.select(sa.func.count()).select_from(Seat).where(Seat.body_id == number)) == 1


def test_a_maintainer_of_the_file_holds_a_seat_until_no_longer_listed(governed, tmp_path):
    folder = shutil.copytree(GOVERNANCE, tmp_path / "governance")
    file = folder / "modules.yaml"
    entry = "maintainers: [{name: Ada Lovelace, email: ada@acme.com, since: 2025-05-01}]"
    file.write_text(file.read_text().replace("maintainers: []", entry, 2))
    listed = read(folder, today=DAY).require()
    with governed.write() as session:
        changes = sync.apply(session, listed, actor=STAFF, reason="A maintainer.")
        assert sum("appoint" in change.text for change in changes) == 2
        assert sync.plan(session, listed, DAY) == []
        assert list(bodies.holders(session, "module:core", DAY).values()) == [date(2025, 5, 1)]
        sync.apply(session, read(GOVERNANCE, today=DAY).require(), actor=STAFF, reason="Not any more.")
        assert bodies.holders(session, "module:core", DAY) == {}
        assert len(bodies.holders(session, "module:core", DAY - timedelta(days=1))) == 1


def test_seats_follow_a_merge_that_people_decided_and_none_that_a_machine_found(governed, clock):
    with governed.write() as session:
        made = sit(session, "technical-council", "lead", "Ada")
        second = people.create_person(session, "Ada L.", "ada.l@people.org")
        stranger = people.create_person(session, "Eve", "ada.lead@people.org", claimed=False)
        people.resolve(session)
        assert people.known_person(session, stranger.public_id).person_id == stranger.id
        assert bodies.held_seats(session, stranger.id, clock.now()) == ()
        first = session.get_one(Person, made.person_id)
        people.merge(session, first, second, actor=STAFF, reason="One person.")
        known = people.known_person(session, second.public_id)
        assert len(bodies.held_seats(session, known.person_id, clock.now())) == 1


def test_the_live_roll_call_finds_vacancies_caps_and_too_few(governed):
    with governed.write() as session:
        acme = organization(session, "Acme", "platinum")
        for name in ("Ada", "Bob", "Cy"):
            made = sit(session, "technical-council", "member", name)
            person = session.get_one(Person, made.person_id)
            people.state(
                session, person, acme.id, starts_on=date(2025, 1, 1), source=StatementSource.STAFF, actor=STAFF
            )
        view = bodies.roster_view(session, bodies.body_by_key(session, "technical-council"), DAY)
        core = bodies.roster_view(session, bodies.body_by_key(session, "module:core"), DAY)
    texts = [concern.text for concern in view.concerns]
    assert texts == ["5 of 8 seats are vacant.", "3 holders work for Acme; the cap is 2."]
    assert [concern.text for concern in core.concerns] == ["Nobody holds a seat."]


def test_no_seat_that_a_tier_appoints_is_technical(governed):
    with governed.read() as session:
        rows = session.execute(
            sa.select(Body.key, Seat.key)
            .join(Seat, Seat.body_id == Body.id)
            .where(Seat.appointed_by.startswith("tier:"), Body.nature != "business")
        ).all()
    assert rows == []


seats = st.builds(
    SeatDefinition, st.integers(1, 3), st.just("s"), st.just("S"), st.just("member"), st.just("staff"),
    st.integers(0, 2), st.none() | st.integers(1, 4), st.booleans(),
)  # fmt: skip
holdings = st.lists(
    st.builds(
        Holding, st.integers(0, 99).map(str), st.integers(1, 3), st.integers(1, 5), st.none() | st.integers(1, 3),
        st.booleans(), st.just(DAY), st.none(),
    ),
    max_size=8, unique_by=lambda holding: holding.id,
)  # fmt: skip


@given(st.lists(seats, max_size=3, unique_by=lambda seat: seat.id), holdings)
def test_every_holding_has_one_place_or_is_named_as_without(listed, held):
    found = roster(DAY, listed, held, {seat.id: (1, 2) for seat in listed})
    placed = [one.id for place in found.places for one in (place.holder, place.alternate) if one]
    known = {seat.id for seat in listed}
    assert sorted(placed + [one.id for one in found.without_place]) == sorted(h.id for h in held if h.seat in known)
    assert found.votes_held <= found.votes_entire
    assert isinstance(concerns(found, employers={}, employer_cap=1, related_cap=1), list)
