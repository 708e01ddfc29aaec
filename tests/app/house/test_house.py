"""The database's rules, settings, commands, errors and the log."""

from __future__ import annotations

import json
import logging
import stat
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from app import audit, auth, pages
from app.audit import Actor
from app.auth import access
from app.db import Base, Database, Row, Versioned, choice, database_now
from app.log import JsonFormatter
from app.sessions import WebSession, start_session
from app.settings import Settings, SettingsError


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.fixture
def own_table() -> type[Base]:
    """A table of the test's own, which the other tests never see."""

    class Scratch(sa.orm.DeclarativeBase):
        metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)

    class Kite(Row, Versioned, Scratch):  # type: ignore[valid-type,misc]  # a base made in a test
        __tablename__ = "kite"
        name: Mapped[str]
        colour: Mapped[Colour] = mapped_column(choice(Colour, name="colour"))

    return Kite  # type: ignore[return-value]  # as above


def test_of_two_who_save_the_same_form_the_second_is_told(db_each: Database, own_table: type[Base]) -> None:
    kite: Any = own_table
    kite.metadata.create_all(db_each.engine)
    with db_each.write() as session:
        session.add(kite(name="a", colour=Colour.RED))
    with db_each.read() as session:
        seen = session.scalars(sa.select(kite)).one().version

    def save(name: str) -> None:
        with db_each.write() as session:
            row = session.scalars(sa.select(kite)).one()
            row.expect_version(str(seen))
            row.name = name

    save("theirs")
    with pytest.raises(StaleDataError):
        save("mine")
    with db_each.read() as session:
        row = session.scalars(sa.select(kite)).one()
        assert (row.name, row.version) == ("theirs", seen + 1)


def test_a_stale_form_gets_the_page_that_says_so(app: Flask, client: FlaskClient) -> None:
    @app.post("/kite")
    @access("public")
    def kite() -> str:
        raise StaleDataError("version 1, row has 2")

    answer = client.post("/kite")
    assert (answer.status_code, "Somebody changed it meanwhile" in answer.text) == (409, True)


def test_a_choice_is_checked_by_the_database_itself(db_each: Database, own_table: type[Base]) -> None:
    own_table.metadata.create_all(db_each.engine)
    with pytest.raises(sa.exc.IntegrityError), db_each.write() as session:
        session.execute(sa.text("INSERT INTO kite (name, colour, version) VALUES ('x', 'green', 1)"))


def test_a_read_session_cannot_write(db_each: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=r"(?i)read.?only"), db_each.read() as session:
        start_session(session, "p_ada", "test")


@pytest.mark.postgres
def test_postgresql_compiles_no_statement(postgres_url: str) -> None:
    database = Database(postgres_url)
    for opened in (database.read, database.write):
        with opened() as session:
            assert session.scalar(sa.text("SHOW jit")) == "off"
    database.close()


def test_an_error_undoes_the_whole_transaction(db_each: Database) -> None:
    def half_way() -> None:
        with db_each.write() as session:
            start_session(session, "p_ada", "test")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        half_way()
    with db_each.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(WebSession)) == 0


def test_times_come_back_in_utc_and_naive_ones_are_refused(db_each: Database) -> None:
    with db_each.write() as session:
        start_session(session, "p_ada", "test")
    with db_each.read() as session:
        row = session.scalars(sa.select(WebSession)).one()
        assert row.created_at == datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
        assert row.created_at.tzinfo is UTC
    with pytest.raises(sa.exc.StatementError, match="has no time zone"), db_each.write() as session:
        session.execute(sa.update(WebSession).values(seen_at=datetime(2026, 1, 1)))


def test_the_databases_clock_moves_within_a_transaction(db_each: Database) -> None:
    with db_each.read() as session:
        first = database_now(session)
        session.execute(sa.text("SELECT 1"))
        later = database_now(session)
    assert abs((datetime.now(UTC) - first).total_seconds()) < 60
    assert later >= first


def test_settings_make_a_private_home_with_a_random_key(tmp_path: Path) -> None:
    home = tmp_path / "deep/home"
    first = Settings.from_environment({"FLAMBEAU_HOME": str(home)})
    again = Settings.from_environment({"FLAMBEAU_HOME": str(home)})
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "session.key").stat().st_mode) == 0o600
    assert first.session_key == again.session_key
    other = Settings.from_environment({"FLAMBEAU_HOME": str(tmp_path / "other")})
    assert other.session_key != first.session_key
    assert first.database_url == f"sqlite:///{home / 'flambeau.db'}"
    assert "session_key=SecretStr('**********')" in repr(first)


def test_settings_report_every_problem_at_once(tmp_path: Path) -> None:
    wrong = {
        "FLAMBEAU_HOME": str(tmp_path),
        "PORT": "eighty",
        "DATABASE_URL": "mysql://u:secret@h/d",
        "FLAMBEAU_BASE_URL": "portal",
    }
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment(wrong)
    said = str(raised.value)
    assert all(part in said for part in ("port:", "base_url:", "'portal' is no web address", "begins with 'mysql'"))
    assert "secret" not in said


def test_a_home_that_cannot_be_made_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="set FLAMBEAU_HOME to a folder you may write"):
        Settings.from_environment({"FLAMBEAU_HOME": str(tmp_path / "file/home")})


def test_a_fault_shows_the_number_that_the_log_has(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/fault")
    @access("public")
    def fault() -> str:
        raise ZeroDivisionError("secret detail")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    with caplog.at_level(logging.INFO, logger="flambeau"):
        answer = client.get("/fault")
    number = answer.headers["X-Request-Id"]
    assert (answer.status_code, number in answer.text, "secret detail" in answer.text) == (500, True, False)
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    assert {line["request_id"] for line in lines} == {number}
    assert any("ZeroDivisionError: secret detail" in line.get("error", "") for line in lines)
    assert lines[-1]["status"] == 500


def test_a_sign_in_link_is_not_written_into_the_log(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="flambeau"):
        client.get("/sign-in/the-secret-token")
    lines = [JsonFormatter().format(record) for record in caplog.records]
    assert any("/sign-in/..." in line for line in lines)
    assert not any("the-secret-token" in line for line in lines)


def test_hostile_text_cannot_forge_a_line_of_the_log() -> None:
    record = logging.LogRecord("flambeau", logging.INFO, "", 0, 'x\n{"level": "forged"}', (), None)
    assert "\n" not in JsonFormatter().format(record)


def test_a_machine_that_asks_for_json_gets_problems_as_json(client: FlaskClient) -> None:
    answer = client.get("/nowhere", headers={"Accept": "application/json"})
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json(force=True)["status"] == 404


def test_health_says_when_the_database_is_away(app: Flask, client: FlaskClient, tmp_path: Path) -> None:
    app.extensions["flambeau"].db = Database(f"sqlite:///{tmp_path / 'no/such/folder.db'}")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"ok": False, "database": "unreachable"})


def test_the_first_administrator_comes_by_a_link_from_the_command_line(app: Flask, db: Database) -> None:
    seat = auth.HeldSeat("administration", "administrator", "administrator")
    app.extensions["flambeau"].directory = auth.Directory(
        person_of=lambda _session, _person: auth.KnownPerson(1, "Ada"),
        seats_of=lambda _session, _number, _at: (seat,),
        first_administrator=lambda _session, _name, _email, _reason: "p_ada",
    )
    done = app.test_cli_runner().invoke(args=["admin", "invite", "--name", "Ada"])
    assert done.exit_code == 0, done.output
    address = done.stdout.splitlines()[0]
    client = app.test_client()
    client.post(address.removeprefix("http://127.0.0.1:8000"))
    assert "administrator" in client.get("/account").text
    with db.read() as session:
        assert session.scalar(sa.select(audit.AuditEntry.action)) == "admin.invite"


def test_audit_verify_finds_an_entry_that_was_changed(app: Flask, db: Database) -> None:
    for name in ("a", "b", "c"):
        with db.write() as session:
            audit.record(session, actor=Actor.system("test"), action=name, thing="t", reason="true")
    run = app.test_cli_runner().invoke
    whole = run(args=["audit", "verify"])
    assert (whole.exit_code, "3 entries" in whole.output) == (0, True)
    with db.write() as session:
        session.execute(sa.text("DROP TRIGGER audit_entry_no_update"))
        session.execute(sa.text("UPDATE audit_entry SET reason = 'false' WHERE number = 2"))
    broken = run(args=["audit", "verify"])
    assert (broken.exit_code, "entry 2 was changed" in broken.output) == (1, True)


def test_backup_and_restore_are_commands(app: Flask, tmp_path: Path) -> None:
    run = app.test_cli_runner().invoke
    target = str(tmp_path / "portal.tar.gz")
    made = run(args=["backup", target])
    assert (made.exit_code, "audit head" in made.output) == (0, True), repr(made.exception)
    restored = run(args=["restore", target])
    assert (restored.exit_code, "restored 0 rows" in restored.output) == (0, True), repr(restored.exception)


def test_a_list_is_cut_into_pages_that_exist(app: Flask) -> None:
    for asked, got in (("", 1), ("?page=2", 2), ("?page=99", 3)):
        with app.test_request_context(f"/jobs/{asked}"):
            assert pages.Page.from_request(120, size=50).number == got


def test_problems_of_a_form_are_listed_all_at_once() -> None:
    found = pages.problems([("name", "is empty"), {"loc": ("dues", "cents"), "msg": "Value error, is negative"}])
    assert found == [pages.Problem("name", "is empty"), pages.Problem("dues.cents", "is negative")]
