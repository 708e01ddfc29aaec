"""One chain of migrations; models equal it; each migration runs on rows of the one before, on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app import load_house, load_slices
from app.db import Base, Database
from app.people.domains import plain_host
from app.upgrading import alembic_config, newest

load_house()
load_slices(["models"])


def test_there_is_one_head() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [newest()]


def test_the_models_equal_the_migrations(db_each: Database) -> None:
    with db_each.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, Base.metadata) == []
        inspector = sa.inspect(connection)
        for table in Base.metadata.sorted_tables:
            found = {check["name"] for check in inspector.get_check_constraints(table.name)}
            declared = {
                str(connection.dialect.identifier_preparer.format_constraint(one))
                for one in table.constraints
                if isinstance(one, sa.CheckConstraint)
            }
            assert {name.strip('"') for name in declared} == found, f"checks of {table.name}"


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
@pytest.mark.slow
def test_each_migration_runs_on_rows_of_the_one_before(kind: str, empty_url: Callable[[str], str]) -> None:
    db = Database(empty_url(kind))
    script = ScriptDirectory.from_config(alembic_config())
    revisions = [one.revision for one in reversed(list(script.walk_revisions()))]
    try:
        for revision in revisions:
            before = _counts(db)
            db.upgrade(revision)
            after = _counts(db)
            # What is to be searched for may be put on its list; no row is lost there either.
            lost = {table: count for table, count in before.items() if table in after and after[table] != count
                    and not (table == "search_due" and after[table] > count)}  # fmt: skip
            assert lost == {}, f"migration {revision} lost or made rows"
            _fill_empty_tables(db)
        assert all(_counts(db).values()), "every table had a row"
    finally:
        db.close()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
@pytest.mark.slow
def test_domains_that_were_entered_in_their_own_letters_still_name_their_organization(
    kind: str, empty_url: Callable[[str], str]
) -> None:
    db = Database(empty_url(kind))
    made = [("bücher.de", 2), ("acme.com", 2), ("straße.at", 2), ("xn--mller-kva.de", 2), ("müller.de", 3)]
    try:
        db.upgrade("0105")
        with db.engine.execution_options(flambeau_access="write").begin() as connection:
            tables = sa.MetaData()
            tables.reflect(connection, only=["organization", "organization_domain"])
            checks = [str(one["sqltext"]) for one in sa.inspect(connection).get_check_constraints("organization")]
            _insert_sample(connection, tables.tables["organization"], checks)
            whose = connection.scalar(sa.select(tables.tables["organization"].c.id))
            connection.execute(sa.insert(tables.tables["organization_domain"]), [
                {"public_id": f"od_{at}", "organization_id": whose, "domain": domain, "starts_on": date(2026, 1, day)}
                for at, (domain, day) in enumerate(made)])  # fmt: skip
        db.upgrade()
        with db.engine.connect() as connection:
            rows = connection.scalars(sa.text("SELECT domain FROM organization_domain ORDER BY id")).all()
        assert rows == [plain_host("bücher.de"), "acme.com", plain_host("straße.at"), "xn--mller-kva.de", "müller.de"]
    finally:
        db.close()


def _counts(db: Database) -> dict[str, int]:
    with db.engine.connect() as connection:
        names = [name for name in sa.inspect(connection).get_table_names() if name != "alembic_version"]
        return {name: connection.execute(sa.text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in names}


def _fill_empty_tables(db: Database) -> None:
    metadata = sa.MetaData()
    with db.engine.execution_options(flambeau_access="write").begin() as connection:
        metadata.reflect(connection)
        inspector = sa.inspect(connection)
        for table in metadata.sorted_tables:
            if (
                table.name == "alembic_version"
                or connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            ):
                continue
            checks = [str(one["sqltext"]) for one in inspector.get_check_constraints(table.name)]
            _insert_sample(connection, table, checks)


def _insert_sample(connection: sa.Connection, table: sa.Table, checks: list[str]) -> None:
    full = {column.name: _sample(connection, column, checks) for column in table.columns}
    full = {name: value for name, value in full.items() if value is not _LEAVE_OUT}
    lean = {name: value for name, value in full.items() if not table.columns[name].nullable}
    for values in (full, lean):
        attempt = connection.begin_nested()
        try:
            connection.execute(table.insert().values(values))
        except sa.exc.IntegrityError:
            attempt.rollback()
        else:
            attempt.commit()
            return
    raise AssertionError(f"no sample row for {table.name} passes its checks: {checks}; teach _sample about them")


_LEAVE_OUT = object()


def _sample(connection: sa.Connection, column: sa.Column[Any], checks: list[str]) -> Any:
    """A value that the column takes: its parent's key, one of its choices, or something of its type."""
    for key in column.foreign_keys:
        if key.column.table is column.table:
            return None if column.nullable else _LEAVE_OUT
        return connection.execute(sa.select(key.column).limit(1)).scalar()
    if column.primary_key and column.name == "id":
        return _LEAVE_OUT
    for check in checks:
        choices = re.findall(r"'([^']*)'", check)
        if choices and re.search(rf'(?:^|[\s(])"?{re.escape(column.name)}"?[\s:)]', check):
            return choices[0]
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return False
    if isinstance(kind, sa.Numeric | sa.Integer | sa.Float):
        return 1
    if isinstance(kind, sa.DateTime):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=_order(column))
    if isinstance(kind, sa.Date):
        return date(2026, 1, 1) + timedelta(days=_order(column))
    if isinstance(kind, sa.JSON):
        return {}
    if isinstance(kind, sa.LargeBinary):
        return b"x"
    return "x"


def _order(column: sa.Column[Any]) -> int:
    """Later columns get later days, so that an end never lies before its start."""
    return list(column.table.columns).index(column)
