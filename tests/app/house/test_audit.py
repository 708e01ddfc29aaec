"""The audit log: a chain that only grows, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
import sqlalchemy as sa

from app import audit
from app.audit import Actor
from app.db import Database

ADA = Actor.person("p_ada")


def write(db: Database, count: int = 3) -> None:
    for number in range(count):
        with db.write() as session:
            audit.record(session, actor=ADA, action="test.write", thing=f"t_{number}", reason="a test")


def test_the_chain_of_a_few_entries_verifies(db_each: Database) -> None:
    write(db_each)
    with db_each.read() as session:
        found = audit.verify(session)
        assert (found.ok, found.entries) == (True, 3)
        assert audit.head(session) == (3, found.head)


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET reason = 'other'", "DELETE FROM audit_entry"])
def test_the_database_refuses_to_change_or_delete_an_entry(db_each: Database, statement: str) -> None:
    write(db_each)
    with pytest.raises(sa.exc.DatabaseError, match="only grows"), db_each.write() as session:
        session.execute(sa.text(statement))
    with db_each.read() as session:
        assert audit.verify(session).entries == 3


@pytest.mark.parametrize(
    ("damage", "bad", "because"),
    [
        ("UPDATE audit_entry SET reason = 'other' WHERE number = 2", 2, "entry 2 was changed"),
        ("DELETE FROM audit_entry WHERE number = 2", 2, "entry 2 is missing"),
        ("UPDATE audit_entry SET previous = hash WHERE number = 3", 3, "entry 3 does not follow entry 2"),
    ],
)
def test_verify_says_where_the_chain_breaks_first(db_each: Database, damage: str, bad: int, because: str) -> None:
    write(db_each)
    with db_each.write() as session:
        if db_each.dialect == "postgresql":
            session.execute(sa.text("ALTER TABLE audit_entry DISABLE TRIGGER ALL"))
        else:
            for verb in ("update", "delete"):
                session.execute(sa.text(f"DROP TRIGGER audit_entry_no_{verb}"))
        session.execute(sa.text(damage))
    with db_each.read() as session:
        found = audit.verify(session)
    assert (found.ok, found.first_bad) == (False, bad)
    assert because in found.because


def test_forgetting_a_person_leaves_the_chain_whole_and_the_hash_unmatchable(db_each: Database) -> None:
    with db_each.write() as session:
        personal = {"p_ada/email": "ada@example.org", "p_eve": "Eve"}
        entry = audit.record(session, actor=ADA, action="people.claim", thing="p_ada", reason="", personal=personal)
        assert "ada@example.org" not in entry.personal
        assert audit.matches(session, entry, "p_ada/email", "ada@example.org")
        assert not audit.matches(session, entry, "p_ada/email", "eve@example.org")
        assert audit.forget(session, "p_ada")
        assert not audit.forget(session, "p_ada")
        assert not audit.matches(session, entry, "p_ada/email", "ada@example.org")
        assert audit.matches(session, entry, "p_eve", "Eve")
    with db_each.read() as session:
        assert audit.verify(session).ok


def test_the_chain_stays_whole_under_four_writers(db_each: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write, db_each, 10) for _ in range(4)]:
            done.result()
    with db_each.read() as session:
        found = audit.verify(session)
    assert (found.ok, found.entries) == (True, 40)


def test_an_entry_of_an_undone_decision_is_undone_too(db_each: Database) -> None:
    def undone() -> None:
        with db_each.write() as session:
            audit.record(session, actor=ADA, action="test.undone", thing="t", reason="")
            raise RuntimeError("the decision failed")

    with pytest.raises(RuntimeError):
        undone()
    write(db_each, 1)
    with db_each.read() as session:
        assert audit.verify(session).entries == 1


def test_a_batch_of_observations_is_one_entry(db: Database) -> None:
    with db.write() as session:
        entry = audit.observe(session, job="j_1", source="r_1", range="a..b", rows=4000, sha256="0" * 64)
        assert entry.values == {"range": "a..b", "rows": 4000, "sha256": "0" * 64}
        assert entry.actor_id == "job:j_1"


def test_days_and_choices_are_written_as_text_and_the_rest_is_refused(db: Database) -> None:
    with db.write() as session:
        data = {"on": date(2026, 1, 2), "kind": audit.ActorKind.JOB}
        entry = audit.record(session, actor=ADA, action="a", thing="t", reason="", data=data)
        assert entry.values == {"on": "2026-01-02", "kind": "job"}
        with pytest.raises(TypeError, match="takes plain values"):
            audit.record(session, actor=ADA, action="a", thing="t", reason="", data={"x": object()})
