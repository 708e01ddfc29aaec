"""Tables of members: organizations, the domains that are theirs, their memberships, and what they propose."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Cents, Row, Versioned, choice, public_id
from app.members.rules import OrganizationKind, Outcome


class Organization(Row, Versioned, Base):
    """A company, university or other body that people work for; a member while it has a membership.

    `parent_id`: the organization that owns more than half of it; the two then count as one member. `contact`: where the
    foundation writes to, seen by staff and by who sits for it.
    """

    __tablename__ = "organization"
    public_id: Mapped[str] = public_id("o")
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    slug: Mapped[str] = mapped_column(sa.String(80), unique=True)
    kind: Mapped[OrganizationKind] = mapped_column(choice(OrganizationKind, name="kind"))
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("organization.id"), index=True)
    website: Mapped[str] = mapped_column(sa.String(300), default="")
    description: Mapped[str] = mapped_column(sa.Text, default="")
    contact: Mapped[str] = mapped_column(sa.String(320), default="", server_default="")
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


class Proposal(Row, Versioned, Base):
    """What an organization's representative says of a domain or (`person_id`) of somebody who works there.

    It counts for nothing until it is accepted; `outcome` NULL is "nobody has answered".
    """

    __tablename__ = "member_proposal"
    __table_args__ = (
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="ends_after_start"),
        sa.CheckConstraint("(domain = '') = (person_id IS NOT NULL)", name="domain_or_person"),
    )
    public_id: Mapped[str] = public_id("mp")
    organization_id: Mapped[int] = mapped_column(sa.ForeignKey("organization.id"), index=True)
    person_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id"), index=True)
    domain: Mapped[str] = mapped_column(sa.String(253), default="")
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    reason: Mapped[str] = mapped_column(sa.String(1000))
    proposed_at: Mapped[datetime]
    proposed_by: Mapped[str] = mapped_column(sa.String(100))
    outcome: Mapped[Outcome | None] = mapped_column(choice(Outcome, name="outcome"))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(sa.String(100))
    decided_reason: Mapped[str] = mapped_column(sa.String(1000), default="")
