"""Two browsers that come for the first time with the same proof at once: one person, nothing contested."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.queries import Admitted, admit_by_address, admit_by_login
from app.accounts.rules import Vouched
from app.db import Database
from app.people.models import Person, Proof

ADA = Vouched("https://github.com", "583231", "ada", "Ada", "583231+ada@users.noreply.github.com", ("ada@acme.com",))
WAYS: dict[str, Callable[[Session], Admitted | None]] = {
    "login": lambda session: admit_by_login(session, ADA, source="here"),
    "address": lambda session: admit_by_address(session, "ada@acme.com", name="Ada", source="here"),
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_two_first_sign_ins_at_once_make_one_person(db_each: Database, way: str) -> None:
    begun, asked = threading.Barrier(2, timeout=30), threading.Event()
    failed: list[BaseException] = []

    def second() -> None:
        try:
            begun.wait()
            with db_each.write() as session:
                asked.set()
                assert WAYS[way](session) is not None
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    with db_each.write() as session:
        first = WAYS[way](session)
        begun.wait()
        # On SQLite it cannot begin before we end; on PostgreSQL it looks meanwhile, and finds nobody.
        asked.wait(0.5)
        time.sleep(0.3)
    thread.join(30)
    assert not thread.is_alive()
    assert failed == []
    assert first is not None
    assert first.is_new
    with db_each.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Person)) == 1
        assert session.scalars(sa.select(Proof.contested_at)).all() == [None] * (2 if way == "login" else 1)
