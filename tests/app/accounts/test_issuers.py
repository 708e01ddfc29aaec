"""Signing in at a real issuer: what its word opens, and every forged or repeated answer that opens nothing."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptojwt.jwk.ec import new_ec_key
from cryptojwt.jwk.hmac import SYMKey
from cryptojwt.jwk.rsa import new_rsa_key
from cryptojwt.jws.jws import JWS
from flask import Flask

from app import limits, sessions
from app.accounts import queries
from app.clock import FixedClock
from app.db import Database
from app.people.models import Person, Proof
from tests.app.accounts.conftest import BASE, Visitor, state_of
from tests.app.accounts.issuer import CLIENT, SECRET, RealIssuer

pytestmark = pytest.mark.slow  # an issuer and a portal for each test


def test_who_signs_in_for_the_first_time_becomes_a_person_and_comes_back_as_the_same(
    ada: Visitor, eve: Visitor, db: Database
) -> None:
    answer = ada.sign_in("acme")
    assert answer.location == "/account"
    page = ada.client.get("/account").text
    assert "Ada Lovelace" in page
    assert "ada@acme.com" in page
    eve.sign_in("acme")
    assert eve.person == ada.person
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Person)) == 1


def test_an_address_that_the_issuer_did_not_verify_proves_nothing(ada: Visitor, acme: RealIssuer, db: Database) -> None:
    acme.user = "eve"
    ada.sign_in("acme")
    with db.read() as session:
        assert [one.kind.value for one in session.scalars(sa.select(Proof))] == ["login"]


@pytest.mark.parametrize("verified", ["true", 1, None, "yes"])
def test_verified_is_true_and_nothing_like_it(ada: Visitor, acme: RealIssuer, db: Database, verified: Any) -> None:
    acme.people["ada"]["email_verified"] = verified
    ada.sign_in("acme")
    with db.read() as session:
        assert [one.kind.value for one in session.scalars(sa.select(Proof))] == ["login"]


@pytest.mark.parametrize("address", ["ad\u0430@acme.com", "\u017fteve@acme.com", "\u212aim@acme.com", "a@acme.com\n"])
def test_an_address_of_letters_that_look_alike_proves_nothing(
    ada: Visitor, acme: RealIssuer, db: Database, address: str
) -> None:
    acme.people["ada"]["email"] = address
    ada.sign_in("acme")
    with db.read() as session:
        assert [one.kind.value for one in session.scalars(sa.select(Proof))] == ["login"]


def test_an_issuers_word_counts_for_its_own_domains_alone(ada: Visitor, acme: RealIssuer, db: Database) -> None:
    acme.people["ada"]["email"] = "linus@elsewhere.org"
    ada.sign_in("acme")
    with db.read() as session:
        assert [one.kind.value for one in session.scalars(sa.select(Proof))] == ["login"]


def test_an_issuers_word_about_an_address_opens_no_account(ada: Visitor, eve: Visitor, mail: Any) -> None:
    ada.ask("ada@acme.com")
    ada.client.post(mail.link())
    answer = eve.sign_in("acme")
    assert eve.person
    assert eve.person != ada.person
    assert "another account has it" in eve.client.get(answer.location).text


def test_the_answer_is_good_once(ada: Visitor) -> None:
    path = ada.go("acme")
    assert ada.client.get(path).status_code == 302
    again = ada.client.get(path)
    assert again.status_code == 400
    assert "used, too old, or was begun in another browser" in again.text


def test_a_code_is_good_once_even_with_another_state(ada: Visitor, acme: RealIssuer) -> None:
    first = state_of(ada.go("acme"))
    second = state_of(ada.go("acme"))
    assert ada.client.get("/sign-in/with/acme/back", query_string=first).status_code == 302
    ada.client.post("/sign-out")
    mixed = ada.client.get("/sign-in/with/acme/back", query_string={**second, "code": first["code"]})
    assert mixed.status_code == 400
    assert not ada.person


def test_an_answer_in_another_browser_signs_nobody_in(ada: Visitor, eve: Visitor) -> None:
    path = eve.go("acme")
    assert ada.client.get(path).status_code == 400
    assert not ada.person


@pytest.mark.parametrize("change", [{"state": "chosen"}, {"state": ""}, {"code": ""}, {"iss": "https://evil.example"}])
def test_an_answer_with_something_wrong_signs_nobody_in(ada: Visitor, change: dict[str, str]) -> None:
    said = {**state_of(ada.go("acme")), **change}
    assert ada.client.get("/sign-in/with/acme/back", query_string=said).status_code == 400
    assert not ada.person


def test_an_issuer_that_names_itself_must_do_so_each_time(ada: Visitor, acme: RealIssuer) -> None:
    acme.published = {"authorization_response_iss_parameter_supported": True}
    said = state_of(ada.go("acme"))
    del said["iss"]
    assert ada.client.get("/sign-in/with/acme/back", query_string=said).status_code == 400


def test_an_answer_for_another_issuer_signs_nobody_in(ada: Visitor) -> None:
    said = state_of(ada.go("acme"))
    assert ada.client.get("/sign-in/with/github/back", query_string=said).status_code == 400
    assert ada.client.get("/sign-in/with/acme/back", query_string=said).status_code == 302, "and that used nothing up"


def test_an_answer_grows_old(ada: Visitor, clock: FixedClock) -> None:
    path = ada.go("acme")
    clock.advance(minutes=10)
    assert ada.client.get(path).status_code == 400


def test_no_is_taken_for_an_answer(ada: Visitor) -> None:
    said = {"state": state_of(ada.go("acme"))["state"], "error": "access_denied", "error_description": "<b>no</b>"}
    answer = ada.client.get("/sign-in/with/acme/back", query_string=said)
    assert answer.status_code == 400
    assert "access_denied" in answer.text
    assert "<b>" not in answer.text


Spoiler = Callable[[dict[str, Any], RealIssuer], None]


def _resigned(**claims: Any) -> Spoiler:
    """The issuer's own key, another claim."""

    def spoil(token: dict[str, Any], issuer: RealIssuer) -> None:
        body = {**_claims(token["id_token"]), **claims}
        body = {name: value for name, value in body.items() if value is not None}
        key = issuer.server.keyjar.get_signing_key("RSA", "")[0]
        token["id_token"] = JWS(json.dumps(body), alg="RS256").sign_compact([key])

    return spoil


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _unsigned(token: dict[str, Any], _issuer: RealIssuer) -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    token["id_token"] = f"{head}.{token['id_token'].split('.')[1]}."


def _by_our_secret(token: dict[str, Any], _issuer: RealIssuer) -> None:
    body = json.dumps(_claims(token["id_token"]))
    token["id_token"] = JWS(body, alg="HS256").sign_compact([SYMKey(key=SECRET, alg="HS256")])


def _by_its_public_key(token: dict[str, Any], issuer: RealIssuer) -> None:
    """The old mistake: the public key of RS256 taken for the secret of HS256."""
    key = issuer.server.keyjar.get_signing_key("RSA", "")[0]
    pem = key.public_key().public_bytes(*_pem())
    body = json.dumps(_claims(token["id_token"]))
    token["id_token"] = JWS(body, alg="HS256").sign_compact([SYMKey(key=pem.decode(), alg="HS256")])


def _pem() -> tuple[Any, Any]:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return Encoding.PEM, PublicFormat.SubjectPublicKeyInfo


def _by_a_stranger(token: dict[str, Any], _issuer: RealIssuer) -> None:
    body = json.dumps(_claims(token["id_token"]))
    token["id_token"] = JWS(body, alg="RS256").sign_compact([new_rsa_key()])


def _with_a_key_inside(token: dict[str, Any], _issuer: RealIssuer) -> None:
    key = new_ec_key("P-256")
    body = json.dumps(_claims(token["id_token"]))
    token["id_token"] = JWS(body, alg="ES256", jwk=key.serialize()).sign_compact([key])


def _changed(token: dict[str, Any], _issuer: RealIssuer) -> None:
    head, _body, seal = token["id_token"].split(".")
    other = json.dumps({**_claims(token["id_token"]), "sub": "somebody else"}).encode()
    token["id_token"] = ".".join((head, base64.urlsafe_b64encode(other).rstrip(b"=").decode(), seal))


def _without(token: dict[str, Any], _issuer: RealIssuer) -> None:
    del token["id_token"]


NOW = int(time.time())


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_resigned(nonce="another"), id="another nonce"),
        pytest.param(_resigned(nonce=None), id="no nonce"),
        pytest.param(_resigned(iss="https://evil.example"), id="another issuer"),
        pytest.param(_resigned(iss=None), id="no issuer"),
        pytest.param(_resigned(aud=["another-client"]), id="another audience"),
        pytest.param(_resigned(aud=None), id="no audience"),
        pytest.param(_resigned(aud=[CLIENT, "another"], azp="another"), id="for another party"),
        pytest.param(_resigned(exp=NOW - 300), id="expired"),
        pytest.param(_resigned(exp=None), id="without end"),
        pytest.param(_resigned(exp="tomorrow"), id="an end that is none"),
        pytest.param(_resigned(iat=NOW + 3600), id="from the future"),
        pytest.param(_resigned(nbf=NOW + 3600), id="not yet good"),
        pytest.param(_resigned(sub=None), id="nobody"),
        pytest.param(_resigned(sub=""), id="an empty subject"),
        pytest.param(_resigned(sub=["ada"]), id="a list of subjects"),
        pytest.param(_resigned(at_hash="AAAAAAAAAAAAAAAAAAAAAA"), id="of another access token"),
        _unsigned,
        _by_our_secret,
        _by_its_public_key,
        _by_a_stranger,
        _with_a_key_inside,
        _changed,
        _without,
    ],
)
def test_a_token_that_does_not_hold_signs_nobody_in(
    ada: Visitor, acme: RealIssuer, db: Database, spoil: Spoiler
) -> None:
    acme.spoil = spoil
    assert ada.client.get(ada.go("acme")).status_code == 400
    assert not ada.person
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Person)) == 0


def test_a_token_resigned_as_it_was_is_taken_so_the_spoilers_above_are_refused_for_their_claim(
    ada: Visitor, acme: RealIssuer
) -> None:
    acme.spoil = _resigned()
    ada.sign_in("acme")
    assert ada.person


def test_a_new_key_of_the_issuer_is_fetched(ada: Visitor, eve: Visitor, acme: RealIssuer, app: Flask) -> None:
    ada.sign_in("acme")
    way = app.extensions["flambeau_ways"]["acme"]
    way._keys_at -= 31
    fresh = new_rsa_key(kid="the-new-one", use="sig")
    acme.server.keyjar.add_keys("", [fresh])

    def by_the_new_key(token: dict[str, Any], _issuer: RealIssuer) -> None:
        token["id_token"] = JWS(json.dumps(_claims(token["id_token"])), alg="RS256").sign_compact([fresh])

    acme.spoil = by_the_new_key
    eve.sign_in("acme")
    assert eve.person == ada.person
    assert acme.seen.count("/keys") == 2


def test_the_redirect_address_is_ours_whatever_the_request_calls_us(ada: Visitor) -> None:
    there = ada.client.get("/sign-in/with/acme", headers={"Host": "localhost"}).location
    assert state_of(there)["redirect_uri"] == f"{BASE}/sign-in/with/acme/back"


def test_what_goes_to_the_issuer_is_fresh_each_time_and_no_row_holds_it(ada: Visitor, db: Database) -> None:
    first, second = (state_of(ada.client.get("/sign-in/with/acme").location) for _ in range(2))
    assert first["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]
    with db.read() as session:
        rows = " ".join(str(row) for row in session.execute(sa.text("SELECT * FROM sign_in_attempt")))
    assert first["state"] not in rows
    assert first["nonce"] not in rows


@pytest.mark.parametrize("onward", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(ada: Visitor, onward: str) -> None:
    ada.sign_in("acme")
    ada.client.post("/sign-out")
    answer = ada.client.get(ada.go("acme", next=onward))
    assert answer.location == "/"


def test_signing_in_leads_on_to_where_one_was(ada: Visitor) -> None:
    assert ada.client.get(ada.go("acme", next="/jobs/?page=2")).location == "/jobs/?page=2"


def test_the_token_of_the_session_is_new_and_the_old_session_ends(ada: Visitor, acme: RealIssuer) -> None:
    ada.sign_in("acme")
    old = ada.client.get_cookie("flambeau")
    assert old is not None
    acme.user = "eve"
    ada.sign_in("acme")
    thief = ada.app.test_client()
    thief.set_cookie("flambeau", old.value)
    assert thief.get("/account").status_code == 302, "whoever kept the old cookie is signed in as nobody"


def test_a_planted_cookie_is_worth_nothing(ada: Visitor, eve: Visitor) -> None:
    eve.client.get("/sign-in/with/acme")
    planted = eve.client.get_cookie("flambeau")
    assert planted is not None
    ada.client.set_cookie("flambeau", planted.value)
    ada.sign_in("acme")
    assert not eve.person, "the attacker's copy of the cookie from before did not become a session"


def test_an_issuer_that_is_away_is_a_sentence_and_a_way_back(ada: Visitor, app_on: Any, db: Database) -> None:
    issuers = tuple(
        one.model_copy(update={"issuer": "http://127.0.0.1:9"})
        for one in ada.app.extensions["flambeau"].settings.issuers
    )
    answer = app_on(db, issuers=issuers).test_client().get("/sign-in/with/acme")
    assert answer.status_code == 502
    assert "cannot be reached" in answer.text
    assert 'href="/sign-in"' in answer.text


@pytest.mark.parametrize(
    ("published", "said"),
    [
        ({"issuer": "https://evil.example"}, "does not call itself"),
        ({"authorization_endpoint": "http://evil.example/a"}, "no safe authorization_endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "no safe authorization_endpoint"),
        ({"authorization_endpoint": "https://["}, "no safe authorization_endpoint"),
        ({"authorization_endpoint": None}, "no safe authorization_endpoint"),
        ({"padding": "x" * 600_000}, "more than 512 kB"),
    ],
)
def test_an_issuer_that_publishes_something_unsafe_is_not_used(
    ada: Visitor, acme: RealIssuer, published: dict[str, Any], said: str
) -> None:
    acme.published = published
    answer = ada.client.get("/sign-in/with/acme")
    assert answer.status_code == 502
    assert said in answer.text


def test_no_portal_follows_where_an_issuer_sends_it(ada: Visitor, acme: RealIssuer) -> None:
    acme.published = {"jwks_uri": f"{acme.url}/authorization?x"}
    assert ada.client.get(ada.go("acme")).status_code == 400


def test_guessing_is_slowed_down_by_source(ada: Visitor, eve: Visitor) -> None:
    for _ in range(sessions.FAILURES_ALLOWED):
        assert ada.client.get("/sign-in/with/acme/back?state=guess&code=x").status_code == 400
    assert ada.client.get("/sign-in/with/acme/back?state=guess&code=x").status_code == 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.9"}
    assert eve.client.get("/sign-in/with/acme/back?state=x&code=x", environ_base=elsewhere).status_code == 400


def test_beginning_is_limited_by_source_and_the_limit_passes(
    db_each: Database, app_on: Any, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "STARTS_FROM_A_SOURCE", 2)
    visitor = Visitor(app_on(db_each))
    assert [visitor.client.get("/sign-in/with/github").status_code for _ in range(3)] == [302, 302, 429]
    clock.advance(minutes=61)
    assert visitor.client.get("/sign-in/with/github").status_code == 302
    with db_each.read() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM sign_in_attempt")) == 1, "old attempts are forgotten"


@pytest.mark.parametrize("where", ["image", "iframe", "script", "empty"])
def test_a_page_of_somebody_elses_uses_up_nothing_of_its_readers(ada: Visitor, where: str) -> None:
    for path in ("/sign-in/with/acme", "/sign-in/with/acme/back?state=x"):
        for _ in range(2 * sessions.FAILURES_ALLOWED):
            assert ada.client.get(path, headers={"Sec-Fetch-Dest": where}).status_code == 400
    there = ada.client.get("/sign-in/with/acme", headers={"Sec-Fetch-Dest": "document"})
    assert there.status_code == 302
    ada.sign_in("acme")
    assert ada.person


def test_newcomers_are_limited_by_source(ada: Visitor, acme: RealIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "ARRIVALS_FROM_A_SOURCE", 0)
    assert ada.client.get(ada.go("acme")).status_code == 429
    assert not ada.person


def test_two_processes_count_together(db_each: Database) -> None:
    for expected in (True, True, False):
        with db_each.write() as session:
            taken = limits.take(session, "test", "x", allowed=2, within=timedelta(hours=1))
            assert taken is expected


def test_an_unknown_way_is_no_way(ada: Visitor) -> None:
    assert ada.client.get("/sign-in/with/nobody").status_code == 404
    assert ada.client.get("/sign-in/with/nobody/back?state=x").status_code == 404
