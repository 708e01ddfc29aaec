"""Search: the index of words, and triggers that say what must be indexed anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key

revision = "0094"
down_revision = "0097"

_WORD = sa.String(length=48).with_variant(sa.String(length=48, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables and the triggers; all that is there is due."""
    op.create_table(
        "search_entry",
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("ref", Key, autoincrement=False, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "ref", name=op.f("pk_search_entry")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_term",
        sa.Column("text", _WORD, nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_term")),
        sa.UniqueConstraint("text", name=op.f("uq_search_term_text")),
    )
    op.create_table(
        "search_gram",
        sa.Column("gram", sa.String(length=3), nullable=False),
        sa.Column("term_id", Key, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("gram", "term_id", name=op.f("pk_search_gram")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_posting",
        sa.Column("term_id", Key, autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("rank", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ref", Key, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("term_id", "kind", "rank", "ref", name=op.f("pk_search_posting")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_due",
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("ref", sa.BigInteger(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_due")),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, kind, ref, columns in _WATCHED:
        statements = _sqlite(table, kind, ref, columns) if is_sqlite else _postgresql(table, kind, ref, columns)
        for statement in statements:
            op.execute(statement)
        if ref == "id":
            op.execute(f'INSERT INTO search_due (kind, ref) SELECT {kind}, id FROM "{table}"')  # noqa: S608 - our tables


# Whose words are found: (table, number of the kind, which column names the thing, columns whose change matters).
_WATCHED = (
    ("person", 1, "id", ("name", "hidden_at", "merged_into_id")),
    ("identity_person", 1, "person_id", ("person_id",)),
    ("organization", 2, "id", ("name",)),
    ("organization_domain", 2, "organization_id", ("domain", "organization_id")),
    ("module", 3, "id", ("key", "name", "summary", "position", "retired_on")),
    ("repository", 4, "id", ("name",)),
    ("release", 5, "id", ("project", "version")),
    ("change", 6, "id", ("title", "number", "source_ref", "opened_at", "repository_id")),
)


# A change is found by its repository's name, too.
_MORE = {"repository": 'INSERT INTO search_due (kind, ref) SELECT 6, id FROM "change" WHERE repository_id = NEW.id;'}


def _sqlite(table: str, kind: int, ref: str, columns: tuple[str, ...]) -> list[str]:
    due = "INSERT INTO search_due (kind, ref) VALUES"
    named = ", ".join(f'"{column}"' for column in columns)
    differ = " OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in columns)
    both = f", ({kind}, OLD.{ref})" if ref != "id" else ""
    return [
        f'CREATE TRIGGER search_{table}_made AFTER INSERT ON "{table}" BEGIN {due} ({kind}, NEW.{ref}); END',
        f'CREATE TRIGGER search_{table}_changed AFTER UPDATE OF {named} ON "{table}" WHEN {differ} '
        f"BEGIN {due} ({kind}, NEW.{ref}){both}; {_MORE.get(table, '')} END",
        f'CREATE TRIGGER search_{table}_gone AFTER DELETE ON "{table}" BEGIN {due} ({kind}, OLD.{ref}); END',
    ]


def _postgresql(table: str, kind: int, ref: str, columns: tuple[str, ...]) -> list[str]:
    due = "INSERT INTO search_due (kind, ref) VALUES"
    named = ", ".join(f'"{column}"' for column in columns)
    differ = " OR ".join(f'OLD."{column}" IS DISTINCT FROM NEW."{column}"' for column in columns)
    both = f", ({kind}, OLD.{ref})" if ref != "id" else ""
    return [
        f"CREATE FUNCTION search_{table}_due() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'INSERT' THEN {due} ({kind}, NEW.{ref}); "
        f"ELSIF TG_OP = 'UPDATE' THEN {due} ({kind}, NEW.{ref}){both}; {_MORE.get(table, '')} "
        f"ELSE {due} ({kind}, OLD.{ref}); END IF; RETURN NULL; END $$",
        f'CREATE TRIGGER search_{table}_made AFTER INSERT OR DELETE ON "{table}" '
        f"FOR EACH ROW EXECUTE FUNCTION search_{table}_due()",
        f'CREATE TRIGGER search_{table}_changed AFTER UPDATE OF {named} ON "{table}" '
        f"FOR EACH ROW WHEN ({differ}) EXECUTE FUNCTION search_{table}_due()",
    ]
