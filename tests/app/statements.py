"""Which statements a piece of code sends to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from app.db import Database


@contextmanager
def statements(db: Database, *about: str) -> Iterator[list[str]]:
    """The statements that are sent meanwhile, those that ask one of these tables where some are named."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        said = " ".join(text.split())
        is_asked = not about or any(f"FROM {one}" in said.replace('"', "") for one in about)
        if is_asked and not said.startswith(("PRAGMA", "BEGIN")):
            found.append(said)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)
