"""People, members, bodies and modules, and versions of governance/; identities and decisions only ever grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0010"
down_revision = "0050"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "body",
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "board",
                "council",
                "administration",
                "working_group",
                "module",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "nature",
            sa.Enum(
                "business",
                "technical",
                "administration",
                name="nature",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("summary", sa.String(length=500), nullable=False),
        sa.Column("clause", sa.String(length=20), nullable=False),
        sa.Column("module_key", sa.String(length=60), nullable=True),
        sa.Column("employer_cap", sa.Integer(), nullable=True),
        sa.Column("related_cap", sa.Integer(), nullable=True),
        sa.Column("quorum_rule", sa.String(length=60), nullable=True),
        sa.Column("motion_rule", sa.String(length=60), nullable=True),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_body")),
        sa.UniqueConstraint("key", name=op.f("uq_body_key")),
        sa.UniqueConstraint("module_key", name=op.f("uq_body_module_key")),
    )
    op.create_table(
        "governance_version",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("synced_at", UtcDateTime(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_governance_version")),
    )
    op.create_index(op.f("ix_governance_version_sha256"), "governance_version", ["sha256"])

    op.create_table(
        "identity",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=1000), nullable=False),
        sa.Column("email", sa.String(length=1000), nullable=False),
        sa.Column("login", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_identity_fingerprint")),
        sa.UniqueConstraint("public_id", name=op.f("uq_identity_public_id")),
    )
    op.create_index(op.f("ix_identity_address"), "identity", ["address"])

    op.create_table(
        "module",
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("summary", sa.String(length=500), nullable=False),
        sa.Column("paths", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_module")),
        sa.UniqueConstraint("key", name=op.f("uq_module_key")),
    )
    op.create_table(
        "organization",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "company",
                "university",
                "nonprofit",
                "government",
                "project",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("parent_id", Key, nullable=True),
        sa.Column("website", sa.String(length=300), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["organization.id"], name=op.f("fk_organization_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
        sa.UniqueConstraint("name", name=op.f("uq_organization_name")),
        sa.UniqueConstraint("public_id", name=op.f("uq_organization_public_id")),
        sa.UniqueConstraint("slug", name=op.f("uq_organization_slug")),
    )
    op.create_index(op.f("ix_organization_parent_id"), "organization", ["parent_id"])

    op.create_table(
        "person",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("claimed_at", UtcDateTime(), nullable=True),
        sa.Column("hidden_at", UtcDateTime(), nullable=True),
        sa.Column("merged_into_id", Key, nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["merged_into_id"], ["person.id"], name=op.f("fk_person_merged_into_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("public_id", name=op.f("uq_person_public_id")),
    )
    op.create_index(op.f("ix_person_merged_into_id"), "person", ["merged_into_id"])

    op.create_table(
        "affiliation",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", Key, nullable=False),
        sa.Column("organization_id", Key, nullable=True),
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
        sa.Column("stated_at", UtcDateTime(), nullable=False),
        sa.Column("stated_by", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("withdrawn_at", UtcDateTime(), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=100), nullable=True),
        sa.Column("withdrawn_reason", sa.String(length=1000), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.CheckConstraint("confidence BETWEEN 0 AND 100", name=op.f("ck_affiliation_confidence_percent")),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name=op.f("ck_affiliation_ends_after_start")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_affiliation_organization_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_affiliation_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_affiliation")),
        sa.UniqueConstraint("public_id", name=op.f("uq_affiliation_public_id")),
    )
    op.create_index(op.f("ix_affiliation_organization_id"), "affiliation", ["organization_id"])
    op.create_index(op.f("ix_affiliation_person_id"), "affiliation", ["person_id"])

    op.create_table(
        "employment",
        sa.Column("person_id", Key, nullable=False),
        sa.Column("organization_id", Key, nullable=True),
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
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_employment_organization_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_employment_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_employment")),
        sa.UniqueConstraint("person_id", "starts_on", name=op.f("uq_employment_person_id_starts_on")),
    )
    op.create_index(op.f("ix_employment_organization_id"), "employment", ["organization_id"])
    op.create_index(op.f("ix_employment_person_id"), "employment", ["person_id"])

    op.create_table(
        "identity_activity",
        sa.Column("identity_id", Key, autoincrement=False, nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("last_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_identity_activity_identity_id")),
        sa.PrimaryKeyConstraint("identity_id", name=op.f("pk_identity_activity")),
    )
    op.create_table(
        "identity_decision",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "same-as",
                "not-same-as",
                "bot",
                "landing-bot-for",
                "assistance",
                "undo",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("identity_id", Key, nullable=False),
        sa.Column("other_id", Key, nullable=True),
        sa.Column("undoes_id", Key, nullable=True),
        sa.Column("landing_for", sa.String(length=100), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("decided_by", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_identity_decision_identity_id")),
        sa.ForeignKeyConstraint(["other_id"], ["identity.id"], name=op.f("fk_identity_decision_other_id")),
        sa.ForeignKeyConstraint(["undoes_id"], ["identity_decision.id"], name=op.f("fk_identity_decision_undoes_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_decision")),
        sa.UniqueConstraint("public_id", name=op.f("uq_identity_decision_public_id")),
        sa.UniqueConstraint("undoes_id", name=op.f("uq_identity_decision_undoes_id")),
    )
    op.create_index(op.f("ix_identity_decision_identity_id"), "identity_decision", ["identity_id"])
    op.create_index(op.f("ix_identity_decision_other_id"), "identity_decision", ["other_id"])

    op.create_table(
        "identity_link",
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("identity_id", Key, nullable=False),
        sa.Column("other_id", Key, nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_identity_link_identity_id")),
        sa.ForeignKeyConstraint(["other_id"], ["identity.id"], name=op.f("fk_identity_link_other_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_link")),
        sa.UniqueConstraint(
            "source", "identity_id", "other_id", name=op.f("uq_identity_link_source_identity_id_other_id")
        ),
    )
    op.create_index(op.f("ix_identity_link_identity_id"), "identity_link", ["identity_id"])
    op.create_index(op.f("ix_identity_link_other_id"), "identity_link", ["other_id"])

    op.create_table(
        "identity_person",
        sa.Column("identity_id", Key, autoincrement=False, nullable=False),
        sa.Column("person_id", Key, nullable=False),
        sa.Column("home_person_id", Key, nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "person",
                "bot",
                "landing-bot",
                "assistance",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["home_person_id"], ["person.id"], name=op.f("fk_identity_person_home_person_id")),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_identity_person_identity_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_identity_person_person_id")),
        sa.PrimaryKeyConstraint("identity_id", name=op.f("pk_identity_person")),
    )
    op.create_index(op.f("ix_identity_person_home_person_id"), "identity_person", ["home_person_id"])
    op.create_index(op.f("ix_identity_person_person_id"), "identity_person", ["person_id"])

    op.create_table(
        "membership",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("organization_id", Key, nullable=False),
        sa.Column("tier_key", sa.String(length=60), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("dues_cents", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("dues_cents >= 0", name=op.f("ck_membership_dues_not_negative")),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name=op.f("ck_membership_ends_after_start")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_membership_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sa.UniqueConstraint("organization_id", "starts_on", name=op.f("uq_membership_organization_id_starts_on")),
        sa.UniqueConstraint("public_id", name=op.f("uq_membership_public_id")),
    )
    op.create_index(op.f("ix_membership_organization_id"), "membership", ["organization_id"])
    op.create_index(op.f("ix_membership_tier_key"), "membership", ["tier_key"])

    op.create_table(
        "organization_domain",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("organization_id", Key, nullable=False),
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.CheckConstraint(
            "ends_on IS NULL OR ends_on >= starts_on", name=op.f("ck_organization_domain_ends_after_start")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_organization_domain_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization_domain")),
        sa.UniqueConstraint("domain", "starts_on", name=op.f("uq_organization_domain_domain_starts_on")),
        sa.UniqueConstraint("public_id", name=op.f("uq_organization_domain_public_id")),
    )
    op.create_index(op.f("ix_organization_domain_organization_id"), "organization_domain", ["organization_id"])

    op.create_table(
        "seat",
        sa.Column("body_id", Key, nullable=False),
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("appointed_by", sa.String(length=100), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False),
        sa.Column("alternates", sa.Boolean(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=True),
        sa.Column("term_years", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["body_id"], ["body.id"], name=op.f("fk_seat_body_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat")),
        sa.UniqueConstraint("body_id", "key", name=op.f("uq_seat_body_id_key")),
    )
    op.create_index(op.f("ix_seat_body_id"), "seat", ["body_id"])

    op.create_table(
        "appointment",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("seat_id", Key, nullable=False),
        sa.Column("person_id", Key, nullable=False),
        sa.Column("organization_id", Key, nullable=True),
        sa.Column("is_alternate", sa.Boolean(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column(
            "origin",
            sa.Enum(
                "file", "portal", "command-line", name="origin", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("ended_reason", sa.String(length=1000), nullable=True),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name=op.f("ck_appointment_ends_after_start")),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=op.f("fk_appointment_organization_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_appointment_person_id")),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_appointment_seat_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment")),
        sa.UniqueConstraint("public_id", name=op.f("uq_appointment_public_id")),
    )
    op.create_index(op.f("ix_appointment_organization_id"), "appointment", ["organization_id"])
    op.create_index(op.f("ix_appointment_person_id"), "appointment", ["person_id"])
    op.create_index(op.f("ix_appointment_seat_id"), "appointment", ["seat_id"])

    for table, sentence in _GROWS_ONLY.items():
        for statement in _refuse_changes(op.get_bind().dialect.name, table, sentence):
            op.execute(statement)


_GROWS_ONLY = {
    "identity": "identities are as their source wrote them: never changed or deleted; decide about them instead",
    "identity_decision": "the log of decisions only grows; undo a decision with another",
    "governance_version": "versions of governance/ are never changed or deleted; sync a new one",
}


def _refuse_changes(dialect: str, table: str, sentence: str) -> list[str]:
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
            for verb in ("update", "delete")
        ]
    return [
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{sentence}'; END $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
    ]
