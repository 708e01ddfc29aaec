"""Signing in at GitHub: the number counts, verified addresses make work theirs, nonsense changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from app.audit import Actor
from app.db import Database
from app.people import queries as people
from app.people.models import Identity, IdentityPerson, IdentityProposal, Person, Proof
from app.people.views import queue
from tests.app.accounts.conftest import Visitor, state_of
from tests.app.accounts.github_double import GitHubDouble, Response, _json


def proofs(db: Database) -> list[tuple[str, str]]:
    with db.read() as session:
        return [(one.kind.value, one.subject) for one in session.scalars(sa.select(Proof).order_by(Proof.id))]


def test_the_number_is_who_it_is_and_verified_addresses_come_with_it(ada: Visitor, db: Database) -> None:
    ada.sign_in("github")
    assert proofs(db) == [("login", "583231"), ("address", "ada@acme.com")]


def test_commits_under_a_verified_address_are_theirs_at_once(ada: Visitor, db: Database) -> None:
    entry = ("git", "A. Lovelace", "ADA@acme.com", "")
    with db.write() as session:
        identity = people.intern_identities(session, [entry])[entry]
        people.resolve(session)
    ada.sign_in("github")
    with db.read() as session:
        person = people.person_by_public_id(session, ada.person)
        assert person is not None
        assert session.get_one(IdentityPerson, identity).person_id == person.id
    shown = ada.client.get(f"/people/{ada.person}").text
    assert "A. Lovelace" in shown


def test_a_renamed_login_is_the_same_person_and_a_reused_one_is_not(
    ada: Visitor, eve: Visitor, github: GitHubDouble
) -> None:
    ada.sign_in("github")
    first = ada.person
    github.user["login"] = "countess"
    ada.sign_in("github")
    assert ada.person == first
    github.user, github.emails = {"login": "ada", "id": 999, "name": None}, []
    eve.sign_in("github")
    assert eve.person
    assert eve.person != first


def test_whoever_keeps_their_addresses_from_us_signs_in_without(
    ada: Visitor, github: GitHubDouble, db: Database
) -> None:
    github.answers["/api/v3/user/emails"] = _json({"message": "Not Found"}, 404)
    ada.sign_in("github")
    assert proofs(db) == [("login", "583231")]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/v3/user", _json({"message": "Server Error"}, 500)),
        ("/api/v3/user", _json([])),
        ("/api/v3/user", _json({"login": "ada", "id": "583231"})),
        ("/api/v3/user", _json({"login": "ada", "id": True})),
        ("/api/v3/user", _json({"login": "", "id": 5})),
        ("/api/v3/user", Response("<html>sign in</html>", content_type="text/html")),
        ("/api/v3/user", Response("[" * 100_000, content_type="application/json")),
        ("/api/v3/user", Response("x" * 600_000)),
        ("/api/v3/user", Response("", 302, headers={"Location": "http://127.0.0.1:9/"})),
        ("/api/v3/user/emails", Response("nonsense")),
        ("/login/oauth/access_token", _json({"error": "bad_verification_code"})),
        ("/login/oauth/access_token", _json({"access_token": None})),
        ("/login/oauth/access_token", _json(["access_token"])),
        ("/login/oauth/access_token", _json({"access_token": "x", "token_type": "mac"})),
        ("/login/oauth/access_token", _json({"access_token": "x", "token_type": "bearer", "expires_in": 1})),
        ("/login/oauth/access_token", _json({"access_token": "a\nb", "token_type": "bearer"})),
        ("/login/oauth/access_token", _json({"access_token": "\u2028", "token_type": "bearer"})),
        ("/login/oauth/access_token", _json({"message": "away"}, 503)),
        ("/login/oauth/access_token", Response("access_token=x&token_type=bearer")),
    ],
)
def test_nonsense_signs_nobody_in(
    ada: Visitor, github: GitHubDouble, db: Database, path: str, answer: Response
) -> None:
    github.answers[path] = answer
    refused = ada.client.get(ada.go("github"))
    assert refused.status_code == 400
    assert "Nothing was changed" in refused.text
    assert not ada.person
    assert proofs(db) == []


@pytest.mark.parametrize("emails", [None, {}, ["ada@acme.com"], [{"email": "ada@acme.com", "verified": "true"}],
                                    [{"email": "a\nb@acme.com", "verified": True}], [{"verified": True}]])  # fmt: skip
def test_addresses_of_nonsense_prove_nothing(ada: Visitor, github: GitHubDouble, db: Database, emails: Any) -> None:
    github.emails = emails
    ada.sign_in("github")
    assert proofs(db) == [("login", "583231")]


def test_a_code_with_a_foreign_verifier_is_refused(ada: Visitor, eve: Visitor) -> None:
    stolen = state_of(eve.go("github"))["code"]
    own = state_of(ada.go("github"))
    answer = ada.client.get("/sign-in/with/github/back", query_string={"state": own["state"], "code": stolen})
    assert answer.status_code == 400
    assert "bad_verification_code" in answer.text
    assert not ada.person


def test_names_from_outside_are_shown_harmlessly(ada: Visitor, github: GitHubDouble) -> None:
    github.user.update(login="ada", name="<script>alert(1)</script>\u202eevil\x00 name\n2")
    ada.sign_in("github")
    shown = ada.client.get("/account").text
    assert "<script>alert" not in shown
    assert "\u202e" not in shown


def test_no_secret_is_in_the_database_or_the_settings_as_printed(
    ada: Visitor, db: Database, github: GitHubDouble
) -> None:
    ada.sign_in("github")
    printed = repr(ada.app.extensions["flambeau"].settings)
    with db.read() as session:
        tables = session.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")).all()
        rows = " ".join(str(row) for table in tables for row in session.execute(sa.text(f'SELECT * FROM "{table}"')))
    for secret in ("a-secret-of-the-portal-and-github", *github.tokens):
        assert secret not in rows
        assert secret not in printed


# --- adding to an account --------------------------------------------------------------------------------------------


def add_login(visitor: Visitor, way: str = "github") -> str:
    """Prove a login in order to add it; the address of the page that asks whether to."""
    answer = visitor.client.get(visitor.go(way, start="/account/add"))
    assert answer.status_code == 302, answer.text
    return str(answer.location)


def test_a_login_is_added_when_its_person_says_so(ada: Visitor, acme: Any, db: Database) -> None:
    ada.sign_in("acme")
    before = ada.person
    page = add_login(ada)
    assert "Add ada?" in ada.client.get(page).text
    assert ("login", "583231") not in proofs(db), "coming back adds nothing: another site may have sent the browser"
    assert ada.client.post(page).status_code == 302
    assert ("login", "583231") in proofs(db)
    assert ada.client.post(page).status_code == 404, "once"
    ada.client.post("/sign-out")
    ada.sign_in("github")
    assert ada.person == before


def test_nobody_else_can_add_what_was_proved(ada: Visitor, eve: Visitor, acme: Any) -> None:
    ada.sign_in("acme")
    page = add_login(ada)
    acme.user = "eve"
    eve.sign_in("acme")
    assert eve.client.get(page).status_code == 404
    assert eve.client.post(page).status_code == 404


def test_a_login_that_was_begun_by_another_account_is_not_added(ada: Visitor, acme: Any) -> None:
    ada.sign_in("acme")
    back = ada.go("github", start="/account/add")
    acme.user = "eve"
    ada.sign_in("acme")
    assert ada.client.get(back).status_code == 400


def test_a_login_of_another_account_stays_there_and_staff_see_it(
    ada: Visitor, eve: Visitor, acme: Any, db: Database
) -> None:
    ada.sign_in("github")
    acme.user = "eve"
    eve.sign_in("acme")
    answer = eve.client.post(add_login(eve), follow_redirects=True)
    assert "another account has it" in answer.text
    with db.read() as session:
        found = people.disputes(session, limit=9)
        assert {one.proof.subject for one in found} == {"583231", "ada@acme.com"}
        assert {one.holder.public_id for one in found} == {ada.person}
    eve.client.post("/sign-out")
    eve.sign_in("github")
    assert eve.person == ada.person


def test_to_let_go_needs_a_reason_ends_its_browsers_and_is_not_undone_by_the_next_sign_in(
    ada: Visitor, eve: Visitor, db: Database
) -> None:
    ada.sign_in("github")
    eve.sign_in("acme")
    with db.read() as session:
        own = people.person_by_public_id(session, ada.person)
        assert own is not None
        held = {one.kind.value: one.public_id for one in people.proofs_of(session, own.id)}
    ada.client.post(add_login(ada, "acme"))
    path = f"/account/proofs/{held['address']}/release"
    assert ada.client.post(path).status_code == 422
    assert eve.client.get(path).status_code == 404, "not theirs"
    assert ada.client.post(path, data={"reason": "not mine any more"}).status_code == 302
    ada.client.post("/sign-out")
    ada.sign_in("github")
    assert "ada@acme.com" not in ada.client.get("/account").text
    other = Visitor(ada.app)
    other.sign_in("github")
    ada.client.post(f"/account/proofs/{held['login']}/release", data={"reason": "I leave"})
    assert ada.client.get("/account").status_code == 200, "the browser in which one lets go stays signed in"
    assert other.client.get("/account").status_code == 302


def test_browsers_that_a_login_signed_in_under_its_former_name_end_with_it(
    ada: Visitor, github: GitHubDouble, db: Database
) -> None:
    ada.sign_in("github")
    other = Visitor(ada.app)
    github.user["login"] = "countess"
    other.sign_in("github")
    assert other.person == ada.person
    with db.read() as session:
        own = people.person_by_public_id(session, ada.person)
        assert own is not None
        (held,) = (one for one in people.proofs_of(session, own.id) if one.shown == "countess")
    other.client.post(f"/account/proofs/{held.public_id}/release", data={"reason": "I leave"})
    assert other.client.get("/account").status_code == 200
    assert ada.client.get("/account").status_code == 302, "it was signed in as ada, which is countess now"


def test_who_turned_out_to_be_one_person_is_signed_out_everywhere_at_once(
    ada: Visitor, eve: Visitor, acme: Any, db: Database
) -> None:
    ada.sign_in("github")
    acme.user = "eve"
    eve.sign_in("acme")
    with db.write() as session:
        one, other = (people.person_by_public_id(session, visitor.person) for visitor in (ada, eve))
        assert one is not None
        assert other is not None
        people.merge(session, one, other, actor=Actor.system("test"), reason="they are")
    assert eve.client.get("/account").text.count("last seen") == 2
    ada.client.post("/account/sign-out-everywhere")
    assert eve.client.get("/account").status_code == 302


def test_the_public_log_of_decisions_says_where_nobody_has_a_login(
    ada: Visitor, eve: Visitor, github: GitHubDouble, db: Database
) -> None:
    ada.sign_in("github")
    github.user["login"] = "countess"
    ada.sign_in("github")
    shown = eve.client.get("/audit").text + eve.client.get("/people/decisions").text
    assert "people.proof.add" in shown
    assert not any(word in shown for word in ("countess", github.url, "ada@acme.com", "583231"))


def test_nobody_takes_anothers_work_by_calling_themselves_alike(
    eve: Visitor, github: GitHubDouble, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "OWN_WORD_FROM", 0)
    entry = ("git", "Ada Lovelace", "lovelace@acme.com", "")
    github.user, github.emails = {"login": "lovelace", "id": 999, "name": "Ada Lovelace"}, []
    eve.sign_in("github")
    with db.write() as session:
        identity = people.intern_identities(session, [entry])[entry]
        people.resolve(session)
        people.refresh_proposals(session)
        asked = session.scalars(sa.select(IdentityProposal.public_id)).all()
    assert asked, "machines find them alike, and ask"
    for one in asked:
        answer = eve.client.post("/people/proposals/answer", data={"proposal": one, "verdict": "yes", "reason": "me"},
                                 follow_redirects=True)  # fmt: skip
        assert "needs proof" in answer.text
    with db.read() as session:
        owner = session.get_one(IdentityPerson, identity).person_id
        assert session.get_one(Person, owner).public_id != eve.person


def test_each_proof_belongs_to_an_identity_that_nobody_else_sees(
    ada: Visitor, eve: Visitor, github: GitHubDouble, db: Database
) -> None:
    github.user["login"] = "countess"
    ada.sign_in("github")
    with db.read() as session:
        sources = set(session.scalars(sa.select(Identity.source)))
    assert all(one.startswith("proof:") for one in sources)
    shown = eve.client.get(f"/people/{ada.person}").text
    assert "acme.com" not in shown
    assert "583231" not in shown
    assert "acme.com" in ada.client.get(f"/people/{ada.person}").text
    assert eve.client.get("/people/?q=countess").text.count(ada.person) == 0, (
        "not found by a login that only proofs name"
    )
