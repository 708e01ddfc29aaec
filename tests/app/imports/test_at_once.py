"""An import that is undone while somebody decides: neither waits for the other."""

from __future__ import annotations

import threading
import time

import sqlalchemy as sa

from app import audit
from app.audit import Actor
from app.contributions.facts import record_pull_requests
from app.contributions.models import ChangeMeasure
from app.db import Database, Turn, take_turn
from app.imports import queries
from app.imports.models import Import
from app.imports.rules import FileKind
from app.people import queries as people
from tests.app.contributions.test_facts import REQUEST, repository

US = Actor.system("test")


def test_undoing_an_import_beside_a_decision_ends(governed_each: Database) -> None:
    with governed_each.write() as session:
        number = record_pull_requests(session, repository(session), [REQUEST])[7]
        people.resolve(session)
        one = queries.give_file(session, FileKind.GITDM_MAP, "map", "ada@ada.example Acme\n", actor=US)
        queries.apply_import(session, one, actor=US, reason="a test")
        public_id = one.public_id
    failed: list[BaseException] = []

    def undo() -> None:
        try:
            with governed_each.write() as session:
                found = session.scalars(sa.select(Import).where(Import.public_id == public_id)).one()
                queries.undo_import(session, found, actor=US, reason="a test")
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=undo)
    with governed_each.write() as session:
        # As every decision does: an entry of the log, then the counting.
        audit.record(session, actor=US, action="test.decide", thing="t", reason="a test")
        thread.start()
        time.sleep(0.5)
        take_turn(session, Turn.FIGURES)
    thread.join(30)
    assert not thread.is_alive()
    assert failed == []
    with governed_each.read() as session:
        assert session.get_one(ChangeMeasure, number).organization_id is None
