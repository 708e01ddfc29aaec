"""GitHub: which repository is which there, and how far each kind of thing is read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0090"
down_revision = "0093"

_KINDS = sa.Enum(
    "pulls", "issues", "lines", "releases", name="kind", native_enum=False, create_constraint=True, length=40
)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "github_connection",
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("full_name", sa.String(length=200), nullable=False),
        sa.Column("github_number", sa.BigInteger(), nullable=True),
        sa.Column("etag", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("problem", sa.String(length=1000), nullable=False, server_default=""),
        sa.Column("connected_at", UtcDateTime(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=True),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_github_connection_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_github_connection")),
        sa.UniqueConstraint("repository_id", name=op.f("uq_github_connection_repository_id")),
        sa.UniqueConstraint("full_name", name=op.f("uq_github_connection_full_name")),
        sa.UniqueConstraint("github_number", name=op.f("uq_github_connection_github_number")),
    )
    op.create_table(
        "github_stream",
        sa.Column("connection_id", Key, nullable=False),
        sa.Column("kind", _KINDS, nullable=False),
        sa.Column("since", UtcDateTime(), nullable=True),
        sa.Column("etag", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("begun_at", UtcDateTime(), nullable=True),
        sa.Column("cursor", sa.String(length=1000), nullable=False, server_default=""),
        sa.Column("newest", UtcDateTime(), nullable=True),
        sa.Column("next_etag", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("page_size", sa.Integer(), nullable=False, server_default="100"),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("seen", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("total", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["github_connection.id"],
            name=op.f("fk_github_stream_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_github_stream")),
        sa.UniqueConstraint("connection_id", "kind", name=op.f("uq_github_stream_connection_id_kind")),
    )
