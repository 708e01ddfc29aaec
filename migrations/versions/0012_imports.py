"""Imports: files of affiliations that were given, what they made, and whom they name as keepers of modules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0012"
down_revision = "0033"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "import",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "gitdm-map",
                "gitdm-aliases",
                "gitdm-group",
                "cncf-affiliations",
                "stackalytics",
                "mailmap",
                "codeowners",
                "owners",
                "landscape",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("organization", sa.String(length=200), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("draft", "applied", "undone", name="state", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("given_at", UtcDateTime(), nullable=False),
        sa.Column("given_by", sa.String(length=100), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("undone_at", UtcDateTime(), nullable=True),
        sa.Column("undone_by", sa.String(length=100), nullable=True),
        sa.Column("undone_reason", sa.String(length=1000), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import")),
        sa.UniqueConstraint("public_id", name=op.f("uq_import_public_id")),
    )
    op.create_table(
        "import_made",
        sa.Column("import_id", Key, nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["import.id"], name=op.f("fk_import_made_import_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_made")),
    )
    op.create_index(op.f("ix_import_made_import_id"), "import_made", ["import_id"])

    op.create_table(
        "module_keeper",
        sa.Column("import_id", Key, nullable=False),
        sa.Column("module_key", sa.String(length=60), nullable=False),
        sa.Column("identity_id", Key, nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("path", sa.String(length=300), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_module_keeper_identity_id")),
        sa.ForeignKeyConstraint(["import_id"], ["import.id"], name=op.f("fk_module_keeper_import_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_module_keeper")),
        sa.UniqueConstraint(
            "import_id",
            "module_key",
            "identity_id",
            "role",
            name=op.f("uq_module_keeper_import_id_module_key_identity_id_role"),
        ),
    )
    op.create_index(op.f("ix_module_keeper_identity_id"), "module_keeper", ["identity_id"])
    op.create_index(op.f("ix_module_keeper_import_id"), "module_keeper", ["import_id"])
    op.create_index(op.f("ix_module_keeper_module_key"), "module_keeper", ["module_key"])
