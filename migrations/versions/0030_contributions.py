"""Contributions: repositories, branches, commits and what they changed, trailers, and the rollup."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0030"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "contribution_derived",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("made_from", sa.String(length=200), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contribution_derived")),
        sa.UniqueConstraint("name", name=op.f("uq_contribution_derived_name")),
    )
    op.create_table(
        "repository",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("url", sa.String(length=1000), nullable=False),
        sa.Column("is_foundation", sa.Boolean(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "reading",
                "ready",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("default_branch", sa.String(length=500), nullable=True),
        sa.Column("head_sha", sa.String(length=64), nullable=True),
        sa.Column("ingested_sha", sa.String(length=64), nullable=True),
        sa.Column("has_line_counts", sa.Boolean(), nullable=False),
        sa.Column("fetched_at", UtcDateTime(), nullable=True),
        sa.Column("ingested_at", UtcDateTime(), nullable=True),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repository")),
        sa.UniqueConstraint("name", name=op.f("uq_repository_name")),
        sa.UniqueConstraint("public_id", name=op.f("uq_repository_public_id")),
        sa.UniqueConstraint("url", name=op.f("uq_repository_url")),
    )
    op.create_table(
        "branch",
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("head_sha", sa.String(length=64), nullable=False),
        sa.Column("is_protected", sa.Boolean(), nullable=False),
        sa.Column("moved_at", UtcDateTime(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_branch_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_branch")),
        sa.UniqueConstraint("repository_id", "name", name=op.f("uq_branch_repository_id_name")),
    )
    op.create_table(
        "commit",
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("author_identity_id", Key, nullable=False),
        sa.Column("committer_identity_id", Key, nullable=False),
        sa.Column("authored_at", UtcDateTime(), nullable=False),
        sa.Column("committed_at", UtcDateTime(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("pull_request", sa.BigInteger(), nullable=True),
        sa.Column("parents", sa.Text(), nullable=False),
        sa.Column("is_merge", sa.Boolean(), nullable=False),
        sa.Column("is_revert", sa.Boolean(), nullable=False),
        sa.Column("is_signed_off", sa.Boolean(), nullable=False),
        sa.Column("paths", sa.Integer(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=True),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["author_identity_id"], ["identity.id"], name=op.f("fk_commit_author_identity_id")),
        sa.ForeignKeyConstraint(
            ["committer_identity_id"], ["identity.id"], name=op.f("fk_commit_committer_identity_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commit")),
        sa.UniqueConstraint("sha", name=op.f("uq_commit_sha")),
    )
    op.create_index(op.f("ix_commit_author_identity_id"), "commit", ["author_identity_id"], unique=False)
    op.create_index(op.f("ix_commit_committed_at"), "commit", ["committed_at"], unique=False)

    op.create_table(
        "rollup",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("module_key", sa.String(length=100), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "commit",
                "merge",
                "bot",
                "co-authored",
                "assisted",
                "reviewed",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "attribution",
            sa.Enum(
                "organization",
                "independent",
                "unknown",
                name="attribution",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("organization_id", Key, nullable=True),
        sa.Column("person_id", Key, nullable=True),
        sa.Column("is_counted", sa.Boolean(), nullable=False),
        sa.Column("commits", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_rollup_organization_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_rollup_person_id")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_rollup_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollup")),
    )
    op.create_index(op.f("ix_rollup_module_key_day"), "rollup", ["module_key", "day"], unique=False)
    op.create_index(op.f("ix_rollup_organization_id_day"), "rollup", ["organization_id", "day"], unique=False)
    op.create_index(op.f("ix_rollup_person_id_day"), "rollup", ["person_id", "day"], unique=False)
    op.create_index(op.f("ix_rollup_repository_id_day"), "rollup", ["repository_id", "day"], unique=False)

    op.create_table(
        "rollup_due",
        sa.Column("repository_id", Key, nullable=True),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("person_id", Key, nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_rollup_due_person_id")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_rollup_due_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollup_due")),
    )
    op.create_table(
        "change_path",
        sa.Column("commit_id", Key, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=1), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=True),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["commit_id"], ["commit.id"], name=op.f("fk_change_path_commit_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_path")),
    )
    op.create_index(op.f("ix_change_path_commit_id"), "change_path", ["commit_id"], unique=False)

    op.create_table(
        "commit_module",
        sa.Column("commit_id", Key, nullable=False),
        sa.Column("module_key", sa.String(length=100), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["commit_id"], ["commit.id"], name=op.f("fk_commit_module_commit_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("commit_id", "module_key", name=op.f("pk_commit_module")),
    )
    op.create_index(op.f("ix_commit_module_module_key"), "commit_module", ["module_key"], unique=False)

    op.create_table(
        "commit_trailer",
        sa.Column("commit_id", Key, nullable=False),
        sa.Column(
            "key",
            sa.Enum(
                "co-authored-by",
                "signed-off-by",
                "reviewed-by",
                "approved-by",
                "acked-by",
                "tested-by",
                "reported-by",
                "assisted-by",
                "pull-request-resolved",
                "differential-revision",
                "reverts",
                name="key",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("value", sa.String(length=1000), nullable=False),
        sa.Column("identity_id", Key, nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["commit_id"], ["commit.id"], name=op.f("fk_commit_trailer_commit_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_commit_trailer_identity_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commit_trailer")),
    )
    op.create_index(op.f("ix_commit_trailer_commit_id"), "commit_trailer", ["commit_id"], unique=False)
    op.create_index(op.f("ix_commit_trailer_identity_id"), "commit_trailer", ["identity_id"], unique=False)

    op.create_table(
        "repository_commit",
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("commit_id", Key, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("is_counted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["commit_id"], ["commit.id"], name=op.f("fk_repository_commit_commit_id")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_repository_commit_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "commit_id", name=op.f("pk_repository_commit")),
    )
    op.create_index(
        "ix_repository_commit_counted",
        "repository_commit",
        ["commit_id"],
        unique=True,
        sqlite_where=sa.text("is_counted = 1"),
        postgresql_where=sa.text("is_counted"),
    )
    op.create_index(
        op.f("ix_repository_commit_repository_id_day"), "repository_commit", ["repository_id", "day"], unique=False
    )
