"""How new the tables are: which migrations there are, what a database lacks of them, and the sentence that says so."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import click
import sqlalchemy as sa
from alembic.config import Config

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
# PostgreSQL's "undefined table" and "undefined column"; SQLite has words alone.
_LACKING = ("42P01", "42703")
_LACKING_WORDS = ("no such table", "no such column", "has no column named")


class BehindError(click.ClickException):
    """The database lacks tables or columns that this program needs. A command ends with the sentence and status 1."""


def alembic_config(connection: sa.Connection | None = None) -> Config:
    """Alembic's settings for our migrations, on a connection that is already open."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@cache
def newest() -> str:
    """The number of the last migration that this program has, as their files have it."""
    return max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def behind(engine: sa.Engine) -> str:
    """What a database lacks, with the way out; "" where it has all, or is newer than this program."""
    with engine.connect() as connection:
        has = sa.inspect(connection).has_table("alembic_version")
        found = connection.scalar(sa.text("SELECT max(version_num) FROM alembic_version")) if has else None
    where = engine.url.render_as_string(hide_password=True)
    if found is None:
        return f"the database {where} has no tables yet; make them: flask db upgrade"
    if found < newest():
        return (f"the tables of {where} are at migration {found} and this program needs {newest()}; "
                "bring them up to date: flask db upgrade")  # fmt: skip
    return ""


def tell_where_behind(engine: sa.Engine) -> None:
    """Have an engine say that its database is behind, where a table or column is missing for that reason.

    Not what a migration lacks itself (`flambeau_upgrades` among a connection's options): that is a fault of ours.
    """

    @sa.event.listens_for(engine, "handle_error")
    def look(context: sa.engine.ExceptionContext) -> None:
        if context.connection is not None and context.connection.get_execution_options().get("flambeau_upgrades"):
            return
        error = context.original_exception
        is_lacking = getattr(error, "sqlstate", None) in _LACKING or any(one in str(error) for one in _LACKING_WORDS)
        if is_lacking and (sentence := behind(engine)):
            raise BehindError(sentence)
