"""Tables of imports: each file that was read, what it made, and whom it names as keepers of modules."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Row, Versioned, choice, public_id
from app.imports.rules import FileKind


class ImportState(Enum):
    """Where an import stands."""

    DRAFT = "draft"
    APPLIED = "applied"
    UNDONE = "undone"


class Import(Row, Versioned, Base):
    """A file that somebody gave. A draft keeps its text until it is applied; then only its hash stays."""

    __tablename__ = "import"
    public_id: Mapped[str] = public_id("im")
    kind: Mapped[FileKind] = mapped_column(choice(FileKind, name="kind"))
    name: Mapped[str] = mapped_column(sa.String(300))
    organization: Mapped[str] = mapped_column(sa.String(200), default="")
    confidence: Mapped[int]
    sha256: Mapped[str] = mapped_column(sa.String(64))
    text: Mapped[str] = mapped_column(sa.Text, default="")
    state: Mapped[ImportState] = mapped_column(choice(ImportState, name="state"))
    given_at: Mapped[datetime]
    given_by: Mapped[str] = mapped_column(sa.String(100))
    applied_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(sa.String(1000), default="")
    changes: Mapped[int] = mapped_column(default=0)
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None] = mapped_column(sa.String(100))
    undone_reason: Mapped[str] = mapped_column(sa.String(1000), default="")


class ImportMade(Row, Base):
    """A row that an import made in another room, to be taken away when it is undone."""

    __tablename__ = "import_made"
    import_id: Mapped[int] = mapped_column(sa.ForeignKey("import.id"), index=True)
    what: Mapped[str] = mapped_column(sa.String(40))
    number: Mapped[int] = mapped_column(sa.BigInteger)


class ModuleKeeper(Row, Base):
    """That a file (CODEOWNERS, OWNERS) names somebody as maintainer or reviewer of a module: a proposal, no seat."""

    __tablename__ = "module_keeper"
    __table_args__ = (sa.UniqueConstraint("import_id", "module_key", "identity_id", "role"),)
    import_id: Mapped[int] = mapped_column(sa.ForeignKey("import.id"), index=True)
    module_key: Mapped[str] = mapped_column(sa.String(60), index=True)
    identity_id: Mapped[int] = mapped_column(sa.ForeignKey("identity.id"), index=True)
    role: Mapped[str] = mapped_column(sa.String(20))
    path: Mapped[str] = mapped_column(sa.String(300))
