"""Reviews: changes, their commits and paths, and what people said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0070"
down_revision = "0030"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "change",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("repository_id", Key, nullable=False),
        sa.Column(
            "source_kind",
            sa.Enum("branch", "pull_request", name="source_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("source_ref", sa.String(length=1000), nullable=False),
        sa.Column("base_sha", sa.String(length=64), nullable=False),
        sa.Column("head_sha", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("author_name", sa.String(length=500), nullable=False),
        sa.Column("author_email", sa.String(length=500), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "merged", "closed", name="state", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("additions", sa.Integer(), nullable=False),
        sa.Column("deletions", sa.Integer(), nullable=False),
        sa.Column("too_long", sa.String(length=500), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_change_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change")),
        sa.UniqueConstraint("public_id", name=op.f("uq_change_public_id")),
        sa.UniqueConstraint(
            "repository_id", "source_kind", "source_ref", name=op.f("uq_change_repository_id_source_kind_source_ref")
        ),
    )
    op.create_index(op.f("ix_change_repository_id"), "change", ["repository_id"], unique=False)
    op.create_index(op.f("ix_change_state"), "change", ["state"], unique=False)
    op.create_table(
        "change_commit",
        sa.Column("change_id", Key, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("author_name", sa.String(length=500), nullable=False),
        sa.Column("author_email", sa.String(length=500), nullable=False),
        sa.Column("authored_at", UtcDateTime(), nullable=False),
        sa.Column("missing_sign_offs", sa.JSON(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["change.id"], name=op.f("fk_change_commit_change_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_commit")),
        sa.UniqueConstraint("change_id", "position", name=op.f("uq_change_commit_change_id_position")),
    )
    op.create_table(
        "change_file",
        sa.Column("change_id", Key, nullable=False),
        sa.Column("path", sa.String(length=4096), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["change.id"], name=op.f("fk_change_file_change_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_file")),
    )
    op.create_index(op.f("ix_change_file_change_id"), "change_file", ["change_id"], unique=False)
    op.create_table(
        "review",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("change_id", Key, nullable=False),
        sa.Column("head_sha", sa.String(length=64), nullable=False),
        sa.Column("person_id", Key, nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "approve",
                "request_changes",
                "comment",
                name="verdict",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("path", sa.String(length=4096), nullable=True),
        sa.Column(
            "side",
            sa.Enum("old", "new", name="side", native_enum=False, create_constraint=True, length=40),
            nullable=True,
        ),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("said_at", UtcDateTime(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["change_id"], ["change.id"], name=op.f("fk_review_change_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_review_person_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sa.UniqueConstraint("public_id", name=op.f("uq_review_public_id")),
    )
    op.create_index(op.f("ix_review_change_id"), "review", ["change_id"], unique=False)
    op.create_index(op.f("ix_review_person_id"), "review", ["person_id"], unique=False)
