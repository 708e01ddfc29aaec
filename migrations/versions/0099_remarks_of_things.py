"""People: a reader's remark may be about a module or a repository."""

from __future__ import annotations

from alembic import op

revision = "0099"
down_revision = "0098"
ABOUT = ("person", "identity", "employer", "organization", "domain", "figure", "module", "repository")


def upgrade() -> None:
    """Allow two more words; "figure" is offered no longer and stays allowed, since rows may hold it."""
    allowed = f"about IN ({', '.join(repr(about) for about in ABOUT)})"
    with op.batch_alter_table("remark") as batch:
        batch.drop_constraint(op.f("ck_remark_about"), type_="check")
        batch.create_check_constraint(op.f("ck_remark_about"), allowed)
