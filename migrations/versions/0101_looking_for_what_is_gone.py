"""GitHub: how far the looks for what is gone are, beside how far each kind of thing is read."""

from __future__ import annotations

from alembic import op

revision = "0101"
down_revision = "0100"
KINDS = ("pulls", "issues", "lines", "releases", "pulls again", "issues again", "lines again")


def upgrade() -> None:
    """Allow three more words."""
    allowed = f"kind IN ({', '.join(repr(kind) for kind in KINDS)})"
    with op.batch_alter_table("github_stream") as batch:
        batch.drop_constraint(op.f("ck_github_stream_kind"), type_="check")
        batch.create_check_constraint(op.f("ck_github_stream_kind"), allowed)
