"""Contributions: lines are counted after commits; who may name an address; which head is being read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key

revision = "0031"
down_revision = "0012"


def upgrade() -> None:
    """Add the table of what is still to be counted, and three columns; days without lines are counted anew."""
    op.create_table(
        "line_count_due",
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("commit_id", Key, nullable=False),
        sa.ForeignKeyConstraint(["commit_id"], ["commit.id"], name=op.f("fk_line_count_due_commit_id")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_line_count_due_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "commit_id", name=op.f("pk_line_count_due")),
    )
    op.add_column("rollup", sa.Column("without_lines", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("repository", sa.Column("reading_sha", sa.String(length=64), nullable=True))
    # SQLite adds a column with its CHECK, but no CHECK to a table.
    op.execute(
        "ALTER TABLE repository ADD COLUMN reach VARCHAR(40) DEFAULT 'anywhere' NOT NULL"
        " CONSTRAINT ck_repository_reach CHECK (reach IN ('anywhere', 'public'))"
    )
    op.execute(
        "INSERT INTO rollup_due (repository_id, day) SELECT DISTINCT held.repository_id, held.day"
        ' FROM repository_commit held JOIN "commit" c ON c.id = held.commit_id WHERE c.added IS NULL'
    )
