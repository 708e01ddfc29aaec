"""Contributions: what is open, and which commits and changes touch a module, are read from indexes alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0105"
down_revision = "0104"
OPEN = ("closed_on", "is_bot", "is_answered", "starts_at", "opened_on", "waited_s", "opened_at", "repository_id",
        "person_id", "attribution", "organization_id", "tier_key", "is_first")  # fmt: skip
TOUCHED = (("commit_module", "commit_id"), ("change_module", "change_id"))


def upgrade() -> None:
    """Add the indexes; those of a module's key alone are beginnings of new ones."""
    is_open = sa.text("closed_on IS NULL")
    for table in ("change_measure", "issue_measure"):
        op.create_index(f"ix_{table}_open", table, OPEN, sqlite_where=is_open, postgresql_where=is_open)
    for table, number in TOUCHED:
        op.create_index(f"ix_{table}_touched", table, ["module_key", number])
        op.drop_index(f"ix_{table}_module_key", table)
