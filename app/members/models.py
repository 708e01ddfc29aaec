"""Tables of members: organizations, the domains that are theirs, and their memberships."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Cents, Row, Versioned, choice, public_id
from app.members.rules import OrganizationKind


class Organization(Row, Versioned, Base):
    """A company, university or other body that people work for; a member while it has a membership.

    `parent_id`: the organization that owns more than half of it; the two then count as one member.
    """

    __tablename__ = "organization"
    public_id: Mapped[str] = public_id("o")
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    slug: Mapped[str] = mapped_column(sa.String(80), unique=True)
    kind: Mapped[OrganizationKind] = mapped_column(choice(OrganizationKind, name="kind"))
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("organization.id"), index=True)
    website: Mapped[str] = mapped_column(sa.String(300), default="")
    description: Mapped[str] = mapped_column(sa.Text, default="")
    created_at: Mapped[datetime]


class OrganizationDomain(Row, Base):
    """An e-mail domain that was the organization's from a day until a day, both included."""

    __tablename__ = "organization_domain"
    __table_args__ = (
        sa.UniqueConstraint("domain", "starts_on"),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="ends_after_start"),
    )
    public_id: Mapped[str] = public_id("od")
    organization_id: Mapped[int] = mapped_column(sa.ForeignKey("organization.id"), index=True)
    domain: Mapped[str] = mapped_column(sa.String(253))
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]


class Membership(Row, Versioned, Base):
    """An organization's membership in a tier from a day until a day, both included, at these dues a year."""

    __tablename__ = "membership"
    __table_args__ = (
        sa.UniqueConstraint("organization_id", "starts_on"),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="ends_after_start"),
        sa.CheckConstraint("dues_cents >= 0", name="dues_not_negative"),
    )
    public_id: Mapped[str] = public_id("m")
    organization_id: Mapped[int] = mapped_column(sa.ForeignKey("organization.id"), index=True)
    tier_key: Mapped[str] = mapped_column(sa.String(60), index=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    dues_cents: Mapped[Cents]
    reason: Mapped[str] = mapped_column(sa.String(1000), default="")
