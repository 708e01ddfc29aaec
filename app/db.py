"""The database, the same on SQLite and PostgreSQL: types, naming, sessions, and how writers take turns."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum, IntEnum
from typing import Annotated, Any, ClassVar

import sqlalchemy as sa
from alembic import command
from flask import current_app
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, declared_attr, mapped_column, sessionmaker
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import ConnectionPoolEntry

from app.clock import Clock, SystemClock
from app.upgrading import alembic_config, tell_where_behind

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
BUSY_TIMEOUT_MS = 20_000


class Turn(IntEnum):
    """What one writer at a time does on PostgreSQL. Who takes several: HISTORY, AUDIT, FIGURES, SEARCH."""

    SCHEMA = 7302846
    AUDIT = 7302847
    CLAIM = 7302848
    # Commits and proofs of whose they are: two that bring the same would otherwise make it twice.
    HISTORY = 7302849
    # Who counts or measures: a delete does not see what another is just inserting, and both would stay.
    FIGURES = 7302850
    # Who indexes: two that bring the same new word would otherwise make it twice.
    SEARCH = 7302851


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC; a time without a zone is refused, because nobody can say later which zone was meant."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Check and turn to UTC what goes in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use the clock, or add tzinfo=UTC")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give back what comes out with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def choice(kinds: type[Enum], *, name: str) -> sa.Enum:
    """A column type for one of a fixed list: text in the database with a CHECK named after the table and `name`.

    >>> class Colour(Enum):
    ...     RED = "red"
    >>> choice(Colour, name="colour").enums
    ['red']
    """
    return sa.Enum(
        kinds,
        name=name,
        native_enum=False,
        create_constraint=True,
        validate_strings=True,
        length=40,
        values_callable=lambda listed: [str(kind.value) for kind in listed],
    )


Cents = Annotated[int, mapped_column(sa.BigInteger)]
"""Money: a whole number of cents, `dues_cents: Mapped[Cents]`."""

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""The type of a row number: 64 bits on both databases."""


class Base(DeclarativeBase):
    """The parent of every table."""

    __table__: ClassVar[sa.Table]  # of every one of ours; to SQLAlchemy it might be a join
    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: sa.JSON, list[str]: sa.JSON}  # noqa: RUF012 - read once


class Row:
    """A table's row number. It never leaves the portal: what goes outside is a public id."""

    id: Mapped[int] = mapped_column(Key, primary_key=True)


class Versioned:
    """For rows that people edit: two who save at once get one success and one "changed meanwhile" page (409)."""

    version: Mapped[int] = mapped_column(default=1)

    def expect_version(self, seen: str | int | None) -> None:
        """Check the version that a form was opened with (by `ui.version`; `request.form["version"]` has it here).

        Raises: StaleDataError, which becomes the 409 page, when somebody saved the row meanwhile.
        """
        if str(seen) != str(self.version):
            raise StaleDataError(f"the form shows version {seen}, the row has {self.version}")

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.__table__.c.version if hasattr(cls, "__table__") else cls.version}


def new_public_id(prefix: str) -> str:
    """A name for a row that tells nothing about it: `p_` and 12 random letters and digits."""
    alphabet = "23456789abcdefghjkmnpqrstuvwxyz"
    return f"{prefix}_" + "".join(secrets.choice(alphabet) for _ in range(12))


def holds_on(row: Any, day: Any) -> sa.ColumnElement[bool]:
    """The condition that what holds from `starts_on` until `ends_on`, both included, does so on a day.

    `row` is a table's class or an alias of it, `day` a date or a column; without an end it goes on.
    """
    return sa.and_(row.starts_on <= day, sa.or_(row.ends_on.is_(None), row.ends_on >= day))


def public_id(prefix: str) -> Mapped[str]:
    """The column of a public id: `public_id: Mapped[str] = public_id("p")`."""
    return mapped_column(sa.String(40), unique=True, default=lambda: new_public_id(prefix))


class Database:
    """One engine and the two ways to use it: `read()` and `write()`."""

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self.url = sa.make_url(url)
        self.clock: Clock = clock or SystemClock()
        self.dialect = self.url.get_backend_name()
        if self.dialect == "sqlite":
            self.engine = sa.create_engine(self.url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
            sa.event.listen(self.engine, "connect", _sqlite_connected)
            sa.event.listen(self.engine, "begin", _sqlite_begins)
        else:
            self.engine = sa.create_engine(self.url, pool_pre_ping=True, pool_size=4, max_overflow=8)
            sa.event.listen(self.engine, "connect", _postgresql_connected)
        tell_where_behind(self.engine)
        reader = self.engine.execution_options(flambeau_access="read", postgresql_readonly=True)
        writer = self.engine.execution_options(flambeau_access="write")
        # What every session brings along; the application adds to it.
        self.info: dict[str, Any] = {"flambeau_clock": self.clock}
        self._reader = sessionmaker(reader, expire_on_commit=False, autoflush=False, info=self.info)
        self._writer = sessionmaker(writer, expire_on_commit=False, info=self.info)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that can only read; the database itself refuses anything else."""
        session = self._reader()
        try:
            yield session
        finally:
            session.close()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that holds the right to write from its first statement; commits at the end, undoes on error."""
        session = self._writer()
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            session.close()

    def upgrade(self, revision: str = "heads") -> None:
        """Bring the tables to `revision`; one process at a time, whole or not at all."""
        with self.engine.connect() as connection:
            if self.dialect == "sqlite":
                # Batch migrations rebuild tables; with foreign keys on, dropping the old one would cascade.
                connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
                connection.commit()
            connection = connection.execution_options(flambeau_access="write", flambeau_upgrades=True)
            with connection.begin():
                if self.dialect == "postgresql":
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({Turn.SCHEMA:d})")
                command.upgrade(alembic_config(connection), revision)
                if self.dialect == "sqlite":
                    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                    if broken:
                        raise RuntimeError(f"the migration would leave rows that point nowhere: {broken[:5]}")
            if self.dialect == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys = ON")
                connection.commit()

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def current_db() -> Database:
    """The database of the running application."""
    db: Database = current_app.extensions["flambeau"].db
    return db


def take_turn(session: Session, turn: int) -> None:
    """Wait until nobody else has this turn, and keep it until the transaction ends; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": int(turn)})


def clock_of(session: Session) -> Clock:
    """The clock that belongs to a session's database."""
    clock: Clock = session.info["flambeau_clock"]
    return clock


def database_now(session: Session) -> datetime:
    """The database's own time: what several machines agree on. Not the transaction's start, the very moment."""
    if session.get_bind().dialect.name == "sqlite":
        text = session.scalar(sa.text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"))
        return datetime.strptime(str(text), "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    moment = session.scalar(sa.text("SELECT clock_timestamp()"))
    assert isinstance(moment, datetime)  # noqa: S101 - a type that the driver promises
    return moment.astimezone(UTC)


def _sqlite_connected(connection: Any, _record: ConnectionPoolEntry) -> None:
    # The driver's own BEGIN comes late and never IMMEDIATE; we send it ourselves in _sqlite_begins.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL survives a killed process; only a power cut may lose the last commits, never the order.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _postgresql_connected(connection: Any, _record: ConnectionPoolEntry) -> None:
    # Our statements take milliseconds, compiling one hundreds of them.
    connection.execute("SET jit = off")
    connection.commit()


def _sqlite_begins(connection: sa.Connection) -> None:
    access = connection.get_execution_options().get("flambeau_access")
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if access == 'read' else 'OFF'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if access == "write" else "BEGIN")
