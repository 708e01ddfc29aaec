"""A link by mail: a real conversation with a mail server, and what the link opens, for whom, and how often."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import sessions
from app.accounts import queries
from app.accounts.models import MailedLink
from app.clock import FixedClock
from app.db import Database
from app.jobs import Job, JobState, Worker
from app.people import queries as people
from app.people.models import Person
from tests.app.accounts.conftest import Visitor
from tests.app.accounts.mailbox import Mailbox

pytestmark = pytest.mark.slow  # a mail server, an issuer and a portal for each test
ADA = "ada@acme.com"


_KILLED = """
    UPDATE job SET state = 'running', step = 'send', finished_at = NULL,
    run_at = '2020-01-01 00:00:00+00:00', lease_expires_at = '2020-01-01 00:00:00+00:00' WHERE workflow = 'mailed-link'
"""


def job_of(db: Database) -> Job:
    with db.read() as session:
        found = session.scalar(sa.select(Job).where(Job.workflow == "mailed-link").order_by(Job.id.desc()).limit(1))
        assert found is not None
        return found


def sign_in(visitor: Visitor, mail: Mailbox, address: str = ADA, **said: str) -> Any:
    visitor.ask(address)
    answer = visitor.client.post(mail.link(), data=said)
    assert answer.status_code == 302, answer.text
    return answer


def test_the_mail_is_plain_from_a_machine_and_to_one_receiver(ada: Visitor, mail: Mailbox) -> None:
    assert ada.ask("Ada@ACME.com").location == "/sign-in/by-mail/sent"
    (found,) = mail.mails
    assert mail.receivers == [ADA], "always as addresses are compared: no other mailbox of another case"
    assert found["To"] == ADA
    assert found["From"] == "Flambeau <portal@example.org>"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found.get_content_type() == "text/plain"
    assert "20 minutes" in found.get_content()
    assert mail.link() in found.as_string(), "the link stands on one line as it is sent"


@pytest.mark.parametrize("written", ["\u017fteve@acme.com", "\u212aim@acme.com", "stra\u00dfe@acme.com"])
def test_an_address_in_other_letters_is_refused_and_never_taken_for_a_plain_one(
    ada: Visitor, mail: Mailbox, written: str
) -> None:
    answer = ada.ask(written)
    assert (answer.status_code, mail.mails) == (422, [])
    assert "plain letters" in answer.text


def test_a_link_signs_in_once(ada: Visitor, eve: Visitor, mail: Mailbox) -> None:
    ada.ask(ADA)
    link = mail.link()
    assert ada.client.get(link).status_code == 200, "a mail program that looks at the link does not use it up"
    assert ada.client.head(link).status_code == 200
    assert ada.client.post(link, data={"name": "Ada Lovelace"}).location == "/account"
    assert "Ada Lovelace" in ada.client.get("/account").text
    assert ada.client.post(link).status_code == 400
    assert eve.client.post(link, data={"address": ADA}).status_code == 400


def test_the_answer_is_the_same_whoever_it_is(ada: Visitor, eve: Visitor, mail: Mailbox) -> None:
    sign_in(ada, mail)
    known, unknown = eve.ask(ADA), eve.ask("nobody@acme.com")
    assert (known.status_code, known.location, known.data) == (unknown.status_code, unknown.location, unknown.data)
    assert len(mail.mails) == 3


def test_in_another_browser_the_link_asks_for_the_address(ada: Visitor, eve: Visitor, mail: Mailbox) -> None:
    eve.ask("eve@acme.com")
    link = mail.link()
    page = ada.client.get(link).text
    assert "asked for in another browser" in page
    assert "eve@acme.com" not in page, "whoever is sent somebody's link must know whose it is"
    assert ada.client.post(link).status_code == 422
    assert ada.client.post(link, data={"address": ADA}).status_code == 422
    assert not ada.person
    assert ada.client.post(link, data={"address": "Eve@acme.com"}).status_code == 302
    assert ada.person


def test_guessing_the_address_is_slowed_down(ada: Visitor, eve: Visitor, mail: Mailbox) -> None:
    ada.ask(ADA)
    link = mail.link()
    tries = [eve.client.post(link, data={"address": f"{n}@x.org"}).status_code for n in range(12)]
    assert tries == [422] * sessions.FAILURES_ALLOWED + [429] * 2


def test_a_link_grows_old(ada: Visitor, mail: Mailbox, clock: FixedClock) -> None:
    ada.ask(ADA)
    clock.advance(minutes=20)
    assert ada.client.get(mail.link()).status_code == 400
    assert ada.client.post(mail.link()).status_code == 400


def test_a_used_link_ends_the_others_to_the_same_address(ada: Visitor, mail: Mailbox) -> None:
    ada.ask(ADA)
    first = mail.link()
    sign_in(ada, mail)
    ada.client.post("/sign-out")
    assert ada.client.post(first).status_code == 400


_CHANGES = (
    lambda t: t[:-1], lambda t: t + "A", lambda t: t.split(".")[0], lambda _: "ml_x.y", lambda t: t.upper(),
    lambda t: t.replace("ml_", "ml_a"), lambda _: "é",
)  # fmt: skip


@pytest.mark.parametrize("change", _CHANGES)
def test_a_link_that_was_changed_is_none(ada: Visitor, mail: Mailbox, change: Any) -> None:
    ada.ask(ADA)
    folder, token = mail.link().rsplit("/", 1)
    assert ada.client.post(f"{folder}/{change(token)}").status_code == 400
    assert not ada.person


def test_the_database_holds_nothing_that_opens_a_link(ada: Visitor, mail: Mailbox, db: Database) -> None:
    ada.ask(ADA)
    seal = mail.link().rsplit(".", 1)[1]
    with db.read() as session:
        tables = session.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")).all()
        rows = " ".join(str(row) for table in tables for row in session.execute(sa.text(f'SELECT * FROM "{table}"')))
    assert seal not in rows


def test_who_comes_back_is_the_same_person(ada: Visitor, mail: Mailbox) -> None:
    sign_in(ada, mail, name="Ada")
    first = ada.person
    ada.client.post("/sign-out")
    sign_in(ada, mail, "ADA@acme.com", name="Somebody else")
    assert ada.person == first
    assert "Somebody else" not in ada.client.get("/account").text


def test_who_has_commits_is_called_as_these_call_them(ada: Visitor, mail: Mailbox, db: Database) -> None:
    with db.write() as session:
        people.intern_identities(session, [("git", "Augusta Ada King", ADA, "")])
        people.resolve(session)
    ada.ask(ADA)
    assert "You are new here" not in ada.client.get(mail.link()).text
    ada.client.post(mail.link())
    assert "Augusta Ada King" in ada.client.get("/account").text


def test_whom_staff_entered_is_that_person_with_their_seats(ada: Visitor, mail: Mailbox, db: Database) -> None:
    with db.write() as session:
        grace = people.create_person(session, "Grace Hopper", "grace@acme.com").public_id
    sign_in(ada, mail, "grace@acme.com")
    assert ada.person == grace


def test_an_issuers_word_about_an_address_keeps_nobody_from_their_own_account(
    ada: Visitor, eve: Visitor, mail: Mailbox, db: Database
) -> None:
    eve.sign_in("acme")  # which says that ada@acme.com is hers
    with db.write() as session:
        person = people.create_person(session, "Ada Lovelace", ADA).public_id
    sign_in(ada, mail)
    assert ada.person == person != eve.person
    with db.read() as session:
        assert [one.newcomer.public_id for one in people.disputes(session, limit=9)] == [person]


def test_the_token_of_the_session_is_new(ada: Visitor, mail: Mailbox) -> None:
    with ada.client.session_transaction() as cookie:
        cookie["token"] = "chosen by an attacker"
    sign_in(ada, mail)
    with ada.client.session_transaction() as cookie:
        assert cookie["token"] != "chosen by an attacker"
        assert "browser" not in cookie


@pytest.mark.parametrize("onward", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_a_link_leads_nowhere_else(ada: Visitor, mail: Mailbox, onward: str, app: Flask) -> None:
    sign_in(ada, mail)
    ada.client.post("/sign-out")
    ada.client.post("/sign-in/by-mail", data={"address": ADA}, query_string={"next": onward})
    Worker(app).run_until_idle()
    assert ada.client.post(mail.link()).location == "/"


@pytest.mark.parametrize(
    "address",
    ["", "ada", "ada@localhost", "ada@acme.com\r\nBcc: eve@x.org", "ada@acme.com, eve@x.org", "Ada <ada@acme.com>",
     "ada@acme..com", "ada@@acme.com", "\u0430da@acme.com", "a" * 65 + "@acme.com", "ada@" + "a" * 260 + ".com"],
)  # fmt: skip
def test_what_is_no_address_gets_no_mail(ada: Visitor, mail: Mailbox, address: str) -> None:
    assert ada.ask(address).status_code == 422
    assert mail.mails == []


def test_whoever_mistyped_their_address_tries_again_and_goes_on_to_where_they_wanted(ada: Visitor) -> None:
    told = ada.client.post("/sign-in/by-mail", data={"address": "ada"}, query_string={"next": "/jobs/"}).text
    assert 'href="/sign-in?next=/jobs/"' in told


def test_one_address_gets_so_many_mails_and_nobody_is_told(
    ada: Visitor, mail: Mailbox, monkeypatch: pytest.MonkeyPatch, clock: FixedClock
) -> None:
    monkeypatch.setattr(queries, "LINKS_TO_AN_ADDRESS", 2)
    assert {ada.ask(ADA).location for _ in range(4)} == {"/sign-in/by-mail/sent"}
    assert len(mail.mails) == 2
    clock.advance(minutes=61)
    ada.ask(ADA)
    assert len(mail.mails) == 3


def test_one_source_and_all_together_ask_for_so_many_mails(
    ada: Visitor, eve: Visitor, mail: Mailbox, monkeypatch: pytest.MonkeyPatch, app_on: Any, db: Database
) -> None:
    monkeypatch.setattr(queries, "LINKS_FROM_A_SOURCE", 2)
    assert [ada.ask(f"{n}@acme.com").status_code for n in range(3)] == [302, 302, 429]
    server = ada.app.extensions["flambeau"].settings.mail.model_copy(update={"links_an_hour": 3})
    visitors = [Visitor(app_on(db, mail=server)) for _ in range(2)]
    answers = [
        one.client.post(
            "/sign-in/by-mail", data={"address": "x@acme.com"}, environ_base={"REMOTE_ADDR": f"192.0.2.{n}"}
        )
        for n, one in enumerate(visitors)
    ]
    assert [one.status_code for one in answers] == [302, 429]


def test_without_a_mail_server_there_is_no_such_way(app_on: Any, db: Database) -> None:
    client = app_on(db, mail=None, issuers=()).test_client()
    assert client.post("/sign-in/by-mail", data={"address": ADA}).status_code == 404
    page = client.get("/sign-in").text
    assert "e-mail" not in page
    assert "Your one-time link" in page


# --- adding an address -----------------------------------------------------------------------------------------------


def test_an_address_is_added_in_the_account_that_asked(ada: Visitor, mail: Mailbox, db: Database) -> None:
    sign_in(ada, mail)
    with db.write() as session:
        people.intern_identities(session, [("git", "Ada", "ada@home.org", "")])
        people.resolve(session)
    first = ada.person
    ada.ask("ada@home.org", "/account/add/address")
    assert "ada@home.org" in ada.client.get(mail.link()).text
    assert ada.client.post(mail.link(), follow_redirects=True).text.count("ada@home.org") > 1
    ada.client.post("/sign-out")
    sign_in(ada, mail, "ada@home.org")
    assert ada.person == first


def test_whoever_opens_a_link_that_adds_gives_their_address_to_nobody(
    ada: Visitor, eve: Visitor, mail: Mailbox, db: Database
) -> None:
    sign_in(ada, mail)
    sign_in(eve, mail, "eve@x.org")
    eve.ask("victim@acme.com", "/account/add/address")
    link = mail.link()
    assert ada.client.post(link, data={"address": "victim@acme.com"}).status_code == 400
    assert Visitor(ada.app).client.post(link, data={"address": "victim@acme.com"}).status_code == 400
    with db.read() as session:
        assert people.owner_of(session, people.Proven.address("victim@acme.com")) is None


def test_a_link_that_adds_signs_nobody_in(ada: Visitor, mail: Mailbox) -> None:
    sign_in(ada, mail)
    ada.ask("ada@home.org", "/account/add/address")
    ada.client.post("/sign-out")
    assert ada.client.post(mail.link()).status_code == 400
    assert not ada.person


def test_the_words_of_whoever_asks_are_in_no_mail(ada: Visitor, mail: Mailbox) -> None:
    sign_in(ada, mail, name="WIN MONEY http://evil.example")
    answer = ada.client.post("/account/add/address", data={"address": "victim@acme.com"},
                             headers={"User-Agent": "WIN MONEY"})  # fmt: skip
    assert answer.status_code == 302
    Worker(ada.app).run_until_idle()
    assert "WIN" not in mail.mails[-1].as_string()


# --- the job ---------------------------------------------------------------------------------------------------------


def test_a_server_in_trouble_is_asked_again(ada: Visitor, mail: Mailbox, db: Database) -> None:
    mail.answer = "451 try later"
    ada.ask(ADA)
    job = job_of(db)
    assert (job.state, job.note) == (JobState.WAITING, "the mail server answered 451")
    mail.answer = ""
    with db.write() as session:
        session.execute(sa.text("UPDATE job SET run_at = '2020-01-01 00:00:00+00:00'"))
    Worker(ada.app).run_until_idle()
    assert len(mail.mails) == 1
    assert job_of(db).state is JobState.SUCCEEDED


def test_a_refused_receiver_ends_the_job_and_nothing_tells_the_address(
    ada: Visitor, mail: Mailbox, db: Database
) -> None:
    mail.at_receiver = f"550 no such user {ADA}"
    ada.ask(ADA)
    assert job_of(db).error == "the mail server answered 550"
    shown = ada.client.get(f"/jobs/{job_of(db).public_id}").text
    assert ADA not in shown


def test_a_server_that_is_away_is_asked_until_the_link_ends(
    ada: Visitor, app_on: Any, db: Database, clock: FixedClock
) -> None:
    server = ada.app.extensions["flambeau"].settings.mail.model_copy(update={"port": 9})
    visitor = Visitor(app_on(db, mail=server))
    visitor.ask(ADA)
    assert job_of(db).note == "the mail server cannot be reached (ConnectionRefusedError)"
    clock.advance(minutes=20)
    with db.write() as session:
        session.execute(sa.text("UPDATE job SET run_at = '2020-01-01 00:00:00+00:00'"))
    Worker(visitor.app).run_until_idle()
    assert job_of(db).error == "the mail server did not take it before the link ended"


def test_a_worker_killed_after_the_server_took_the_mail_sends_the_same_mail_again(
    ada: Visitor, mail: Mailbox, db: Database
) -> None:
    ada.ask(ADA)
    with db.write() as session:
        session.execute(sa.text("DELETE FROM job_step"))
        session.execute(sa.update(MailedLink).values(sent_at=None))
        session.execute(sa.text(_KILLED))
    Worker(ada.app).run_until_idle()
    one, other = mail.mails
    assert one.get_content() == other.get_content()
    assert one["Message-ID"] == other["Message-ID"]


def test_a_mail_that_is_recorded_is_not_sent_again(ada: Visitor, mail: Mailbox, db: Database) -> None:
    ada.ask(ADA)
    with db.write() as session:
        session.execute(sa.text("DELETE FROM job_step"))
        session.execute(sa.text(_KILLED))
    Worker(ada.app).run_until_idle()
    assert len(mail.mails) == 1


def test_looking_is_never_doing(ada: Visitor, mail: Mailbox, db: Database) -> None:
    sign_in(ada, mail)
    ada.ask("ada@home.org", "/account/add/address")
    assert ada.client.head(mail.link()).status_code == 200
    with db.read() as session:
        assert people.owner_of(session, people.Proven.address("ada@home.org")) is None


def test_both_databases_admit_the_same(db_each: Database, app_on: Any, mail: Mailbox) -> None:
    visitor = Visitor(app_on(db_each))
    sign_in(visitor, mail, name="Ada")
    first = visitor.person
    visitor.client.get(visitor.client.get(visitor.go("github", start="/account/add")).location)
    visitor.client.post(visitor.client.get(visitor.go("github", start="/account/add")).location)
    visitor.client.post("/sign-out")
    visitor.sign_in("github")
    assert visitor.person == first
    with db_each.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Person)) == 1
