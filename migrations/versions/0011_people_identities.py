"""People: proposals, what figures rest on, readers' remarks, parts of employment, and two more kinds of decision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0011"
down_revision = "0080"
KINDS = ("same-as", "not-same-as", "bot", "landing-bot-for", "assistance", "person", "postpone", "undo")


def upgrade() -> None:
    """Make the tables and columns; the log of decisions keeps its rows and its triggers."""
    op.create_table(
        "remark",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column(
            "about",
            sa.Enum(
                "person",
                "identity",
                "employer",
                "organization",
                "domain",
                "figure",
                name="about",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("thing", sa.String(length=100), nullable=False),
        sa.Column("page", sa.String(length=500), nullable=False),
        sa.Column("text", sa.String(length=2000), nullable=False),
        sa.Column("said_by", sa.String(length=40), nullable=False),
        sa.Column("said_at", UtcDateTime(), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.Column("settled_by", sa.String(length=100), nullable=True),
        sa.Column("answer", sa.String(length=1000), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remark")),
        sa.UniqueConstraint("public_id", name=op.f("uq_remark_public_id")),
    )
    op.create_index(op.f("ix_remark_sender"), "remark", ["sender"])

    op.create_table(
        "resolution",
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("identities", sa.Integer(), nullable=False),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("last_decision", sa.String(length=40), nullable=False),
        sa.Column("statements", sa.Integer(), nullable=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("entry_hash", sa.String(length=64), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolution")),
    )
    op.create_table(
        "identity_proposal",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("same-as", "bot", "assistance", name="kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("identity_id", Key, nullable=False),
        sa.Column("other_id", Key, nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.Column("one_person_id", Key, nullable=True),
        sa.Column("other_person_id", Key, nullable=True),
        sa.Column("commits", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("postponed_until", sa.Date(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_identity_proposal_identity_id")),
        sa.ForeignKeyConstraint(["one_person_id"], ["person.id"], name=op.f("fk_identity_proposal_one_person_id")),
        sa.ForeignKeyConstraint(["other_id"], ["identity.id"], name=op.f("fk_identity_proposal_other_id")),
        sa.ForeignKeyConstraint(["other_person_id"], ["person.id"], name=op.f("fk_identity_proposal_other_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_proposal")),
        sa.UniqueConstraint(
            "kind", "identity_id", "other_id", name=op.f("uq_identity_proposal_kind_identity_id_other_id")
        ),
        sa.UniqueConstraint("public_id", name=op.f("uq_identity_proposal_public_id")),
    )
    op.create_index(op.f("ix_identity_proposal_identity_id"), "identity_proposal", ["identity_id"])
    op.create_index(op.f("ix_identity_proposal_is_open_commits"), "identity_proposal", ["is_open", "commits"])
    op.create_index(op.f("ix_identity_proposal_one_person_id"), "identity_proposal", ["one_person_id"])
    op.create_index(op.f("ix_identity_proposal_other_id"), "identity_proposal", ["other_id"])
    op.create_index(op.f("ix_identity_proposal_other_person_id"), "identity_proposal", ["other_person_id"])

    op.create_table(
        "side_employment",
        sa.Column("person_id", Key, nullable=False),
        sa.Column("organization_id", Key, nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column(
            "source",
            sa.Enum(
                "self",
                "staff",
                "document",
                "import",
                "email-domain",
                name="source",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_side_employment_organization_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_side_employment_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_side_employment")),
    )
    op.create_index(op.f("ix_side_employment_organization_id"), "side_employment", ["organization_id"])
    op.create_index(op.f("ix_side_employment_person_id"), "side_employment", ["person_id"])
    op.add_column("affiliation", sa.Column("is_part", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("affiliation", sa.Column("batch", sa.String(length=40), nullable=True))
    op.create_index(op.f("ix_affiliation_batch"), "affiliation", ["batch"])
    _allow_more_decisions()


def _allow_more_decisions() -> None:
    allowed = f"kind IN ({', '.join(repr(kind) for kind in KINDS)})"
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_identity_decision_kind"), "identity_decision", type_="check")
        op.create_check_constraint(op.f("ck_identity_decision_kind"), "identity_decision", allowed)
        return
    connection = op.get_bind()
    triggers = connection.execute(
        sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'identity_decision'")
    ).all()
    for name, _sql in triggers:
        op.execute(f'DROP TRIGGER "{name}"')
    with op.batch_alter_table("identity_decision") as batch:
        batch.drop_constraint(op.f("ck_identity_decision_kind"), type_="check")
        batch.create_check_constraint(op.f("ck_identity_decision_kind"), allowed)
    for _name, sql in triggers:
        op.execute(sql)
