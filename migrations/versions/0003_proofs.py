"""People: logins and addresses that persons proved to be theirs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0003"
down_revision = "0034"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "proof",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", Key, nullable=False),
        sa.Column("identity_id", Key, nullable=False),
        sa.Column(
            "kind",
            sa.Enum("login", "address", name="kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("issuer", sa.String(length=300), nullable=False),
        sa.Column("subject", sa.String(length=320), nullable=False),
        sa.Column("shown", sa.String(length=320), nullable=False),
        sa.Column("proved_by", sa.String(length=300), nullable=False),
        sa.Column("proved_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=False),
        sa.Column("contested_at", UtcDateTime(), nullable=True),
        sa.Column("released_at", UtcDateTime(), nullable=True),
        sa.Column("released_by", sa.String(length=100), nullable=True),
        sa.Column("released_reason", sa.String(length=1000), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_proof_identity_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_proof_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proof")),
        sa.UniqueConstraint("public_id", name=op.f("uq_proof_public_id")),
    )
    op.create_index(op.f("ix_proof_identity_id"), "proof", ["identity_id"])
    op.create_index(op.f("ix_proof_person_id"), "proof", ["person_id"])
    in_force = sa.text("released_at IS NULL AND contested_at IS NULL")
    op.create_index(
        "uq_proof_in_force",
        "proof",
        ["kind", "issuer", "subject"],
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )
