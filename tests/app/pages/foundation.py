"""A small foundation with something on every page: the demo's members and history, a release published, one that waits
for people, one that failed, one under way, and a change with words said about it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy.orm.exc import StaleDataError

from app import create_app, sessions
from app.accounts import queries as accounts
from app.accounts.queries import Asker
from app.accounts.rules import Purpose, Vouched, link_token
from app.audit import Actor
from app.auth import access
from app.builds import queries as builds
from app.clock import FixedClock
from app.connections import Issuer, MailServer
from app.contributions.facts import (
    Event,
    IssueTold,
    ReleaseTold,
    record_issue_events,
    record_issues,
    record_releases,
)
from app.contributions.metrics import EventKind
from app.contributions.models import IssueState, Repository
from app.db import Database
from app.demo.history import PLANS, Plan
from app.demo.loading import load
from app.github.connecting import connect
from app.github.models import Delivery, DeliveryState, GithubStream, StreamKind
from app.imports import queries as imports
from app.imports.rules import FileKind
from app.jobs import Worker
from app.people import queries as people
from app.people.models import Affiliation, Person
from app.people.queries import Proven
from app.people.rules import StatementSource
from app.people.rules.asking import Verdict
from app.settings import Settings, session_key
from tests.app.pages.scripted_runner import ScriptedRunner
from tests.app.pages.walk import fill_in

SEED = 7
HARDWARE = "linux-x86_64-cpu"
REASON = "nobody else is there yet"
US = Actor.system("test")

_MAINTAINERS = """
    SELECT person.public_id, body.key FROM appointment
    JOIN seat ON seat.id = appointment.seat_id JOIN body ON body.id = seat.body_id
    JOIN person ON person.id = appointment.person_id
    WHERE body.key LIKE 'module:%' ORDER BY appointment.id
"""
_NEWEST_IDENTITY = """
    SELECT person.public_id, identity.public_id FROM identity
    JOIN identity_person ON identity_person.identity_id = identity.id
    JOIN person ON person.id = identity_person.person_id ORDER BY identity.id DESC LIMIT 1
"""
_REPRESENTATIVE = """
    SELECT person.public_id, organization.public_id FROM appointment
    JOIN organization ON organization.id = appointment.organization_id
    JOIN person ON person.id = appointment.person_id ORDER BY appointment.id LIMIT 1
"""
_ALONE = """
    SELECT module.key FROM module
    LEFT JOIN body ON body.key = 'module:' || module.key
    LEFT JOIN seat ON seat.body_id = body.id LEFT JOIN appointment ON appointment.seat_id = seat.id
    GROUP BY module.key HAVING count(appointment.id) < 2 ORDER BY module.key
"""
_GITHUB = Issuer(key="github", kind="github", name="GitHub", issuer="https://github.com", client_id="Iv1.8",
                 client_secret=SecretStr("x"), domains=("*",))  # fmt: skip
BROKEN = ("/broken-by-a-fault", "/broken-by-another-editor")


@dataclass(frozen=True)
class Foundation:
    """The portal, and a browser of each kind of person."""

    app: Flask
    db: Database
    visitor: FlaskClient
    administrator: FlaskClient


def found(home: Path, url: str, *, empty: bool = False) -> Foundation:
    """The foundation in this home and database; `empty` leaves it as it is after the first migration."""
    settings = Settings(
        home=home, database_url=url, session_key=session_key(home), log_json=False, synthetic=not empty,
        upstream_index="http://127.0.0.1:9/simple/", is_local=True, issuers=(_GITHUB,) if not empty else (),
        mail=MailServer(host="127.0.0.1", port=9, security="plain", sender="portal@example.org") if not empty else None,
    )  # fmt: skip
    clock = FixedClock()
    db = Database(url, clock=clock)
    app = create_app(settings, clock=clock, db=db)
    app.config.update(WTF_CSRF_ENABLED=False, PROPAGATE_EXCEPTIONS=False)
    _break(app)
    made = Foundation(app, db, app.test_client(), app.test_client())
    if not empty:
        small = tuple(Plan(plan.name, plan.areas, 2.0, plan.open_branches, plan.starts_after_days) for plan in PLANS)
        load(app, seed=SEED, people_count=25, plans=small, say=lambda _text: None)
        _sign_in(made, made.administrator)
        _release(made, home)
        _review(made)
        _report(made)
        _decide(made)
        _propose(made)
        _ask_who_is_who(made)
        _prove(made)
        _connect(made)
    return made


def _break(app: Flask) -> None:
    """Routes that end as no page of ours should: their error pages are looked at too."""

    @access("public")
    def fault() -> str:
        raise RuntimeError("broken on purpose")

    @access("public")
    def conflict() -> str:
        raise StaleDataError("changed on purpose")

    for path, view in zip(BROKEN, (fault, conflict), strict=True):
        app.add_url_rule(path, view_func=view)


def _sign_in(made: Foundation, browser: FlaskClient, person: str = "") -> FlaskClient:
    """This person sits at the browser; nobody named, the first administrator does."""
    house = made.app.extensions["flambeau"]
    with made.app.app_context(), made.db.write() as session:
        person = person or house.directory.first_administrator(session, "Root Administrator", "", REASON)
        token = sessions.start_session(session, person, "test")
    with browser.session_transaction() as cookie:
        cookie["token"] = token
    return browser


def _prove(made: Foundation) -> None:
    """What people proved: the administrator a login and an address, somebody else the same address."""
    with made.db.write() as session:
        person = session.scalar(sa.text("SELECT person FROM web_session ORDER BY id LIMIT 1"))
        root = people.person_by_public_id(session, str(person))
        assert root is not None
        login = Proven.login("https://github.com", "583231", "root-of-all", name="Root")
        people.prove(session, root, [login, Proven.address("root.admin@example.org")], reason=REASON)
        other = people.arrive(session, "Somebody Else")
        people.prove(session, other, [Proven.address("root.admin@example.org")], reason=REASON)


def mailed_link(made: Foundation) -> str:
    """The address of a link that was mailed, in another browser than the one that asked."""
    with made.db.write() as session:
        asker = Asker("another browser", "Firefox", "192.0.2.1")
        accounts.ask_for_link(session, asker, "new@example.org", purpose=Purpose.SIGN_IN, onward="/", an_hour=9)
        link = session.scalar(sa.text("SELECT public_id FROM mailed_link ORDER BY id DESC LIMIT 1"))
    return f"/sign-in/mailed/{link_token(str(made.app.config['SECRET_KEY']), str(link))}"


def statement_to_withdraw(made: Foundation) -> str:
    """Where staff take back what an import said of somebody's employer; the pages of few people lead there."""
    with made.db.read() as session:
        imported = Affiliation.source == StatementSource.IMPORT
        query = sa.select(Person.public_id).join(Affiliation, Affiliation.person_id == Person.id).where(imported)
        person = session.scalar(query.order_by(Affiliation.id).limit(1))
    link = re.search(r'href="([^"]+/withdraw)"', made.administrator.get(f"/people/{person}").text)
    assert link is not None, f"the page of {person} leads to no withdrawal"
    return link[1]


def login_to_confirm(made: Foundation) -> str:
    """The page that asks the administrator whether a login that was just proved is to be added."""
    with made.administrator.session_transaction() as cookie:
        cookie["browser"] = "the administrator's"
    with made.db.write() as session:
        person = str(session.scalar(sa.text("SELECT person FROM web_session ORDER BY id LIMIT 1")))
        asker = Asker("the administrator's", "Firefox", "192.0.2.1", person)
        begun = accounts.begin_attempt(session, asker, state="s", way="github", purpose=Purpose.ADD, onward="/account")
        assert begun is not None
        accounts.use_attempt(session, state="s", browser="the administrator's", way="github")
        begun.found = Vouched("https://github.com", "7", "root-at-work", addresses=("root@work.example",)).as_data()
        return f"/account/add/{begun.public_id}/confirm"


def sign_in_link(made: Foundation) -> str:
    """The address of a one-time link, which no page may lead to."""
    with made.db.write() as session:
        person = session.scalar(sa.text("SELECT public_id FROM person ORDER BY id LIMIT 1"))
        return f"/sign-in/{sessions.issue_link(session, str(person), 'test', timedelta(hours=1))}"


def _release(made: Foundation, home: Path) -> None:
    """Four releases of the demo's framework, oldest commit first, each left in another state."""
    folder = home / "scripted"
    folder.mkdir()
    with made.db.write() as session:
        repository = session.scalar(sa.text("SELECT public_id FROM repository WHERE name = 'flambeau'"))
        maintainers = session.execute(sa.text(_MAINTAINERS)).all()
        alone = list(session.scalars(sa.text(_ALONE)))
        token = builds.register_runner(session, "scripted", [HARDWARE], actor=US, reason=REASON)
    runner = ScriptedRunner(made.visitor, token, folder)
    git = ["git", f"--git-dir={home / 'demo' / 'flambeau.git'}", "rev-list", "--first-parent", "-4", "main"]
    commits = subprocess.run(git, check=True, capture_output=True, text=True).stdout.split()[::-1]
    pages = []
    for commit, script in zip(commits, ({}, {}, {"failing": "wheel"}, {"until": "tests"}), strict=True):
        form = {"repository": repository, "commit": commit}
        pages.append(made.administrator.post("/releases", data=form).headers["Location"])
        runner.build(**script)
        _go_on(made)
    for person, module in maintainers:
        form = {"module": module.removeprefix("module:"), "reason": "Read and tried."}
        _sign_in(made, made.app.test_client(), person).post(f"{pages[0]}/sign", data=form)
    made.administrator.post(f"{pages[0]}/sign", data={"module": alone, "reason": REASON})
    _go_on(made)
    made.administrator.post(f"{pages[0]}/publish", data={"reason": REASON})
    _go_on(made)
    with made.db.read() as session:
        assert session.scalar(sa.text("SELECT count(published_at) FROM release")) == 1


def _go_on(made: Foundation) -> None:
    with made.db.write() as session:
        session.execute(sa.text("UPDATE job SET run_at = '2020-01-01 00:00:00+00:00' WHERE state = 'waiting'"))
    Worker(made.app).run_until_idle()


def _decide(made: Foundation) -> None:
    """What staff did: a domain entered, a bot named, somebody hidden."""
    with made.db.read() as session:
        organization = session.scalar(sa.text("SELECT public_id FROM organization ORDER BY id LIMIT 1"))
        bot, identity = session.execute(sa.text(_NEWEST_IDENTITY)).one()
        hidden = session.scalar(sa.text("SELECT public_id FROM person ORDER BY id LIMIT 1"))
    for path, form in (
        (f"/organizations/{organization}/domains/new", {"domain": "aldermoor-compute.com", "starts_on": "2024-01-01"}),
        (f"/people/{bot}/role", {"identity": identity, "kind": "bot"}),
        (f"/people/{hidden}/hide", {}),
    ):
        answer = fill_in(made.administrator, path, {**form, "reason": REASON})
        assert answer.status_code == 302, f"{path}: {answer.status_code} {answer.text}"


def _propose(made: Foundation) -> None:
    """A member's representative says that a domain is theirs; nobody has answered yet."""
    with made.db.read() as session:
        person, organization = session.execute(sa.text(_REPRESENTATIVE)).one()
    browser = _sign_in(made, made.app.test_client(), person)
    said = {"domain": "member-of-ours.com", "starts_on": "2024-01-01", "reason": "It is on our website."}
    answer = fill_in(browser, f"/organizations/{organization}/domains/new", said)
    assert answer.status_code == 302, answer.text


def _ask_who_is_who(made: Foundation) -> None:
    """Proposals that wait, about the administrator too, one put off; a remark; files given, one of them applied."""
    with made.db.write() as session:
        name = session.scalar(sa.text("SELECT name FROM person WHERE merged_into_id IS NULL AND hidden_at IS NULL"
                                      " AND name LIKE '% %' ORDER BY id LIMIT 1"))  # fmt: skip
        people.intern_identities(session, [
            ("git", str(name), "namesake@home.example.org", ""), ("git", "Root Administrator", "root.a@acme.com", ""),
            ("git", "landing-robot", "lands@acme.com", ""), ("git", str(name).upper(), "other@namesake.org", ""),
        ])  # fmt: skip
        people.resolve(session)
        people.refresh_proposals(session)
        question = people.questions(session, people.Wanted())[-1]
        person = question.one.public_id
        people.answer(session, [question.proposal], Verdict.LATER, actor=US, reason=REASON)
        first = people.questions(session, people.Wanted())[0]
        text = f"{first.identity.email}  Aldermoor Compute\nnobody@elsewhere.org  Elsewhere\ngmail.com  Acme\n"
        for reason in ("", REASON):
            given = imports.give_file(session, FileKind.GITDM_MAP, "email-map", text, actor=US)
            if reason:
                imports.apply_import(session, given, actor=US, reason=reason)
        imports.give_file(session, FileKind.GITDM_MAP, "broken-map", "acme.com\n", actor=US)
    wrong = f"/people/wrong?about=employer&thing={person}"
    assert fill_in(made.visitor, wrong, {"text": "They left in May.\n" + "x" * 90}).status_code == 302


def _review(made: Foundation) -> None:
    """Words about a change."""
    with made.db.read() as session:
        change, head = session.execute(sa.text("SELECT public_id, head_sha FROM change ORDER BY id LIMIT 1")).one()
    page = f"/reviews/{change}"
    said = {"head": head, "verdict": "comment", "text": "A long word: " + "x" * 90 + "\nand a second line of it."}
    assert made.administrator.post(f"{page}/reviews", data=said).status_code == 302


def _connect(made: Foundation) -> None:
    """A repository that is being read at GitHub: half of its pull requests, and it waits for the next hour."""
    now = made.db.clock.now()
    with made.db.write() as session:
        place = session.scalars(sa.select(Repository).order_by(Repository.id).limit(1)).one()
        at = connect(session, place, "flambeau/" + place.name, actor=US, reason=REASON)
        session.add(GithubStream(connection_id=at.id, kind=StreamKind.PULLS, begun_at=now, cursor="c", seen=2300,
                                 total=4600))  # fmt: skip
        session.add(GithubStream(connection_id=at.id, kind=StreamKind.RELEASES, seen=7, total=7, read_at=now))
        at.problem = "api.github.com does not accept the portal's token any more; " + "x" * 90
        for number, state in enumerate(DeliveryState):
            note = "GitHub's pull request cannot be read (title: " + "x" * 90 + ")" if number == 3 else ""
            session.add(Delivery(guid=f"g-{number}", body_sha256=f"{number}" * 64, event="pull_request_review",
                                 action="submitted", repository_id=place.id, state=state, note=note,
                                 received_at=now))  # fmt: skip


def _report(made: Foundation) -> None:
    """An issue, answered and closed, and a release of its repository."""
    now = made.db.clock.now()
    ada, ben = ("github", "Ada Reporter", "", "ada-reports"), ("github", "Ben Answerer", "", "ben-answers")
    told = IssueTold("I_1", "A long word: " + "x" * 90, ada, IssueState.CLOSED, now - timedelta(days=9), now, now,
                     number=7, labels=("bug",))  # fmt: skip
    with made.db.write() as session:
        place = session.scalars(sa.select(Repository.id).order_by(Repository.id).limit(1)).one()
        issue = record_issues(session, place, "github", [told])["I_1"]
        record_issue_events(session, "github", {issue: [Event(EventKind.COMMENTED, now, "c1", ben)]})
        record_releases(session, place, "github", [ReleaseTold("R_1", "v0.9", now - timedelta(days=3), author=ben)])
        people.resolve(session)
