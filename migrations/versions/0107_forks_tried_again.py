"""Reviews: pull requests from forks that could not be read just now, and when they are tried again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0107"
down_revision = "0106"

_CHANGE = sa.table("change", sa.column("asked_sha", sa.String), sa.column("too_long", sa.String))


def upgrade() -> None:
    """A table of its own, in which few stand at any time; what one failure had marked counts as not asked for."""
    op.create_table(
        "fork_retry",
        sa.Column("change_id", Key, autoincrement=False, nullable=False),
        sa.Column("head_sha", sa.String(64), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("again_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["change_id"], ["change.id"], name=op.f("fk_fork_retry_change_id_change"),
                                ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_fork_retry")),
    )  # fmt: skip
    unread = "its commits cannot be read; the log of the job that read forks says why"
    op.execute(sa.update(_CHANGE).where(_CHANGE.c.too_long == unread).values(asked_sha="", too_long=""))
