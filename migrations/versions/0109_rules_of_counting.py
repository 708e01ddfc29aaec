"""Contributions: by which rules of counting a repository's figures were counted; those that stand are of the first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0109"
down_revision = "0108"


def upgrade() -> None:
    """One column: what is older than the rules of now is counted anew in the background."""
    op.add_column("repository", sa.Column("counted_by", sa.Integer(), server_default="1", nullable=False))
