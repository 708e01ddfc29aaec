"""The tables of the index: projects, and the files published for them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, Row, UtcDateTime


class Project(Row, Base):
    """A name that is the foundation's: the index answers for it alone and asks nobody else."""

    __tablename__ = "project"
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class ProjectFile(Row, Base):
    """A published file. Hash and metadata are computed once and never rewritten; only yanking changes a row."""

    __tablename__ = "project_file"
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"), index=True)
    filename: Mapped[str] = mapped_column(sa.String(255), unique=True)
    version: Mapped[str] = mapped_column(sa.String(100))
    kind: Mapped[str] = mapped_column(sa.String(10))
    sha256: Mapped[str] = mapped_column(sa.String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    metadata_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    requires_python: Mapped[str | None] = mapped_column(sa.String(200))
    uploaded_at: Mapped[datetime] = mapped_column(UtcDateTime())
    yanked_reason: Mapped[str | None] = mapped_column(sa.Text)
    project: Mapped[Project] = relationship(lazy="joined")
