"""Contributions: indexes that hold all that sums over everything ask of a row."""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0004"

_WAITED = ["opened_on", "is_bot", "attribution", "tier_key", "is_first", "is_answered", "waited_step", "lasted_step"]
_SUMS = ["module_key", "day", "is_counted", "kind", "organization_id", "attribution", "person_id", "commits", "added",
         "deleted", "without_lines"]  # fmt: skip


_LASTED = {
    "change_measure": ["merged_on", "lasted_step", "reviewers", "opened_on"],
    "issue_measure": ["lasted_step", "opened_on"],
}


def upgrade() -> None:
    """Make them in the place of narrower ones."""
    for table in ("change_measure", "issue_measure"):
        op.drop_index(f"ix_{table}_waited", table)
        op.create_index(f"ix_{table}_waited", table, _WAITED, unique=False)
        op.drop_index(f"ix_{table}_lasted", table)
        first = ["closed_on", "is_bot", "attribution", "tier_key", "is_first"]
        op.create_index(f"ix_{table}_lasted", table, [*first, *_LASTED[table]], unique=False)
    op.drop_index("ix_change_reviewer_day", "change_reviewer")
    names = ["first_on", "person_id", "organization_id", "attribution", "repository_id"]
    op.create_index("ix_change_reviewer_day", "change_reviewer", names, unique=False)
    op.drop_index("ix_rollup_module_key_day", "rollup")
    op.create_index("ix_rollup_sums", "rollup", _SUMS, unique=False)
