"""Tables of people: identities as written, the log of decisions about them, and what follows from both."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Row, Versioned, choice, public_id
from app.people.rules import DecisionKind, Role, StatementSource


class Person(Row, Versioned, Base):
    """Somebody (or some thing that writes commits). `merged_into_id` points on when two rows turned out to be one.

    `claimed_at` is set once the person can sign in or holds a seat: no machine may then merge them with another such.
    """

    __tablename__ = "person"
    public_id: Mapped[str] = public_id("p")
    name: Mapped[str] = mapped_column(sa.String(200))
    created_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    hidden_at: Mapped[datetime | None]
    merged_into_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id"), index=True)


class Identity(Row, Base):
    """A name, address and login exactly as one source writes them. Never changed, never deleted.

    `fingerprint` is over all four, so that interning is one lookup; `address` is the e-mail as it is compared.
    """

    __tablename__ = "identity"
    public_id: Mapped[str] = public_id("i")
    source: Mapped[str] = mapped_column(sa.String(60))
    name: Mapped[str] = mapped_column(sa.String(1000))
    email: Mapped[str] = mapped_column(sa.String(1000))
    login: Mapped[str] = mapped_column(sa.String(200))
    address: Mapped[str] = mapped_column(sa.String(320), index=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(64), unique=True)


class IdentityActivity(Base):
    """The first and the last day on which a source saw an identity."""

    __tablename__ = "identity_activity"
    identity_id: Mapped[int] = mapped_column(sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False)
    first_on: Mapped[date]
    last_on: Mapped[date]


class IdentityLink(Row, Base):
    """A machine's evidence that two identities are one person: a line of a mailmap, say. Replaced per source."""

    __tablename__ = "identity_link"
    __table_args__ = (sa.UniqueConstraint("source", "identity_id", "other_id"),)
    source: Mapped[str] = mapped_column(sa.String(100))
    identity_id: Mapped[int] = mapped_column(sa.ForeignKey("identity.id"), index=True)
    other_id: Mapped[int] = mapped_column(sa.ForeignKey("identity.id"), index=True)


class IdentityDecision(Row, Base):
    """What somebody decided about identities. The log only grows; an undo is one more line."""

    __tablename__ = "identity_decision"
    public_id: Mapped[str] = public_id("d")
    kind: Mapped[DecisionKind] = mapped_column(choice(DecisionKind, name="kind"))
    identity_id: Mapped[int] = mapped_column(sa.ForeignKey("identity.id"), index=True)
    other_id: Mapped[int | None] = mapped_column(sa.ForeignKey("identity.id"), index=True)
    undoes_id: Mapped[int | None] = mapped_column(sa.ForeignKey("identity_decision.id"), unique=True)
    landing_for: Mapped[str] = mapped_column(sa.String(100), default="")
    decided_at: Mapped[datetime]
    decided_by: Mapped[str] = mapped_column(sa.String(100))
    reason: Mapped[str] = mapped_column(sa.String(1000))


class IdentityPerson(Base):
    """Which person an identity is: derived by `resolve`, with the role it plays and the reason.

    `home_person_id` is the person that was made for it, to which it returns when a merge is undone.
    """

    __tablename__ = "identity_person"
    identity_id: Mapped[int] = mapped_column(sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), index=True)
    home_person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), index=True)
    role: Mapped[Role] = mapped_column(choice(Role, name="role"))


class Affiliation(Row, Base):
    """A statement that a person works for an organization (None: for nobody) from a day until a day, both included.

    A statement is never changed: it is withdrawn, and another made.
    """

    __tablename__ = "affiliation"
    __table_args__ = (
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="ends_after_start"),
        sa.CheckConstraint("confidence BETWEEN 0 AND 100", name="confidence_percent"),
    )
    public_id: Mapped[str] = public_id("a")
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), index=True)
    organization_id: Mapped[int | None] = mapped_column(sa.ForeignKey("organization.id"), index=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    source: Mapped[StatementSource] = mapped_column(choice(StatementSource, name="source"))
    confidence: Mapped[int]
    stated_at: Mapped[datetime]
    stated_by: Mapped[str] = mapped_column(sa.String(100))
    reason: Mapped[str] = mapped_column(sa.String(1000), default="")
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None] = mapped_column(sa.String(100))
    withdrawn_reason: Mapped[str | None] = mapped_column(sa.String(1000))


class Employment(Row, Base):
    """Whom a person worked for on which days, derived from all evidence: intervals that never overlap.

    `starts_on` and `ends_on` are both included; `ends_on` None is "until further notice". `organization_id` None is
    "independent, says the person"; a day without a row is unknown.
    """

    __tablename__ = "employment"
    __table_args__ = (sa.UniqueConstraint("person_id", "starts_on"),)
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), index=True)
    organization_id: Mapped[int | None] = mapped_column(sa.ForeignKey("organization.id"), index=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    source: Mapped[StatementSource] = mapped_column(choice(StatementSource, name="source"))
    confidence: Mapped[int]
