"""Reviews: the queue's two lists are looked up, not sorted."""

from __future__ import annotations

from alembic import op

revision = "0097"
down_revision = "0090"


def upgrade() -> None:
    """Make the indexes."""
    op.drop_index("ix_change_state", "change")
    op.create_index(op.f("ix_change_state_updated_at_id"), "change", ["state", "updated_at", "id"], unique=False)
    op.create_index(op.f("ix_change_closed_at_id"), "change", ["closed_at", "id"], unique=False)
