"""Contributions: when each stamp of writing was made, so that it is known since when an answer lacks something."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0112"
down_revision = "0111"


def upgrade() -> None:
    """Stamps so far have 0: long ago."""
    op.add_column("figure_stamp", sa.Column("at_us", sa.BigInteger(), nullable=False, server_default="0"))
