"""Versions of governance/ as they were synced; the newest is in force."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Row


class GovernanceVersion(Row, Base):
    """All of governance/ at one sync, whole and unchanging, so that a figure can name the rules it was made under."""

    __tablename__ = "governance_version"
    sha256: Mapped[str] = mapped_column(sa.String(64), index=True)
    synced_at: Mapped[datetime]
    content: Mapped[str] = mapped_column(sa.Text)
