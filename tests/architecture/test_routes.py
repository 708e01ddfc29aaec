"""Every route declares who may use it; nothing changes anything on GET or without a form's token."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import IntegerConverter, Rule

from app import auth, create_app
from app.clock import FixedClock
from app.db import Database, current_db
from app.governance.models import GovernanceVersion
from app.governance.queries import current
from app.settings import Settings

# What strangers may send: signing in. Everything else that changes something asks for more than "public".
STRANGERS_MAY_SEND = {"people.wrong", "house.sign_in", "house.use_link", "accounts.ask_link", "accounts.mailed"}
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def test_every_route_declares_who_may_use_it(app: Flask) -> None:
    assert auth.undeclared(app) == []


def test_a_route_that_declares_nothing_is_reported(app: Flask) -> None:
    app.add_url_rule("/open-door", view_func=lambda: "", endpoint="open_door")
    assert auth.undeclared(app) == ["/open-door (open_door: nothing declared)"]


def test_strangers_may_send_nothing_but_a_sign_in(app: Flask) -> None:
    open_doors = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if UNSAFE & (rule.methods or set()) and auth.access_of(app, rule.endpoint) == "public"
    }
    assert open_doors <= STRANGERS_MAY_SEND


def test_every_form_without_its_token_is_refused(
    settings: Settings, db: Database, clock: FixedClock, signed_in: object
) -> None:
    app = create_app(settings, clock=clock, db=db)
    client = app.test_client()
    seat = auth.HeldSeat(body="administration", seat="administrator", kind="administrator")
    signed_in(client, "p_administrator", seat)  # type: ignore[operator]  # the fixture's callable
    for rule in _people_routes(app):
        if UNSAFE & (rule.methods or set()):
            answer = client.open(_address(rule), method=next(iter(UNSAFE & (rule.methods or set()))))
            assert (answer.status_code, "too old or came from elsewhere" in answer.text) == (400, True), rule.rule


@pytest.fixture
def needs_governance(app: Flask) -> str:
    """The address of a page that shows something of governance/."""

    @app.get("/needs-governance")
    @auth.access("public")
    def page() -> str:
        with current_db().read() as session:
            return current(session).foundation.name

    return "/needs-governance"


def test_a_page_that_needs_governance_says_how_to_get_it(client: FlaskClient, needs_governance: str) -> None:
    answer = client.get(needs_governance)
    assert (answer.status_code, "run `flask governance sync`" in answer.text) == (503, True)


def test_governance_of_an_older_portal_is_asked_for_again_and_can_be_synced(
    app: Flask, client: FlaskClient, db: Database, needs_governance: str
) -> None:
    run = app.test_cli_runner().invoke
    assert run(args=["governance", "sync"]).exit_code == 0
    with db.write() as session:
        session.add(GovernanceVersion(sha256="0" * 64, synced_at=db.clock.now(), content="{}"))
    answer = client.get(needs_governance)
    assert (answer.status_code, "synced by another version of the portal" in answer.text) == (503, True)
    assert run(args=["governance", "sync"]).exit_code == 0
    assert client.get(needs_governance).status_code == 200


@pytest.mark.parametrize("who", ["a visitor", "an administrator"])
def test_every_page_answers_without_breaking(app: Flask, client: FlaskClient, signed_in: object, who: str) -> None:
    synced = app.test_cli_runner().invoke(args=["governance", "sync"])
    assert synced.exit_code == 0, synced.output
    if who == "an administrator":
        seat = auth.HeldSeat(body="administration", seat="administrator", kind="administrator")
        signed_in(client, "p_administrator", seat)  # type: ignore[operator]  # the fixture's callable
    for rule in _people_routes(app):
        if "GET" not in (rule.methods or set()):
            continue
        answer = client.get(_address(rule))
        expected = {404, 400, 302, 308} if rule.arguments else {200, 302, 308}
        if rule.rule.startswith("/api/v1/"):
            expected |= {422}  # a part of the path that cannot be used is told by its name
        if auth.access_of(app, rule.endpoint) not in ("public", "signed-in"):
            expected |= {403}
        if rule.endpoint in ("house.sign_in_link",):
            expected |= {200}
        assert answer.status_code in expected, f"{rule.rule}: {answer.status_code}"


def _people_routes(app: Flask) -> list[Rule]:
    """Routes that people use; machines' routes have guards and tests of their own."""
    return [
        rule
        for rule in app.url_map.iter_rules()
        if auth.access_of(app, rule.endpoint) not in auth.guards() and not rule.endpoint.endswith("static")
    ]


def _address(rule: Rule) -> str:
    """An address of the route, with things that are not there."""
    kinds = rule._converters.items()
    samples = {name: 999_999 if isinstance(kind, IntegerConverter) else "none-such" for name, kind in kinds}
    built = rule.build(samples)
    assert built is not None
    return built[1]
