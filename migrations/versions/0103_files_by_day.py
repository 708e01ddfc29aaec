"""Contributions: the files that commits changed, by day, are read from an index."""

from __future__ import annotations

from alembic import op

revision = "0103"
down_revision = "0102"


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_commit_day_files", "commit", ["day", "author_identity_id", "paths", "id"], unique=False)
