"""Contributions: stamps of writing, by which answers that are kept in memory know that they are old."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key

revision = "0034"
down_revision = "0031"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "figure_stamp",
        sa.Column("by_people", sa.Boolean(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_figure_stamp")),
        sqlite_autoincrement=True,
    )
