"""What is under way between asking to sign in and being signed in: sign-ins at issuers, and mailed links."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.accounts.rules import Purpose
from app.db import Base, Row, choice, public_id
from app.sessions import Once


class _Asked(Once):
    """What a browser asked for, and who was signed in there: whoever adds something to their account, else ""."""

    browser_hash: Mapped[str] = mapped_column(sa.String(64))
    purpose: Mapped[Purpose] = mapped_column(choice(Purpose, name="purpose"))
    person: Mapped[str] = mapped_column(sa.String(40))
    onward: Mapped[str] = mapped_column(sa.Text)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SignInAttempt(Row, _Asked, Base):
    """A browser sent to an issuer. It comes back once, with the state whose hash is here, and in the same browser.

    `found` is what the issuer said of a login to be added, until its person agrees.
    """

    __tablename__ = "sign_in_attempt"
    public_id: Mapped[str] = public_id("sa")
    state_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    way: Mapped[str] = mapped_column(sa.String(40))
    found: Mapped[dict[str, Any] | None]


class MailedLink(Row, _Asked, Base):
    """A link that was asked for and goes to an address. Its token is no row: it follows from the portal's own key."""

    __tablename__ = "mailed_link"
    public_id: Mapped[str] = public_id("ml")
    address: Mapped[str] = mapped_column(sa.String(320))
    agent: Mapped[str] = mapped_column(sa.String(200))
    sent_at: Mapped[datetime | None]
