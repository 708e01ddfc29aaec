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
    connection = session.connection()
    if _is_postgresql(session):
        names = ", ".join(f'"{name}"' for name in columns)
        opened = cast(Any, connection.connection.cursor())
        with opened as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
            for row in turned:
                copy.write_row(row)
    else:
        statement = sa.insert(_narrowed(table, columns))
        connection.exec_driver_sql(str(statement.compile(dialect=connection.dialect)), turned)
    return len(turned)


def update_rows(session: Session, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Set `columns` (the first is the key that finds the row) to these values; gives how many rows were given."""
    session.flush()
    turned = list(_turned(session, table, columns, rows))
    if not turned:
        return 0
    key, *values = columns
    connection, own = session.connection(), _narrowed(table, columns)
    if _is_postgresql(session):
        arrays = (sa.cast(sa.bindparam(f"of_{name}"), sa.ARRAY(table.c[name].type)) for name in columns)
        given = sa.func.unnest(*arrays).table_valued(*columns, name="given").render_derived()
        statement = sa.update(own).values({name: given.c[name] for name in values}).where(own.c[key] == given.c[key])
        each = zip(columns, zip(*turned, strict=True), strict=True)
        connection.execute(statement, {f"of_{name}": list(found) for name, found in each})
    else:
        statement = sa.update(own).values({name: sa.bindparam(f"of_{name}") for name in values})
        statement = statement.where(own.c[key] == sa.bindparam(f"of_{key}"))
        rearranged = [(*row[1:], row[0]) for row in turned]
        connection.exec_driver_sql(str(statement.compile(dialect=connection.dialect)), rearranged)
    return len(turned)


def _narrowed(table: sa.Table, columns: Sequence[str]) -> sa.TableClause:
    """The table with these columns alone, in this order and without types: values are turned already."""
    return sa.table(table.name, *map(sa.column, columns))


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
