"""Members: where an organization is written to, and what its representatives propose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0080"
down_revision = "0051"


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("organization", sa.Column("contact", sa.String(length=320), nullable=False, server_default=""))
    op.create_table(
        "member_proposal",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("organization_id", Key, nullable=False),
        sa.Column("person_id", Key, nullable=True),
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("proposed_at", UtcDateTime(), nullable=False),
        sa.Column("proposed_by", sa.String(length=100), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "accepted",
                "refused",
                "withdrawn",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=100), nullable=True),
        sa.Column("decided_reason", sa.String(length=1000), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(domain = '') = (person_id IS NOT NULL)", name=op.f("ck_member_proposal_domain_or_person")),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name=op.f("ck_member_proposal_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_member_proposal_organization_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_member_proposal_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_proposal")),
        sa.UniqueConstraint("public_id", name=op.f("uq_member_proposal_public_id")),
    )
    op.create_index(op.f("ix_member_proposal_organization_id"), "member_proposal", ["organization_id"])
    op.create_index(op.f("ix_member_proposal_person_id"), "member_proposal", ["person_id"])
