"""How often something may be done: marks in the database, so that several processes count together."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, Row, clock_of, take_turn

_KEPT = timedelta(days=1)


class Mark(Row, Base):
    """That something was done, at what time; by whom or to whom is kept as a hash alone."""

    __tablename__ = "mark"
    scope: Mapped[str] = mapped_column(sa.String(64), index=True)
    at: Mapped[datetime] = mapped_column(index=True)


def take(session: Session, what: str, whom: str, *, allowed: int, within: timedelta) -> bool:
    """Whether it may be done once more; if so, this time is counted. The marks of a refusal are not kept."""
    if not is_left(session, what, whom, allowed=allowed, within=within):
        return False
    now = clock_of(session).now()
    session.execute(sa.delete(Mark).where(Mark.at <= now - _KEPT))
    session.add(Mark(scope=_scope(what, whom), at=now))
    session.flush()
    return True


def is_left(session: Session, what: str, whom: str, *, allowed: int, within: timedelta) -> bool:
    """Whether it was done fewer times than allowed. Who asks in a transaction that writes is counted one by one."""
    scope, since = _scope(what, whom), clock_of(session).now() - within
    take_turn(session, int.from_bytes(bytes.fromhex(scope)[:8], "big", signed=True))
    counted = sa.select(sa.func.count()).select_from(Mark).where(Mark.scope == scope, Mark.at > since)
    return int(session.scalar(counted) or 0) < allowed


def source_of(address: str | None) -> str:
    """What counts as one source: an address of the old kind, or the network that one household has of the new.

    >>> source_of("192.0.2.7"), source_of("2001:db8:1:2:3:4:5:6"), source_of("::ffff:192.0.2.7"), source_of(None)
    ('192.0.2.7', '2001:db8:1:2::/64', '192.0.2.7', 'unknown')
    """
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return str(ipaddress.ip_network((found, 64), strict=False))
        return str(found.ipv4_mapped)
    return str(found)


def _scope(what: str, whom: str) -> str:
    return hashlib.sha256(f"{what}\n{whom}".encode()).hexdigest()
