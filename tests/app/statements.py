"""Which statements a piece of code sends to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from app.db import Database


@contextmanager
def statements(db: Database, *about: str) -> Iterator[list[str]]:
    """The statements that ask one of these tables; all of them where none is named."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        if not about or any(f"FROM {one}" in text.replace('"', "") for one in about):
            found.append(text)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)
