"""Contributions: commits whose author's date was absurd are known as such. Those read before this are not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0098"
down_revision = "0094"


def upgrade() -> None:
    """Add the column, and an index over the few."""
    op.add_column("commit", sa.Column("is_redated", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_commit_redated", "commit", ["day"], unique=False, sqlite_where=sa.text("is_redated = 1"),
                    postgresql_where=sa.text("is_redated"))  # fmt: skip
