"""Writes very many plain rows as fast as the database takes them, and hashes them: COPY, or many rows to a statement.

Values are texts and whole numbers (times as text in UTC, yes and no as 1 and 0), the same on both databases.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

Row = tuple[str | int | None, ...]
_AT_ONCE = 20_000


class Sinks:
    """Buffers rows by table, in the order in which the tables were declared."""

    def __init__(self, session: Session) -> None:
        self._connection: Any = session.connection().connection.driver_connection
        self._is_postgresql = session.get_bind().dialect.name == "postgresql"
        self._session = session
        self._columns: dict[str, tuple[str, ...]] = {}
        self._waiting: dict[str, list[Row]] = {}
        self._hashes: dict[str, Any] = {}
        self.counts: dict[str, int] = {}

    def declare(self, table: str, *columns: str) -> list[Row]:
        """The columns of a table, in the order of its rows; gives the list to append rows to (see `drain`)."""
        self._columns[table] = columns
        self._hashes[table] = hashlib.sha256()
        self.counts[table] = 0
        return self._waiting.setdefault(table, [])

    def drain(self, *, least: int = _AT_ONCE) -> None:
        """Once a table has so many rows waiting, write all tables in the order of declaration: parents come first."""
        if not any(len(rows) >= least for rows in self._waiting.values()):
            return
        for table, rows in self._waiting.items():
            if rows:
                self._write(table, rows)
                rows.clear()

    def finish(self) -> str:
        """Write what still waits, bring the sequences of row numbers level; gives the hash over everything."""
        self.drain(least=1)
        if self._is_postgresql:
            for table, columns in self._columns.items():
                if columns[0] == "id":
                    place = f"pg_get_serial_sequence('{table}', 'id')"
                    highest = f'(SELECT max(id) FROM "{table}")'  # noqa: S608 - our own table's name
                    self._session.execute(sa.text(f"SELECT setval({place}, coalesce({highest}, 1))"))
        self._session.execute(sa.text("ANALYZE"))
        whole = "\n".join(f"{table} {one.hexdigest()}" for table, one in sorted(self._hashes.items()))
        return hashlib.sha256(whole.encode()).hexdigest()

    def _write(self, table: str, rows: Sequence[Row]) -> None:
        columns = self._columns[table]
        lines = ["\t".join(["\\N" if value is None else str(value) for value in row]) for row in rows]
        text = "\n".join(lines) + "\n"
        self._hashes[table].update(text.encode())
        self.counts[table] += len(rows)
        names = ", ".join(f'"{name}"' for name in columns)
        cursor = self._connection.cursor()
        try:
            if self._is_postgresql:
                with cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                    copy.write(text)
            else:
                marks = ", ".join("?" * len(columns))
                cursor.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', rows)  # noqa: S608 - our own names
        finally:
            cursor.close()
