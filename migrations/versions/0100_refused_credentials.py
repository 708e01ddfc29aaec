"""GitHub: with which credentials a repository could not be read, so that others are tried by themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0100"
down_revision = "0099"


def upgrade() -> None:
    """One column; what needs somebody already goes on when they ask for it."""
    with op.batch_alter_table("github_connection") as batch:
        batch.add_column(sa.Column("refused", sa.String(32), server_default="", nullable=False))
