"""Contributions: what pages of organizations ask of changes and reviews is read from indexes alone."""

from __future__ import annotations

from alembic import op

revision = "0110"
down_revision = "0109"
REPLACED = {
    "ix_change_measure_lasted": (
        "ix_change_measure_lasted", ("closed_on", "is_bot", "merged_on", "reviewers", "attribution", "tier_key",
                                     "is_first", "lasted_step", "opened_on")),
    "ix_change_measure_organization_id_opened_on": (
        "ix_change_measure_employer_opened", ("organization_id", "opened_on", "is_bot", "attribution", "tier_key",
                                              "is_answered", "waited_s", "waited_step", "change_id")),
    "ix_change_measure_organization_id_closed_on": (
        "ix_change_measure_employer_closed", ("organization_id", "closed_on", "is_bot", "merged_on", "reviewers")),
}  # fmt: skip


def upgrade() -> None:
    """Make the indexes anew with all that is asked, in the order in which it is counted."""
    for old, (name, columns) in REPLACED.items():
        op.drop_index(old, "change_measure")
        op.create_index(name, "change_measure", columns)
    op.create_index("ix_change_reviewer_received", "change_reviewer",
                    ("change_id", "first_on", "organization_id", "attribution", "person_id"))  # fmt: skip
