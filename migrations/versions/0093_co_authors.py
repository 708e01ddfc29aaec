"""Reviews: whom the commits of a change name as co-authors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0093"
down_revision = "0096"


def upgrade() -> None:
    """Add the column; changes that are open take their co-authors at their next reading."""
    op.add_column("change_commit", sa.Column("co_authors", sa.JSON(), nullable=False, server_default="[]"))
