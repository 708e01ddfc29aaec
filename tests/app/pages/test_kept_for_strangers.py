"""Pages that strangers see are kept, show every decision at once, and are never given to somebody signed in."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app import answers, marks
from app.audit import Actor
from app.bodies import queries as bodies
from app.contributions.models import Change, ChangeSource, ChangeState, Repository
from app.contributions.stamps import stamp
from app.db import Database
from app.github.models import GithubConnection, GithubStream, StreamKind
from app.jobs import enqueue
from app.jobs.tables import Job
from app.members import queries as members
from app.members.models import Organization
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Person
from app.people.rules import StatementSource
from tests.app.statements import statements

US = Actor.system("test")
WHY = {"actor": US, "reason": "a test"}


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is where the portal runs, and longer: no test is so slow that a page is made anew."""
    monkeypatch.setattr(answers, "KEPT_S", 3000.0)


@pytest.fixture
def ada(governed: Database) -> Person:
    """Somebody who sits on the technical council and maintains the first module, employed by Acme."""
    with governed.write() as session:
        acme = members.create_organization(session, "Acme", kind=OrganizationKind.COMPANY, **WHY)
        members.start_membership(session, acme, "platinum", starts_on=date(2025, 1, 1), **WHY)
        person = people.create_person(session, "Ada Author", "ada@people.example")
        people.state(session, person, acme.id, starts_on=date(2025, 1, 1), source=StatementSource.STAFF, **WHY)
        for key in ("technical-council", bodies.bodies(session)[-1].key):
            seat = next(iter(bodies.seats_of_body(session, bodies.body_by_key(session, key))))
            bodies.appoint(session, seat, person, starts_on=date(2026, 1, 1), **WHY)
        repository = Repository(name="portal", url="/srv/portal", added_at=session.info["flambeau_clock"].now())
        session.add(repository)
        session.flush()
        add_change(session, repository, "Mend what Ada Author wrote", person)
    return person


def add_change(session, repository: Repository, title: str, author: Person) -> None:
    now = session.info["flambeau_clock"].now()
    session.add(Change(repository_id=repository.id, source_kind=ChangeSource.BRANCH, source_ref=title[:20],
                       base_sha="0" * 40, head_sha="1" * 40, title=title, author_name=author.name,
                       author_email="ada@people.example", state=ChangeState.OPEN, additions=1, deletions=1,
                       opened_at=now, updated_at=now))  # fmt: skip


def addresses(db: Database, ada: Person) -> list[str]:
    with db.read() as session:
        acme = session.scalar(sa.select(Organization.public_id))
        module = bodies.bodies(session)[-1].module_key
        repository = session.scalar(sa.select(Repository.public_id))
    return ["/", "/api/", "/bodies/", "/bodies/technical-council", "/modules/", "/modules/roll-call",
            f"/modules/{module}", "/organizations/", f"/organizations/{acme}", "/people/", f"/people/{ada.public_id}",
            "/reports/", "/reports/2025/board", f"/reports/2025/members/{acme}", "/reviews/",
            "/contributions/repositories/", f"/contributions/repositories/{repository}", "/contributions/quality",
            "/contributions/definitions"]  # fmt: skip


def texts(client: FlaskClient, paths: list[str]) -> dict[str, str]:
    found = {path: client.get(path) for path in paths}
    assert {path: answer.status_code for path, answer in found.items()} == dict.fromkeys(paths, 200)
    return {path: answer.text for path, answer in found.items()}


def test_each_of_these_pages_is_made_once_for_all_strangers(governed: Database, app: Flask, ada: Person):
    paths = addresses(governed, ada)
    first = texts(app.test_client(), paths)
    with statements(governed) as asked:
        assert texts(app.test_client(), paths) == first
    marks_read = [one for one in asked if "audit_entry" in one]  # the log's head and the marks, at once
    assert len(marks_read) == len(paths)
    assert len(asked) <= len(paths) + 2, [one for one in asked if one not in marks_read]
    assert not [one for one in asked if "FROM person" in one or "FROM organization" in one]


def test_whoever_asks_to_be_hidden_is_on_no_kept_page(governed: Database, app: Flask, ada: Person):
    paths, reader = addresses(governed, ada), app.test_client()
    named = {path for path, text in texts(reader, paths).items() if "Ada Author" in text}
    assert {"/", "/people/", "/reviews/", "/bodies/technical-council", f"/people/{ada.public_id}"} <= named
    with governed.write() as session:
        people.hide(session, session.get_one(Person, ada.id), hidden=True, **WHY)
    assert [path for path, text in texts(reader, paths).items() if "Ada Author" in text] == []


def test_a_decision_shows_at_once(governed: Database, app: Flask, ada: Person):
    paths, reader = addresses(governed, ada), app.test_client()
    before = texts(reader, paths)
    with governed.write() as session:
        people.rename(session, session.get_one(Person, ada.id), "Ada Renamed", **WHY)
        other = members.create_organization(session, "Beta", kind=OrganizationKind.COMPANY, **WHY)
        members.start_membership(session, other, "platinum", starts_on=date(2025, 1, 1), **WHY)
    after = texts(reader, paths)
    assert "Ada Renamed" in after["/people/"]
    assert "Ada Renamed" in after["/bodies/technical-council"]
    assert "Beta" in after["/organizations/"]
    assert before["/modules/roll-call"] != after["/modules/roll-call"]
    assert before["/"] != after["/"]


def test_what_a_machine_brings_shows_with_its_mark(governed: Database, app: Flask, ada: Person):
    reader = app.test_client()
    before = texts(reader, ["/", "/reviews/", "/contributions/repositories/"])
    with governed.write() as session:
        repository = session.scalars(sa.select(Repository)).one()
        add_change(session, repository, "Another change", ada)
        stamp(session, by_people=False)
        repository.problem = "the disk is full"
    after = texts(reader, list(before))
    assert "Another change" in after["/reviews/"]
    assert "the disk is full" in after["/contributions/repositories/"]
    assert before["/"] != after["/"]


def test_the_page_of_a_repository_and_that_of_the_datas_quality_show_how_far_github_is_read(
    governed: Database, app: Flask, ada: Person
):
    reader = app.test_client()
    with governed.write() as session:
        repository = session.scalars(sa.select(Repository)).one()
        connection = GithubConnection(repository_id=repository.id, full_name="acme/tensor",
                                      connected_at=repository.added_at)  # fmt: skip
        session.add(connection)
        session.flush()
        session.add(GithubStream(connection_id=connection.id, kind=StreamKind.PULLS, seen=3, total=8,
                                 begun_at=repository.added_at))  # fmt: skip
    paths = [f"/contributions/repositories/{repository.public_id}", "/contributions/quality"]
    assert "3 of 8 pull requests" in texts(reader, paths)[paths[0]]
    with governed.write() as session:
        session.scalars(sa.select(GithubStream)).one().seen = 5
    assert "5 of 8 pull requests" in texts(reader, paths)[paths[0]]
    with governed.write() as session:
        session.scalars(sa.select(GithubConnection)).one().problem = "the token was revoked"
    after = texts(reader, paths)
    assert "needs somebody" in after[paths[0]]
    assert "the token was revoked" in after[paths[1]]
    with governed.write() as session:
        enqueue(session, "ingest", {"repository": repository.public_id}, actor=US)
    assert "Last reading" in texts(reader, paths)[paths[0]]


def test_the_front_page_moves_with_the_work_under_way(governed: Database, app: Flask, ada: Person):
    reader = app.test_client()
    assert "Work under way" not in reader.get("/").text
    with governed.write() as session:
        enqueue(session, "ingest", {"repository": "r_none"}, actor=US)
    assert "Work under way" in reader.get("/").text
    with governed.write() as session:
        session.scalars(sa.select(Job).where(Job.schedule.is_(None))).one().progress = 0.5
    assert 'value="0.500"' in reader.get("/").text


def test_nobody_signed_in_gets_a_strangers_page_nor_the_other_way(
    governed: Database, app: Flask, administrator: FlaskClient, ada: Person
):
    paths = addresses(governed, ada)
    strangers = texts(app.test_client(), paths)
    for _ in range(2):
        own = texts(administrator, paths)
        assert [path for path, text in own.items() if 'href="/sign-in"' in text] == []
        again = texts(app.test_client(), paths)
        assert again == strangers
        assert [path for path, text in again.items() if 'href="/account"' in text] == []
    assert "Enter an organization" in own["/organizations/"]
    assert "Enter an organization" not in strangers["/organizations/"]
    assert ("Enter a person" in own["/people/"], "Enter a person" in strangers["/people/"]) == (True, False)
    where = "/contributions/repositories/"
    assert ("Add a repository" in own[where], "Add a repository" in strangers[where]) == (True, False)
    with statements(governed) as asked:
        texts(administrator, ["/modules/", "/modules/roll-call", "/bodies/", "/organizations/", "/people/", where])
        texts(administrator, ["/reports/"])
    assert [one for one in asked if "FROM module" in one or "FROM membership" in one or "FROM employment" in one] == []


def test_a_mark_that_nobody_provides_is_told(governed: Database):
    with governed.read() as session, pytest.raises(KeyError, match=r"nobody provides the mark 'weather'.*figures"):
        marks.read(session, "figures", "weather")
