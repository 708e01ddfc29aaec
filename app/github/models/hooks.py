"""What webhooks brought, kept until it is handled, and remembered for a while so that it is not taken twice."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Key, Row, UtcDateTime, choice


class DeliveryState(Enum):
    """Received; handled; waiting for the pull request that it speaks of; or failed, with why in its note."""

    RECEIVED = "received"
    HANDLED = "handled"
    WAITING = "waiting"
    FAILED = "failed"


class Delivery(Row, Base):
    """One webhook's call for a repository that is counted, for an event that means something here.

    GitHub signs the body alone, so the same body is the same call whatever its headers say. `body` (zlib) is there
    only as long as it is needed: it may name people.
    """

    __tablename__ = "github_delivery"
    __table_args__ = (sa.Index(None, "state", "id"), sa.Index(None, "handled_at"))
    guid: Mapped[str] = mapped_column(sa.String(100), unique=True)
    body_sha256: Mapped[str] = mapped_column(sa.String(64), unique=True)
    event: Mapped[str] = mapped_column(sa.String(60))
    action: Mapped[str] = mapped_column(sa.String(60))
    repository_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("repository.id", ondelete="CASCADE"), index=True)
    number: Mapped[int | None] = mapped_column(sa.BigInteger)
    body: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    state: Mapped[DeliveryState] = mapped_column(choice(DeliveryState, name="state"), default=DeliveryState.RECEIVED)
    note: Mapped[str] = mapped_column(sa.String(500), default="", server_default="")
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    received_at: Mapped[datetime] = mapped_column(UtcDateTime())
    handled_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class NumberDue(Row, Base):
    """A pull request or issue of which something is known only to have happened: it is to be read again, whole.

    Number 0 stands for the repository's releases.
    """

    __tablename__ = "github_number_due"
    __table_args__ = (sa.UniqueConstraint("repository_id", "number"),)
    repository_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("repository.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(sa.BigInteger)
    because: Mapped[str] = mapped_column(sa.String(100), default="", server_default="")
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime())
