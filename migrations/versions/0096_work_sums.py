"""Contributions: sums of the rollup by month and by year, made here from what is counted already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Key

revision = "0096"
down_revision = "0092"

_KINDS = ("commit", "merge", "bot", "co-authored", "assisted", "reviewed")
_SUMS = "sum(commits), sum(added), sum(deleted), sum(without_lines)"
_KEYS = "kind, attribution, organization_id, person_id"
_INTO = (
    "INSERT INTO work_sum (stretch, starts_on, repository_id, module_key, kind, attribution, organization_id, "
    "person_id, commits, added, deleted, without_lines, first_on, last_on) "
)


def upgrade() -> None:
    """Make the table and fill it."""
    op.create_table(
        "work_sum",
        sa.Column("stretch", _choice("month", "year", name="stretch"), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("repository_id", Key, nullable=True),
        sa.Column("module_key", sa.String(length=100), nullable=True),
        sa.Column("kind", _choice(*_KINDS, name="kind"), nullable=False),
        sa.Column(
            "attribution", _choice("organization", "independent", "unknown", name="attribution"), nullable=False
        ),
        sa.Column("organization_id", Key, nullable=True),
        sa.Column("person_id", Key, nullable=True),
        sa.Column("commits", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
        sa.Column("without_lines", sa.BigInteger(), nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("last_on", sa.Date(), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_sum")),
    )
    _fill()
    asked = ["stretch", "repository_id", "module_key", "starts_on", "kind", "organization_id", "attribution",
             "person_id", "commits", "added", "deleted", "without_lines", "first_on", "last_on"]  # fmt: skip
    op.create_index("ix_work_sum_asked", "work_sum", asked, unique=False)
    op.create_index(
        op.f("ix_work_sum_person_id_stretch_starts_on"), "work_sum", ["person_id", "stretch", "starts_on"], unique=False
    )
    by_organization = ["organization_id", "stretch", "repository_id", "starts_on"]
    name = op.f("ix_work_sum_organization_id_stretch_repository_id_starts_on")
    op.create_index(name, "work_sum", by_organization, unique=False)
    # The latest commits of everything are looked up by day.
    op.create_index(op.f("ix_repository_commit_day"), "repository_commit", ["day"], unique=False)


def _fill() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"

    def begin(stretch: str, day: str) -> str:
        return f"date({day}, 'start of {stretch}')" if is_sqlite else f"CAST(date_trunc('{stretch}', {day}) AS DATE)"

    made = [
        ("month", "NULL", "NULL", "rollup WHERE is_counted AND module_key IS NULL", ""),
        ("month", "repository_id", "NULL", "rollup WHERE module_key IS NULL", ", repository_id"),
        ("year", "repository_id", "NULL", "work_sum WHERE stretch = 'month'", ", repository_id"),
        ("year", "NULL", "module_key", "rollup WHERE is_counted AND module_key IS NOT NULL", ", module_key"),
    ]
    for stretch, repository, module, table, also in made:
        first, last = ("day", "day") if table.startswith("rollup") else ("first_on", "last_on")
        start = begin(stretch, first)
        op.execute(
            f"{_INTO} SELECT '{stretch}', {start}, {repository}, {module}, {_KEYS}, {_SUMS}, "  # noqa: S608 - our own names
            f"min({first}), max({last}) FROM {table} GROUP BY {start}, {_KEYS}{also}"
        )


def _choice(*values: str, name: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)
