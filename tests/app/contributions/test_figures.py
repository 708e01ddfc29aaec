"""Figures as they are registered and drawn: exchanged reviews, standings beside others, people over time, options."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.contributions import queries
from app.contributions.facts import ReleaseTold, record_releases
from app.contributions.figures import FIGURES, BadAddress, Look, NothingThere, read_figure, read_look
from app.contributions.figures.comparing import Standing, standings
from app.contributions.figures.drawing import About, table
from app.contributions.figures.figure import figure
from app.contributions.metrics.timelines import REVIEWS
from app.contributions.models import ChangeEvent
from app.contributions.queries import Other, Scope, Side
from app.contributions.windows import Window
from app.db import Database
from app.members.models import Organization
from app.people.models import IdentityPerson, Person
from tests.app.contributions.test_facts import ADA, CLEO, company, employ, person_of, repository
from tests.app.contributions.test_timeline_queries import DEE, YEAR, told

HOUR = 3600
NOW = datetime(2026, 12, 31, tzinfo=UTC)


def number_of(session: Session, name: str) -> int:
    return session.scalars(sa.select(Organization.id).where(Organization.name == name)).one()


def look_at(session: Session, scope: Scope, **options: str) -> Look:
    return Look(session, scope, YEAR, NOW, {}, options)


def test_reviews_are_given_to_the_authors_side_and_received_from_the_reviewers(governed_each: Database):
    with governed_each.write() as session:
        told(session)
        acme, bell = Scope(organization=number_of(session, "Acme")), number_of(session, "Bell")
        on_her_own = Other(None, is_known=True)
        given = queries.reviews_exchanged(session, Side.GIVEN, acme, YEAR)
        assert given == {Other(bell, is_known=True): 1, on_her_own: 1}
        received = queries.reviews_exchanged(session, Side.RECEIVED, acme, YEAR)
        assert received == {Other(bell, is_known=True): 1, on_her_own: 2}
        cleo, ada = (person_of(session, one).id for one in (CLEO, ADA))
        given = queries.reviews_exchanged(session, Side.GIVEN, Scope(person=cleo), YEAR)
        assert given[Other(None, is_known=True, is_bot=True)] == 1
        by_person = queries.reviews_exchanged_by_person(session, Side.GIVEN, Scope(person=cleo), YEAR)
        assert by_person[ada] == 2


def test_the_response_that_somebody_gives_runs_from_the_opening_to_their_own_first_review(governed_each: Database):
    with governed_each.write() as session:
        told(session)
        acme = Scope(organization=number_of(session, "Acme"))
        assert queries.response_given(session, acme, YEAR) == {30 * HOUR: (1, 0), 6 * HOUR: (1, 0)}


def test_what_somebody_reviewed_here_before_they_turned_out_to_be_another_is_theirs(governed_each: Database):
    with governed_each.write() as session:
        told(session)
        cleo = person_of(session, CLEO)
        before = queries.response_given(session, Scope(person=cleo.id), YEAR)
        once = Person(name="Cleo of old", merged_into_id=cleo.id, created_at=NOW)
        session.add(once)
        session.flush()
        own = sa.select(IdentityPerson.identity_id).where(IdentityPerson.person_id == cleo.id)
        session.execute(sa.update(ChangeEvent).where(ChangeEvent.identity_id.in_(own), ChangeEvent.kind.in_(REVIEWS))
                        .values(person_id=once.id, identity_id=None))  # fmt: skip
        assert sum(ended for ended, _ in before.values()) >= 3
        assert queries.response_given(session, Scope(person=cleo.id), YEAR) == before


def test_a_subsidiary_counts_for_its_owner_where_groups_are_asked_for(governed: Database):
    with governed.write() as session:
        told(session)
        acme = session.get_one(Organization, number_of(session, "Acme"))
        employ(session, DEE, company(session, "Acme Labs", member=False, parent=acme))
        labs = number_of(session, "Acme Labs")
        own = standings(look_at(session, Scope(organization=acme.id)), [acme.id, labs])
        assert (own[acme.id].opened, own[acme.id].reviews, own[acme.id].waited_s) == (3, 2, 4 * HOUR)
        assert own[labs] == Standing(opened=1, waited_s=8 * HOUR)
        group = standings(look_at(session, Scope(organization=acme.id), by="group"), [acme.id])
        assert (group[acme.id].opened, group[acme.id].waited_s) == (4, 4 * HOUR)


def test_releases_are_told_day_by_day_pre_releases_apart(governed: Database):
    with governed.write() as session:
        place = repository(session)
        days = (
            (date(2026, 1, 3), False),
            (date(2026, 1, 3), False),
            (date(2026, 2, 9), True),
            (date(2025, 12, 1), False),
        )
        record_releases(session, place, "github", [
            ReleaseTold(f"v{at}", f"v{at}", datetime(day.year, day.month, day.day, 5, tzinfo=UTC), is_prerelease=early)
            for at, (day, early) in enumerate(days)])  # fmt: skip
        found = queries.releases_over_time(session, Scope(repository=place), YEAR)
        assert found == {(date(2026, 1, 3), False): 2, (date(2026, 2, 9), True): 1}


@pytest.mark.parametrize(("key", "arguments", "said"), [
    ("compare", {}, "scope: name one organization"),
    ("modules", {"module": "ops"}, "module: this figure is not drawn of one module"),
    ("commits-over-time", {"show": "pie"}, "show: 'pie' is none of count, share"),
    ("compare", {"organization": "o_x", "with": "a,b,c,d,e,f,g"}, "with: at most 6 organizations"),
])  # fmt: skip
def test_what_a_figure_cannot_be_asked_is_said(app: Flask, governed: Database, key: str, arguments, said: str):
    with app.test_request_context(), governed.read() as session, pytest.raises(BadAddress, match=said):
        read_figure(session, key, arguments, now=NOW)


def test_a_peer_that_does_not_exist_is_said(governed: Database):
    with governed.read() as session, pytest.raises(NothingThere, match="no organization 'o_none'"):
        read_look(session, {"with": "o_none"}, now=NOW)


def test_a_key_is_registered_once():
    with pytest.raises(ValueError, match="two figures are called 'people'"):
        figure("people", "People again", "contributors")(FIGURES["people"].draw)


def test_every_figure_is_drawn_of_every_scope_that_it_takes(app: Flask, governed: Database):
    with governed.write() as session:
        told(session)
        public = {"organization": session.get_one(Organization, number_of(session, "Acme")).public_id,
                  "person": person_of(session, ADA).public_id, "module": "ops", "everything": ""}  # fmt: skip
    with app.test_request_context(), governed.read() as session:
        for key, registered in FIGURES.items():
            for scope in set(registered.scopes) - {"repository"}:
                found = read_figure(session, key, {scope: public[scope], "window": "3y"}, now=NOW)
                assert found.as_json()["definition_version"] >= 1
                assert all(len(row) == len(found.columns) for row in found.rows), (key, scope)


def test_a_row_leads_on_and_can_be_called_wrong(app: Flask):
    with app.test_request_context("/contributions/"):
        drawn = table("Organizations", ("Organization", "Commits"), [("<Acme>", 3), ("Unattributed", 1)],
                      [About("/somewhere", "organization", "o_1"), None])  # fmt: skip
    assert '<a href="/somewhere">&lt;Acme&gt;</a>' in drawn
    assert drawn.count("about=organization") == drawn.count("This is wrong") == 1


def test_a_drawing_over_time_says_which_of_its_steps_are_not_whole(app: Flask, governed: Database):
    with app.test_request_context(), governed.write() as session:
        told(session)
        part = Look(session, Scope(), Window(date(2026, 1, 9), date(2026, 4, 20)), NOW, {}, {})
        said = "5 Jan 2026 counts from 9 Jan 2026, 20 Apr 2026 until 20 Apr 2026."
        assert FIGURES["commits-over-time"].of(part).notes == (said,)
        assert said in FIGURES["first-response-over-time"].of(part).caption
        assert said not in FIGURES["backlog-over-time"].of(part).caption  # how many are open has no such step
        assert said not in FIGURES["organizations"].of(part).caption
        whole = Look(session, Scope(), Window(date(2026, 1, 5), date(2026, 4, 26)), NOW, {}, {})
        assert FIGURES["commits-over-time"].of(whole).notes == ()
