"""Builds, artefacts, evidence, runners; releases and sign-offs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key, UtcDateTime

revision = "0051"
down_revision = "0070"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "runner",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("hardware", sa.JSON(), nullable=False),
        sa.Column("isolation", sa.String(length=40), nullable=False),
        sa.Column("registered_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runner")),
        sa.UniqueConstraint("name", name=op.f("uq_runner_name")),
        sa.UniqueConstraint("public_id", name=op.f("uq_runner_public_id")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_runner_token_sha256")),
    )
    op.create_table(
        "build",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("commit_sha", sa.String(length=64), nullable=False),
        sa.Column("target_key", sa.String(length=60), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("is_local", sa.Boolean(), nullable=False),
        sa.Column("is_trusted", sa.Boolean(), nullable=False),
        sa.Column("source_sha256", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("job_id", Key, nullable=False),
        sa.Column("isolation", sa.String(length=40), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_build_job_id")),
        sa.ForeignKeyConstraint(["repository_id"], ["repository.id"], name=op.f("fk_build_repository_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_build")),
        sa.UniqueConstraint("job_id", name=op.f("uq_build_job_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_build_public_id")),
        sa.UniqueConstraint(
            "repository_id", "commit_sha", "target_key", name=op.f("uq_build_repository_id_commit_sha_target_key")
        ),
    )
    op.create_index(op.f("ix_build_commit_sha"), "build", ["commit_sha"], unique=False)
    op.create_index(op.f("ix_build_version"), "build", ["version"], unique=False)

    op.create_table(
        "release",
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("repository_id", Key, nullable=False),
        sa.Column("commit_sha", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("is_local", sa.Boolean(), nullable=False),
        sa.Column("left_out_files", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.Column("job_id", Key, nullable=False),
        sa.Column("publisher_id", Key, nullable=True),
        sa.Column("publish_reason", sa.Text(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("published_at", UtcDateTime(), nullable=True),
        sa.Column("yanked_at", UtcDateTime(), nullable=True),
        sa.Column("yanked_reason", sa.Text(), nullable=True),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_release_job_id")),
        sa.ForeignKeyConstraint(["publisher_id"], ["person.id"], name=op.f("fk_release_publisher_id")),
        sa.ForeignKeyConstraint(["repository_id"], ["repository.id"], name=op.f("fk_release_repository_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release")),
        sa.UniqueConstraint("job_id", name=op.f("uq_release_job_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_release_public_id")),
        sa.UniqueConstraint("repository_id", "commit_sha", name=op.f("uq_release_repository_id_commit_sha")),
        sa.UniqueConstraint("version", name=op.f("uq_release_version")),
    )
    op.create_table(
        "runner_lease",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("job_id", Key, nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("runner_id", Key, nullable=False),
        sa.Column("leased_at", UtcDateTime(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_runner_lease_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["runner_id"], ["runner.id"], name=op.f("fk_runner_lease_runner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runner_lease")),
        sa.UniqueConstraint("job_id", "fence", name=op.f("uq_runner_lease_job_id_fence")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_runner_lease_token_sha256")),
    )
    op.create_table(
        "artefact",
        sa.Column("build_id", Key, nullable=False),
        sa.Column("step", sa.String(length=60), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "sdist",
                "wheel",
                "conformance",
                "test-report",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name=op.f("fk_artefact_build_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artefact")),
        sa.UniqueConstraint("build_id", "filename", name=op.f("uq_artefact_build_id_filename")),
    )
    op.create_index(op.f("ix_artefact_sha256"), "artefact", ["sha256"], unique=False)

    op.create_table(
        "conformance_result",
        sa.Column("build_id", Key, nullable=False),
        sa.Column("device", sa.String(length=100), nullable=False),
        sa.Column("hardware", sa.String(length=300), nullable=False),
        sa.Column("driver", sa.String(length=300), nullable=False),
        sa.Column("conforms", sa.Boolean(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("unsupported", sa.Integer(), nullable=False),
        sa.Column("not_run", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("report_sha256", sa.String(length=64), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name=op.f("fk_conformance_result_build_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conformance_result")),
        sa.UniqueConstraint("build_id", "device", name=op.f("uq_conformance_result_build_id_device")),
    )
    op.create_table(
        "sign_off",
        sa.Column("release_id", Key, nullable=False),
        sa.Column("module_key", sa.String(length=60), nullable=False),
        sa.Column("person_id", Key, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("signed_at", UtcDateTime(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_sign_off_person_id")),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_sign_off_release_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_off")),
        sa.UniqueConstraint(
            "release_id", "module_key", "person_id", name=op.f("uq_sign_off_release_id_module_key_person_id")
        ),
    )
