"""What its source took back: an event, an issue or a release that is not to come again."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Row, UtcDateTime


class GoneFact(Row, Base):
    """The mark of a fact that was deleted at its source, so that hearing late of its making does not bring it back."""

    __tablename__ = "gone_fact"
    __table_args__ = (sa.UniqueConstraint("source", "mark"),)
    source: Mapped[str] = mapped_column(sa.String(60))
    mark: Mapped[str] = mapped_column(sa.String(300))
    at: Mapped[datetime] = mapped_column(UtcDateTime())
