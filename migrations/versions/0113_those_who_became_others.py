"""People: who became whom is found without looking at everybody who became nobody."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0113"
down_revision = "0112"


def upgrade() -> None:
    """SQLite's statistics of an index over mostly nothing say that it finds everybody, so that it was not used."""
    op.drop_index("ix_person_merged_into_id", "person")
    became = sa.text("merged_into_id IS NOT NULL")
    op.create_index("ix_person_merged_into_id", "person", ["merged_into_id"],
                    sqlite_where=became, postgresql_where=became)  # fmt: skip
