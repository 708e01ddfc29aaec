"""Signing in and out, what cookies and headers say, and who is let through."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app import auth, create_app, sessions
from app.auth import ANONYMOUS, Decision, HeldSeat, KnownPerson, User, access, can, safe_next
from app.clock import FixedClock
from app.db import Database
from app.settings import Settings

ADA, EVE = "p_ada", "p_eve"
DAY = timedelta(days=1)


@pytest.fixture
def known(app: Flask) -> dict[str, str]:
    """Persons by public id whom the portal knows; a test may take one away."""
    names = {ADA: "Ada", EVE: "Eve"}
    app.extensions["flambeau"].directory = auth.Directory(
        person_of=lambda _session, person: KnownPerson(1, names[person]) if person in names else None,
        seats_of=lambda _session, _number, _at: (HeldSeat("module:core", "maintainer", "maintainer", module="core"),),
    )
    return names


def link(db: Database, person: str = ADA, ttl: timedelta = DAY) -> str:
    with db.write() as session:
        return sessions.issue_link(session, person, "test", ttl)


def sign_in(client: FlaskClient, db: Database, person: str = ADA) -> None:
    assert client.post(f"/sign-in/{link(db, person)}").status_code == 302


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


def test_a_link_signs_in_once(client: FlaskClient, db: Database, known: dict[str, str]) -> None:
    token = link(db)
    assert client.get(f"/sign-in/{token}").status_code == 200, "looking at the link does not use it up"
    assert client.post(f"/sign-in/{token}").location == "/"
    assert "Ada" in client.get("/account").text
    other = client.application.test_client()
    assert other.post(f"/sign-in/{token}").status_code == 400
    assert not is_signed_in(other)


def test_the_whole_link_can_be_pasted(client: FlaskClient, db: Database, known: dict[str, str]) -> None:
    pasted = {"link": f"  http://127.0.0.1:8000/sign-in/{link(db)}?next=/jobs/ "}
    assert client.post("/sign-in?next=/audit", data=pasted).location == "/audit"
    assert is_signed_in(client)


def test_a_link_grows_old(client: FlaskClient, db: Database, known: dict[str, str], clock: FixedClock) -> None:
    token = link(db, ttl=timedelta(hours=1))
    clock.advance(hours=1)
    assert client.post(f"/sign-in/{token}").status_code == 400


def test_a_link_of_somebody_unknown_signs_nobody_in(client: FlaskClient, db: Database, known: dict[str, str]) -> None:
    assert client.post(f"/sign-in/{link(db, 'p_nobody')}").status_code == 400


def test_tokens_are_kept_as_hashes_alone(client: FlaskClient, db: Database, known: dict[str, str]) -> None:
    token = link(db)
    client.post(f"/sign-in/{token}")
    with client.session_transaction() as cookie:
        held = cookie["token"]
    with db.read() as session:
        tables = ("sign_in_link", "web_session")
        stored = [str(row) for table in tables for row in session.execute(sa.text(f"SELECT * FROM {table}"))]
    assert not any(token in row or held in row for row in stored)


def test_signing_in_changes_the_cookie_and_drops_what_it_held(
    client: FlaskClient, db: Database, known: dict[str, str]
) -> None:
    with client.session_transaction() as cookie:
        cookie["planted"] = "by an attacker"
        cookie["token"] = "chosen by an attacker"
    sign_in(client, db)
    with client.session_transaction() as cookie:
        assert "planted" not in cookie
        assert cookie["token"] != "chosen by an attacker"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    client: FlaskClient, db: Database, known: dict[str, str]
) -> None:
    said = client.post(f"/sign-in/{link(db)}").headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Lax" in said


def test_over_https_the_cookie_is_secure_and_bound_to_the_host(settings: Settings, db: Database) -> None:
    secure = settings.model_copy(update={"base_url": "https://portal.example.org"})
    app = create_app(secure, db=db)
    answer = app.test_client().get("/sign-in", base_url="https://portal.example.org")
    assert answer.headers["Set-Cookie"].startswith("__Host-flambeau=")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_copied_cookie_is_worth_nothing_after_signing_out(
    client: FlaskClient, db: Database, known: dict[str, str]
) -> None:
    sign_in(client, db)
    copied = client.get_cookie("flambeau")
    assert copied is not None
    client.post("/sign-out")
    thief = client.application.test_client()
    thief.set_cookie("flambeau", copied.value)
    assert not is_signed_in(thief)


def test_signing_out_everywhere_ends_other_browsers_and_unused_links(
    client: FlaskClient, db: Database, known: dict[str, str]
) -> None:
    other, eve = client.application.test_client(), client.application.test_client()
    sign_in(client, db)
    sign_in(other, db)
    sign_in(eve, db, EVE)
    unused = link(db)
    client.post("/account/sign-out-everywhere")
    assert [is_signed_in(one) for one in (client, other, eve)] == [False, False, True]
    assert other.post(f"/sign-in/{unused}").status_code == 400


def test_one_session_can_be_ended_but_not_somebody_elses(
    client: FlaskClient, db: Database, known: dict[str, str]
) -> None:
    other, eve = client.application.test_client(), client.application.test_client()
    for one, person in ((client, ADA), (other, ADA), (eve, EVE)):
        sign_in(one, db, person)
    with db.read() as session:
        ada = [row.public_id for row in sessions.sessions_of(session, ADA)]
        eves = sessions.sessions_of(session, EVE)[0].public_id
    assert client.post(f"/account/sessions/{eves}/end").status_code == 404
    assert client.post(f"/account/sessions/{ada[0]}/end").status_code == 302
    assert [is_signed_in(one) for one in (client, other, eve)] == [True, False, True]


@pytest.mark.parametrize(("steps", "lives"), [([6, 6, 6, 6], True), ([8], False), ([6, 6, 6, 6, 6.1], False)])
def test_a_session_ends_after_a_week_unused_or_a_month_in_all(
    client: FlaskClient, db: Database, known: dict[str, str], clock: FixedClock, steps: list[float], lives: bool
) -> None:
    sign_in(client, db)
    for days in steps:
        clock.advance(days=days)
        last = is_signed_in(client)
    assert last is lives


def test_a_forgotten_person_is_signed_out(client: FlaskClient, db: Database, known: dict[str, str]) -> None:
    sign_in(client, db)
    del known[ADA]
    assert not is_signed_in(client)


def test_whoever_guesses_is_slowed_down(
    client: FlaskClient, db: Database, known: dict[str, str], clock: FixedClock
) -> None:
    for _ in range(sessions.FAILURES_ALLOWED):
        assert client.post("/sign-in", data={"link": "guess"}).status_code == 400
    right = link(db)
    refused = client.post(f"/sign-in/{right}")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "600")
    clock.advance(minutes=11)
    assert client.post(f"/sign-in/{right}").status_code == 302


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/.//evil.example",
        "/..//evil.example",
        "/jobs/..//evil.example?x=1",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/ok\r\nSet-Cookie: a=b",
        "evil.example",
        "",
        None,
    ],
)
def test_nobody_is_sent_on_to_another_site(target: str | None) -> None:
    assert safe_next(target) == "/"


def test_a_page_for_people_asks_strangers_to_sign_in_and_brings_them_back(
    client: FlaskClient, db: Database, known: dict[str, str]
) -> None:
    asked = client.get("/account?x=1")
    assert asked.location == "/sign-in?next=/account?x%3D1"
    assert client.post(asked.location, data={"link": link(db)}).location == "/account?x=1"


def test_a_form_of_a_stranger_is_refused_with_a_way_out(client: FlaskClient) -> None:
    answer = client.post("/sign-out")
    assert (answer.status_code, "sign in and send it again" in answer.text) == (401, True)


def test_a_foreign_host_name_is_refused(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "href" not in answer.text


def test_the_content_policy_allows_our_own_files_alone(client: FlaskClient) -> None:
    policy = client.get("/").headers["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert not any("unsafe" in part or "*" in part for part in policy)
    assert client.get("/").headers["X-Content-Type-Options"] == "nosniff"


def test_a_signed_in_page_is_kept_by_no_cache(client: FlaskClient, db: Database, known: dict[str, str]) -> None:
    sign_in(client, db)
    assert client.get("/account").headers["Cache-Control"] == "no-store"


def test_a_form_that_is_one_browsers_alone_is_kept_by_no_cache(app: Flask, client: FlaskClient) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    for _again in range(2):  # begun, and begun before
        for path in ("/sign-in", "/sign-in/some-link"):
            answer = client.get(path)
            assert ("csrf_token" in answer.text, answer.headers["Cache-Control"]) == (True, "no-store"), path
    assert client.get("/jobs/").headers["Cache-Control"] == "no-cache", "what is everybody's is asked for again"


def test_what_no_rule_is_written_for_is_refused() -> None:
    assert not can(User("p", 1, "Root", (HeldSeat("administration", "a", "administrator"),)), "launch.rockets")


def test_a_permission_follows_the_seats_of_the_moment(app: Flask, client: FlaskClient, db: Database) -> None:
    held: list[HeldSeat] = []

    @auth.permission("test-core.merge")
    def may_merge(user: User, _thing: object) -> Decision:
        return Decision(user.holds("maintainer", module="core"), "only maintainers of core may")

    @app.get("/merge")
    @access("test-core.merge")
    def merge() -> str:
        return "merged"

    app.extensions["flambeau"].directory = auth.Directory(
        person_of=lambda _session, _person: KnownPerson(1, "Ada"), seats_of=lambda _session, _number, _at: tuple(held)
    )
    sign_in(client, db)
    refused = client.get("/merge")
    assert (refused.status_code, "only maintainers of core may" in refused.text) == (403, True)
    held.append(HeldSeat("module:core", "maintainer", "maintainer", module="core"))
    assert client.get("/merge").text == "merged"
    held.clear()
    assert client.get("/merge").status_code == 403


def test_a_machines_route_takes_no_cookie_and_needs_no_form_token(app: Flask, client: FlaskClient) -> None:
    app.config["WTF_CSRF_ENABLED"] = True

    @auth.guard("test-machine")
    def has_key() -> Decision:
        from flask import request

        return Decision(request.headers.get("Authorization") == "Bearer right", "a machine shows its key")

    @app.post("/machine")
    @access("test-machine")
    def machine() -> str:
        return "done"

    assert client.post("/machine").status_code == 401
    done = client.post("/machine", headers={"Authorization": "Bearer right"})
    assert (done.text, done.headers["Cache-Control"]) == ("done", "no-store")


def test_a_form_with_its_token_is_taken(app: Flask, client: FlaskClient, db: Database, known: dict[str, str]) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    token = link(db)
    page = client.get(f"/sign-in/{token}").text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    assert client.post(f"/sign-in/{token}").status_code == 400
    assert client.post(f"/sign-in/{token}", data={"csrf_token": found[1]}).status_code == 302


def test_anonymous_cannot_be_an_actor() -> None:
    with pytest.raises(ValueError, match="anonymous visitor cannot decide"):
        _ = ANONYMOUS.actor
