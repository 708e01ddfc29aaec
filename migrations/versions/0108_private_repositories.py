"""Contributions: since when a repository is private at its source; what was found of it is indexed anew then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import UtcDateTime

revision = "0108"
down_revision = "0107"

_NAME = "search_repository_private"
_OF_REPOSITORY = " ".join(
    f'INSERT INTO search_due (kind, ref) SELECT {kind}, id FROM "{table}" WHERE repository_id = NEW.id;'  # noqa: S608 - our tables
    for kind, table in ((6, "change"), (7, "issue"))
)


def upgrade() -> None:
    """One column, empty, and a trigger on it: whoever was private before is told of with the next reading."""
    op.add_column("repository", sa.Column("private_since", UtcDateTime(), nullable=True))
    when = f'{_NAME} AFTER UPDATE OF private_since ON "repository"'
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE TRIGGER {when} WHEN OLD.private_since IS NOT NEW.private_since BEGIN {_OF_REPOSITORY} END")
        return
    op.execute(f"CREATE FUNCTION {_NAME}() RETURNS trigger LANGUAGE plpgsql AS $$ "
               f"BEGIN {_OF_REPOSITORY} RETURN NULL; END $$")  # fmt: skip
    op.execute(f"CREATE TRIGGER {when} FOR EACH ROW WHEN (OLD.private_since IS DISTINCT FROM NEW.private_since) "
               f"EXECUTE FUNCTION {_NAME}()")  # fmt: skip
