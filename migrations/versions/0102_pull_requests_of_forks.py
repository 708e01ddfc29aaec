"""Contributions: for which head of a pull request from a fork its repository was asked last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0102"
down_revision = "0101"


def upgrade() -> None:
    """One column, empty: those that are open are asked for within minutes."""
    op.add_column("change", sa.Column("asked_sha", sa.String(64), server_default="", nullable=False))
