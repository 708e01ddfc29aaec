"""Contributions: what the page of a person asks of commits and changes is read from indexes alone."""

from __future__ import annotations

from alembic import op

revision = "0111"
down_revision = "0110"


def upgrade() -> None:
    """Commits of an author by day instead of in any order, and changes of a person by when they were closed."""
    op.drop_index("ix_commit_author_identity_id", "commit")
    op.create_index("ix_commit_author_day", "commit", ("author_identity_id", "day", "paths", "id"))
    op.drop_index("ix_change_reviewer_day", "change_reviewer")
    op.create_index("ix_change_reviewer_begun", "change_reviewer",
                    ("first_on", "person_id", "organization_id", "attribution", "repository_id",
                     "change_id"))  # fmt: skip
    op.create_index("ix_change_measure_author_closed", "change_measure",
                    ("person_id", "closed_on", "is_bot", "merged_on", "reviewers", "opened_on",
                     "change_id"))  # fmt: skip
