"""Contributions: timelines of changes, issues, releases, and the measures that follow from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0033"
down_revision = "0011"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "issue",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("url", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("author_identity_id", Key, nullable=True),
        sa.Column(
            "state",
            sa.Enum("open", "closed", name="state", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("labels", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["author_identity_id"], ["identity.id"], name=op.f("fk_issue_author_identity_id")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_issue_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue")),
        sa.UniqueConstraint("public_id", name=op.f("uq_issue_public_id")),
        sa.UniqueConstraint(
            "repository_id", "source", "external_id", name=op.f("uq_issue_repository_id_source_external_id")
        ),
    )
    op.create_index(op.f("ix_issue_author_identity_id"), "issue", ["author_identity_id"], unique=False)
    op.create_index(op.f("ix_issue_state"), "issue", ["state"], unique=False)

    op.create_table(
        "repository_release",
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("tag", sa.String(length=500), nullable=False),
        sa.Column("name", sa.String(length=500), server_default="", nullable=False),
        sa.Column("url", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("author_identity_id", Key, nullable=True),
        sa.Column("is_prerelease", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["author_identity_id"], ["identity.id"], name=op.f("fk_repository_release_author_identity_id")
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_repository_release_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repository_release")),
        sa.UniqueConstraint(
            "repository_id",
            "source",
            "external_id",
            name=op.f("uq_repository_release_repository_id_source_external_id"),
        ),
    )
    op.create_index(
        op.f("ix_repository_release_author_identity_id"), "repository_release", ["author_identity_id"], unique=False
    )
    op.create_index(
        op.f("ix_repository_release_repository_id_published_at"),
        "repository_release",
        ["repository_id", "published_at"],
        unique=False,
    )

    op.create_table(
        "change_event",
        sa.Column("change_id", Key, nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("value", sa.String(length=500), server_default="", nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "opened",
                "ready",
                "drafted",
                "review-requested",
                "commented",
                "reviewed",
                "approved",
                "changes-requested",
                "dismissed",
                "pushed",
                "labeled",
                "unlabeled",
                "assigned",
                "renamed",
                "merged",
                "closed",
                "reopened",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("identity_id", Key, nullable=True),
        sa.Column("person_id", Key, nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["change.id"], name=op.f("fk_change_event_change_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_change_event_identity_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_change_event_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_event")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_change_event_source_external_id")),
    )
    op.create_index(op.f("ix_change_event_change_id"), "change_event", ["change_id"], unique=False)
    op.create_index(op.f("ix_change_event_identity_id"), "change_event", ["identity_id"], unique=False)
    op.create_index(op.f("ix_change_event_person_id"), "change_event", ["person_id"], unique=False)

    op.create_table(
        "change_measure",
        sa.Column("change_id", Key, autoincrement=False, nullable=False),
        sa.Column("merged_at", UtcDateTime(), nullable=True),
        sa.Column("merged_on", sa.Date(), nullable=True),
        sa.Column("reviewers", sa.Integer(), nullable=False),
        sa.Column("reviews", sa.Integer(), nullable=False),
        sa.Column("pushes", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("is_bot", sa.Boolean(), nullable=False),
        sa.Column("is_first", sa.Boolean(), nullable=False),
        sa.Column("tier_key", sa.String(length=60), nullable=True),
        sa.Column("is_answered", sa.Boolean(), nullable=False),
        sa.Column("waited_s", sa.BigInteger(), nullable=True),
        sa.Column("waited_step", sa.Integer(), nullable=True),
        sa.Column("lasted_s", sa.BigInteger(), nullable=True),
        sa.Column("lasted_step", sa.Integer(), nullable=True),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("person_id", Key, nullable=True),
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
        sa.ForeignKeyConstraint(
            ["change_id"], ["change.id"], name=op.f("fk_change_measure_change_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_change_measure_organization_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_change_measure_person_id")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_change_measure_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_change_measure")),
    )
    op.create_index(
        "ix_change_measure_lasted",
        "change_measure",
        ["closed_on", "is_bot", "attribution", "tier_key", "is_first", "merged_on", "lasted_step", "reviewers"],
        unique=False,
    )
    op.create_index(
        op.f("ix_change_measure_organization_id_closed_on"),
        "change_measure",
        ["organization_id", "closed_on"],
        unique=False,
    )
    op.create_index(
        op.f("ix_change_measure_organization_id_opened_on"),
        "change_measure",
        ["organization_id", "opened_on"],
        unique=False,
    )
    op.create_index(
        op.f("ix_change_measure_person_id_merged_at"), "change_measure", ["person_id", "merged_at"], unique=False
    )
    op.create_index(
        op.f("ix_change_measure_person_id_opened_on"), "change_measure", ["person_id", "opened_on"], unique=False
    )
    op.create_index(
        op.f("ix_change_measure_repository_id_closed_on"),
        "change_measure",
        ["repository_id", "closed_on"],
        unique=False,
    )
    op.create_index(
        op.f("ix_change_measure_repository_id_opened_on"),
        "change_measure",
        ["repository_id", "opened_on"],
        unique=False,
    )
    op.create_index(
        "ix_change_measure_waited",
        "change_measure",
        ["opened_on", "is_bot", "attribution", "tier_key", "is_first", "is_answered", "waited_step"],
        unique=False,
    )

    op.create_table(
        "change_module",
        sa.Column("change_id", Key, autoincrement=False, nullable=False),
        sa.Column("module_key", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["change.id"], name=op.f("fk_change_module_change_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("change_id", "module_key", name=op.f("pk_change_module")),
    )
    op.create_index(op.f("ix_change_module_module_key"), "change_module", ["module_key"], unique=False)

    op.create_table(
        "change_reviewer",
        sa.Column("change_id", Key, autoincrement=False, nullable=False),
        sa.Column("person_id", Key, autoincrement=False, nullable=False),
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("reviews", sa.Integer(), nullable=False),
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
        sa.ForeignKeyConstraint(
            ["change_id"], ["change.id"], name=op.f("fk_change_reviewer_change_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_change_reviewer_organization_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_change_reviewer_person_id")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_change_reviewer_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("change_id", "person_id", name=op.f("pk_change_reviewer")),
    )
    op.create_index("ix_change_reviewer_day", "change_reviewer", ["first_on", "person_id", "reviews"], unique=False)
    op.create_index(
        op.f("ix_change_reviewer_organization_id_first_on"),
        "change_reviewer",
        ["organization_id", "first_on"],
        unique=False,
    )
    op.create_index(
        op.f("ix_change_reviewer_person_id_first_on"), "change_reviewer", ["person_id", "first_on"], unique=False
    )
    op.create_index(
        op.f("ix_change_reviewer_repository_id_first_on"),
        "change_reviewer",
        ["repository_id", "first_on"],
        unique=False,
    )

    op.create_table(
        "issue_event",
        sa.Column("issue_id", Key, nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("value", sa.String(length=500), server_default="", nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "opened",
                "ready",
                "drafted",
                "review-requested",
                "commented",
                "reviewed",
                "approved",
                "changes-requested",
                "dismissed",
                "pushed",
                "labeled",
                "unlabeled",
                "assigned",
                "renamed",
                "merged",
                "closed",
                "reopened",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("identity_id", Key, nullable=True),
        sa.Column("person_id", Key, nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_issue_event_identity_id")),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_issue_event_issue_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_issue_event_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue_event")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_issue_event_source_external_id")),
    )
    op.create_index(op.f("ix_issue_event_identity_id"), "issue_event", ["identity_id"], unique=False)
    op.create_index(op.f("ix_issue_event_issue_id"), "issue_event", ["issue_id"], unique=False)
    op.create_index(op.f("ix_issue_event_person_id"), "issue_event", ["person_id"], unique=False)

    op.create_table(
        "issue_measure",
        sa.Column("issue_id", Key, autoincrement=False, nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("is_bot", sa.Boolean(), nullable=False),
        sa.Column("is_first", sa.Boolean(), nullable=False),
        sa.Column("tier_key", sa.String(length=60), nullable=True),
        sa.Column("is_answered", sa.Boolean(), nullable=False),
        sa.Column("waited_s", sa.BigInteger(), nullable=True),
        sa.Column("waited_step", sa.Integer(), nullable=True),
        sa.Column("lasted_s", sa.BigInteger(), nullable=True),
        sa.Column("lasted_step", sa.Integer(), nullable=True),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("person_id", Key, nullable=True),
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
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_issue_measure_issue_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_issue_measure_organization_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_issue_measure_person_id")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=op.f("fk_issue_measure_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", name=op.f("pk_issue_measure")),
    )
    op.create_index(
        "ix_issue_measure_lasted",
        "issue_measure",
        ["closed_on", "is_bot", "attribution", "tier_key", "is_first", "lasted_step"],
        unique=False,
    )
    op.create_index(
        op.f("ix_issue_measure_organization_id_closed_on"),
        "issue_measure",
        ["organization_id", "closed_on"],
        unique=False,
    )
    op.create_index(
        op.f("ix_issue_measure_organization_id_opened_on"),
        "issue_measure",
        ["organization_id", "opened_on"],
        unique=False,
    )
    op.create_index(
        op.f("ix_issue_measure_person_id_opened_on"), "issue_measure", ["person_id", "opened_on"], unique=False
    )
    op.create_index(
        op.f("ix_issue_measure_repository_id_closed_on"), "issue_measure", ["repository_id", "closed_on"], unique=False
    )
    op.create_index(
        op.f("ix_issue_measure_repository_id_opened_on"), "issue_measure", ["repository_id", "opened_on"], unique=False
    )
    op.create_index(
        "ix_issue_measure_waited",
        "issue_measure",
        ["opened_on", "is_bot", "attribution", "tier_key", "is_first", "is_answered", "waited_step"],
        unique=False,
    )

    op.create_table(
        "measure_due",
        sa.Column("change_id", Key, nullable=True),
        sa.Column("issue_id", Key, nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["change.id"], name=op.f("fk_measure_due_change_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_measure_due_issue_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_measure_due")),
    )
    op.add_column("change", sa.Column("number", sa.BigInteger(), nullable=True))
    op.add_column("change", sa.Column("url", sa.String(length=1000), server_default="", nullable=False))
    op.add_column("change", sa.Column("base_ref", sa.String(length=500), server_default="", nullable=False))
    op.add_column("change", sa.Column("head_ref", sa.String(length=500), server_default="", nullable=False))
    op.add_column("change", sa.Column("is_draft", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("change", sa.Column("labels", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("change", sa.Column("files", sa.Integer(), nullable=True))
    op.add_column("change", sa.Column("merged_at", UtcDateTime(), nullable=True))
    op.add_column("change", sa.Column("source_updated_at", UtcDateTime(), nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        # SQLite takes a foreign key with its column only; rebuilding the table would lose its named checks.
        op.execute(
            "ALTER TABLE change ADD COLUMN author_identity_id INTEGER "
            "CONSTRAINT fk_change_author_identity_id REFERENCES identity (id)"
        )
    else:
        op.add_column("change", sa.Column("author_identity_id", Key, nullable=True))
        name = op.f("fk_change_author_identity_id")
        op.create_foreign_key(name, "change", "identity", ["author_identity_id"], ["id"])
    op.create_index(op.f("ix_change_author_identity_id"), "change", ["author_identity_id"], unique=False)
    _tell_what_is_known()


def _tell_what_is_known() -> None:
    """The changes that are here already: their authors, when they merged, and what was said of them."""
    op.execute(
        "UPDATE change SET merged_at = closed_at WHERE state = 'merged'",
    )
    op.execute(
        "UPDATE change SET author_identity_id = (SELECT min(identity.id) FROM identity WHERE identity.source = 'git' "
        "AND identity.name = change.author_name AND identity.email = change.author_email)"
    )
    op.execute(
        "INSERT INTO change_event (change_id, source, external_id, kind, at, identity_id, value) "
        "SELECT id, 'portal', public_id || '/opened', 'opened', opened_at, author_identity_id, head_sha FROM change"
    )
    op.execute(
        "INSERT INTO change_event (change_id, source, external_id, kind, at, value) "
        "SELECT id, 'portal', public_id || '/' || state, state, closed_at, head_sha FROM change "
        "WHERE closed_at IS NOT NULL AND state IN ('merged', 'closed')"
    )
    op.execute(
        "INSERT INTO change_event (change_id, source, external_id, kind, at, person_id, value) "
        "SELECT change_id, 'portal', public_id, CASE verdict WHEN 'approve' THEN 'approved' "
        "WHEN 'request_changes' THEN 'changes-requested' ELSE 'reviewed' END, said_at, person_id, head_sha FROM review"
    )
