"""GitHub: what webhooks brought, the numbers to be read again, and facts that their source took back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0092"
down_revision = "0035"

_STATES = sa.Enum(
    "received", "handled", "waiting", "failed", name="state", native_enum=False, create_constraint=True, length=40
)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "gone_fact",
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("mark", sa.String(length=300), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gone_fact")),
        sa.UniqueConstraint("source", "mark", name=op.f("uq_gone_fact_source_mark")),
    )
    op.create_table(
        "github_number_due",
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("because", sa.String(length=100), nullable=False, server_default=""),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_github_number_due_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_github_number_due")),
        sa.UniqueConstraint("repository_id", "number", name=op.f("uq_github_number_due_repository_id_number")),
    )
    op.create_table(
        "github_delivery",
        sa.Column("guid", sa.String(length=100), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("state", _STATES, nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False, server_default=""),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("handled_at", UtcDateTime(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_github_delivery_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_github_delivery")),
        sa.UniqueConstraint("guid", name=op.f("uq_github_delivery_guid")),
        sa.UniqueConstraint("body_sha256", name=op.f("uq_github_delivery_body_sha256")),
    )
    op.create_index(op.f("ix_github_delivery_handled_at"), "github_delivery", ["handled_at"])
    op.create_index(op.f("ix_github_delivery_repository_id"), "github_delivery", ["repository_id"])
    op.create_index(op.f("ix_github_delivery_state_id"), "github_delivery", ["state", "id"])
