"""The audit log: a chain that only grows, on both databases."""

from __future__ import annotations

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
