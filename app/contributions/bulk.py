"""Many rows at once, as fast as each database takes them: COPY on PostgreSQL, one prepared statement on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

_Turn = Callable[[Any], Any] | None


def reserve(session: Session, table: sa.Table, count: int) -> list[int]:
    """Row numbers that nobody has and nobody else gets, ascending, for rows that others will point at."""
    if count == 0:
        return []
    if _is_postgresql(session):
        name = sa.func.pg_get_serial_sequence(f'"{table.name}"', "id")
        numbers = session.scalars(sa.select(sa.func.nextval(sa.cast(name, sa.Text).op("::")(sa.text("regclass"))))
                                  .select_from(sa.func.generate_series(1, count)))  # fmt: skip
        return sorted(int(number) for number in numbers)
    last = session.scalar(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))) or 0
    return list(range(last + 1, last + 1 + count))


def insert_rows(session: Session, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Insert rows whose values stand in the order of `columns`; gives how many they were.

    Values are what the columns' types take (enums, aware datetimes), as with any insert.
    """
    session.flush()
    turned = list(_turned(session, table, columns, rows))
    if not turned:
        return 0
    names = ", ".join(f'"{name}"' for name in columns)
    connection = session.connection()
    if _is_postgresql(session):
        opened = cast(Any, connection.connection.cursor())
        with opened as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
            for row in turned:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(columns))
        statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608 - names of our own tables
        connection.exec_driver_sql(statement, turned)
    return len(turned)


def update_rows(session: Session, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Set `columns` (the first is the key that finds the row) to these values; gives how many rows were given."""
    session.flush()
    turned = list(_turned(session, table, columns, rows))
    if not turned:
        return 0
    key, *values = columns
    connection = session.connection()
    if _is_postgresql(session):
        names = ", ".join(f'"{name}"' for name in columns)
        setting = ", ".join(f'"{name}" = given."{name}"' for name in values)
        arrays = ", ".join(f"%s::{table.c[name].type.compile(connection.dialect)}[]" for name in columns)
        given = f'unnest({arrays}) AS given ({names}) WHERE "{table.name}"."{key}" = given."{key}"'
        statement = f'UPDATE "{table.name}" SET {setting} FROM {given}'  # noqa: S608 - names of our own tables
        connection.exec_driver_sql(statement, tuple(map(list, zip(*turned, strict=True))))
    else:
        setting = ", ".join(f'"{name}" = ?' for name in values)
        statement = f'UPDATE "{table.name}" SET {setting} WHERE "{key}" = ?'  # noqa: S608 - names of our own tables
        connection.exec_driver_sql(statement, [(*row[1:], row[0]) for row in turned])
    return len(turned)


def _turned(
    session: Session, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Iterable[tuple[Any, ...]]:
    """The rows with each value as the driver wants it."""
    dialect = session.get_bind().dialect
    turns = [cast(_Turn, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in columns]
    changed = [(place, turn) for place, turn in enumerate(turns) if turn is not None]
    if not changed:
        return (tuple(row) for row in rows)
    return (_turn_row(row, changed) for row in rows)


def _turn_row(row: Sequence[Any], turns: list[tuple[int, Callable[[Any], Any]]]) -> tuple[Any, ...]:
    values = list(row)
    for place, turn in turns:
        values[place] = turn(values[place])
    return tuple(values)


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
