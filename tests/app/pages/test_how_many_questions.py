"""A page asks the database the same number of questions however much there is on it."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.audit import Actor
from app.bodies import queries as bodies
from app.bodies.models import Body, Seat
from app.contributions.models import Change, ChangeCommit, ChangeFile, ChangeSource, ChangeState, Repository
from app.db import Database
from app.members import queries as members
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Affiliation, Person
from app.people.rules import StatementSource
from app.reviews.models import Review
from app.reviews.rules import Verdict
from tests.app.statements import statements

US = Actor.system("test")
TODAY = date(2026, 1, 15)
MOST = 25


def somebody(session: Session, name: str) -> Person:
    """A person who says where they work, and another row that turned out to be the same one."""
    person = people.create_person(session, name, f"{name.replace(' ', '.').lower()}@people.example")
    double = people.create_person(session, name, f"{name.replace(' ', '.').lower()}@elsewhere.example")
    double.merged_into_id = person.id
    session.flush()
    return double


def fill(session: Session, numbers: range) -> None:
    """More of everything: members with their seats, people who hold seats of each module, changes with reviews."""
    now = session.info["flambeau_clock"].now()
    repository = session.scalar(sa.select(Repository))
    if repository is None:
        repository = Repository(name="portal", url="/srv/portal", added_at=now)
        session.add(repository)
        session.flush()
    platinum = bodies.seat_by_key(session, "governing-board", "platinum")
    maintainers = sa.select(Seat).join(Body, Body.id == Seat.body_id).where(Body.module_key.is_not(None))
    held = list(session.scalars(maintainers.order_by(Seat.id).limit(3)))
    for number in numbers:
        firm = members.create_organization(session, f"Firm {number}", kind=OrganizationKind.COMPANY, actor=US,
                                           reason="New.")  # fmt: skip
        members.start_membership(session, firm, "platinum", starts_on=TODAY - timedelta(days=300), actor=US,
                                 reason="Joined.")  # fmt: skip
        members.add_domain(session, firm, f"firm{number}.com", starts_on=TODAY - timedelta(days=300), actor=US,
                           reason="Theirs.")  # fmt: skip
        who = somebody(session, f"Person {number}")
        session.add(Affiliation(person_id=who.id, organization_id=firm.id, starts_on=TODAY - timedelta(days=200),
                                source=StatementSource.SELF, confidence=100, stated_at=now, stated_by="test",
                                reason=""))  # fmt: skip
        bodies.appoint(session, platinum, who, organization=firm, starts_on=TODAY, actor=US, reason="Chosen.")
        for seat in held:
            bodies.appoint(session, seat, somebody(session, f"Keeper {number} {seat.id}"), starts_on=TODAY, actor=US,
                           reason="Chosen.")  # fmt: skip
        change = Change(repository_id=repository.id, source_kind=ChangeSource.BRANCH, source_ref=f"b{number}",
                        base_sha="0" * 40, head_sha="1" * 40, title=f"Change {number}", author_name=f"Person {number}",
                        author_email=f"person.{number}@people.example", state=ChangeState.OPEN, additions=1,
                        deletions=1, opened_at=now, updated_at=now + timedelta(seconds=number))  # fmt: skip
        session.add(change)
        session.flush()
        session.add(ChangeCommit(change_id=change.id, position=0, sha=f"{number:040d}", subject="Change it",
                                 author_name=f"Person {number}", author_email=f"person.{number}@people.example",
                                 authored_at=now, missing_sign_offs=[], co_authors=[]))  # fmt: skip
        session.add(ChangeFile(change_id=change.id, path="docs/index.md"))
        session.add(Review(change_id=change.id, head_sha="1" * 40, person_id=who.id, verdict=Verdict.APPROVE, text="",
                           said_at=now))  # fmt: skip
    people.resolve(session)


def test_more_rows_mean_no_more_questions(governed: Database, client: FlaskClient):
    with governed.write() as session:
        fill(session, range(2))
        firm = members.organizations(session)[0].public_id
        person = session.scalar(sa.select(Person.public_id).where(Person.name == "Person 0"))
    addresses = ["/", "/bodies/", "/bodies/governing-board", "/modules/", "/modules/roll-call", "/organizations/",
                 f"/organizations/{firm}", "/people/", f"/people/{person}", "/reports/", "/reviews/"]  # fmt: skip
    assert {path: client.get(path).status_code for path in addresses} == dict.fromkeys(addresses, 200)
    few = {path: asked_for(governed, client, path) for path in addresses}
    with governed.write() as session:
        fill(session, range(2, 7))
    many = {path: asked_for(governed, client, path) for path in addresses}
    assert {path: set(many[path]) - set(few[path]) for path in addresses if len(many[path]) > len(few[path])} == {}
    # Neither does a page ask again for each body or module, of which there are as many as governance/ says.
    assert {path: sent for path, sent in many.items() if len(sent) > MOST} == {}


def asked_for(db: Database, client: FlaskClient, path: str) -> list[str]:
    """The questions that a page asks."""
    with statements(db) as sent:
        assert client.get(path).status_code == 200
    return sent
