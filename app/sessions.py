"""Signed-in browsers and the links that sign them in: rows of the server, so that each can be ended at once."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, Row, UtcDateTime, clock_of, public_id

SESSION_DAYS = 30
IDLE_DAYS = 7
FAILURES_ALLOWED = 10
FAILURE_WINDOW = timedelta(minutes=10)
_SEEN_EVERY = timedelta(minutes=5)
_IDLE = timedelta(days=IDLE_DAYS)


class WebSession(Row, Base):
    """A signed-in browser. The browser holds a random token, the server only its hash."""

    __tablename__ = "web_session"
    public_id: Mapped[str] = public_id("ws")
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    person: Mapped[str] = mapped_column(index=True)
    purpose: Mapped[str]
    agent: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Once:
    """For rows that are good once, until they end."""

    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


_Once = TypeVar("_Once", bound=Once)


class SignInLink(Row, Once, Base):
    """A link that signs one person in, once."""

    __tablename__ = "sign_in_link"
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    person: Mapped[str] = mapped_column(index=True)
    purpose: Mapped[str]


class SignInFailure(Row, Base):
    """A wrong link, counted per source (hashed) to slow down whoever guesses."""

    __tablename__ = "sign_in_failure"
    source: Mapped[str] = mapped_column(sa.String(64), index=True)
    at: Mapped[datetime] = mapped_column(index=True)


def digest(token: str) -> str:
    """What is stored of a token. Tokens hold 256 random bits, so a plain hash cannot be searched backwards."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue_link(session: Session, person: str, purpose: str, ttl: timedelta) -> str:
    """Make a one-time link for a person and return its token; the address is `/sign-in/<token>`."""
    token = secrets.token_urlsafe(32)
    now = clock_of(session).now()
    session.add(
        SignInLink(token_hash=digest(token), person=person, purpose=purpose, created_at=now, expires_at=now + ttl)
    )
    session.flush()
    return token


def redeem_link(session: Session, token: str) -> SignInLink | None:
    """Use a link up; None when it is unknown, used or too old. Of two at once, one gets it."""
    return use_up(session, SignInLink, SignInLink.token_hash == digest(token))


def use_up(session: Session, kind: type[_Once], *which: sa.ColumnElement[bool]) -> _Once | None:
    """Use up the row that is good once; None when it is unknown, used or too old. Of two at once, one gets it."""
    now = clock_of(session).now()
    return session.scalar(
        sa.update(kind)
        .where(*which, kind.used_at.is_(None), kind.expires_at > now)
        .values(used_at=now)
        .returning(kind)
        .execution_options(synchronize_session=False, populate_existing=True)
    )


def start_session(session: Session, person: str, purpose: str, *, agent: str = "") -> str:
    """Write a session row and return the token for the browser."""
    token = secrets.token_urlsafe(32)
    now = clock_of(session).now()
    session.add(
        WebSession(
            token_hash=digest(token),
            person=person,
            purpose=purpose,
            agent=agent[:200],
            created_at=now,
            seen_at=now,
            expires_at=now + timedelta(days=SESSION_DAYS),
        )
    )
    session.flush()
    return token


def session_by_token(session: Session, token: str) -> WebSession | None:
    """The living session of a token."""
    now = clock_of(session).now()
    return session.scalar(_by_token(), {"token": digest(token), "now": now, "idle": now - _IDLE})


@cache
def _by_token() -> sa.Select[WebSession]:
    """Made once: every page of somebody signed in asks this."""
    now, idle = sa.bindparam("now", type_=UtcDateTime), sa.bindparam("idle", type_=UtcDateTime)
    is_of = WebSession.token_hash == sa.bindparam("token")
    return sa.select(WebSession).where(is_of, *_alive(now, idle))


def is_seen_long_ago(row: WebSession, now: datetime) -> bool:
    """Whether it is time to note again that a session is in use; not at every request."""
    return now - row.seen_at > _SEEN_EVERY


def note_seen(session: Session, row: WebSession) -> None:
    """Note that a session is in use."""
    session.execute(sa.update(WebSession).where(WebSession.id == row.id).values(seen_at=clock_of(session).now()))


def sessions_of(session: Session, *persons: str) -> list[WebSession]:
    """The living sessions of a person's accounts, the latest seen first."""
    now = clock_of(session).now()
    return list(
        session.scalars(
            sa.select(WebSession)
            .where(WebSession.person.in_(persons), *_alive(now, now - _IDLE))
            .order_by(WebSession.seen_at.desc(), WebSession.id.desc())
        )
    )


def end_sessions(session: Session, *persons: str) -> int:
    """Sign a person's accounts out everywhere and void their unused links; returns how many sessions ended."""
    session.execute(sa.delete(SignInLink).where(SignInLink.person.in_(persons), SignInLink.used_at.is_(None)))
    ended = session.execute(sa.delete(WebSession).where(WebSession.person.in_(persons)).returning(WebSession.id))
    return len(ended.all())


def end_session(session: Session, public_id: str, *persons: str) -> bool:
    """End one session of a person's accounts; False when it is not theirs or has ended already."""
    ended = session.execute(
        sa.delete(WebSession)
        .where(WebSession.person.in_(persons), WebSession.public_id == public_id)
        .returning(WebSession.id)
    )
    return ended.first() is not None


def drop_session(session: Session, public_id: str) -> None:
    """End the session that a browser had before it signs in again."""
    session.execute(sa.delete(WebSession).where(WebSession.public_id == public_id))


def end_sessions_by(session: Session, purpose: str, *, but: str | None) -> int:
    """End the sessions that one way of signing in began, except the one in use; how many ended."""
    chosen = (WebSession.purpose == purpose, WebSession.public_id != (but or ""))
    return len(session.execute(sa.delete(WebSession).where(*chosen).returning(WebSession.id)).all())


def may_try_again(session: Session, source: str) -> bool:
    """Whether a source has failed fewer times than the limit within the window."""
    since = clock_of(session).now() - FAILURE_WINDOW
    count = session.scalar(
        sa.select(sa.func.count())
        .select_from(SignInFailure)
        .where(SignInFailure.source == digest(source), SignInFailure.at > since)
    )
    return int(count or 0) < FAILURES_ALLOWED


def note_failure(session: Session, source: str) -> None:
    """Count one failure, and drop those that no longer matter."""
    now = clock_of(session).now()
    session.execute(sa.delete(SignInFailure).where(SignInFailure.at <= now - FAILURE_WINDOW))
    session.add(SignInFailure(source=digest(source), at=now))


def _alive(now: Any, idle: Any) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions that a session has not ended and was seen since it would lie idle."""
    return WebSession.expires_at > now, WebSession.seen_at > idle
