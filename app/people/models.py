"""Tables of people: identities as written, the log of decisions about them, and what follows from both."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Row, Versioned, choice, public_id
from app.people.rules import DecisionKind, ProofKind, Role, StatementSource
from app.people.rules.asking import ProposalKind, RemarkAbout

_BECAME = sa.text("merged_into_id IS NOT NULL")


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
    merged_into_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id"))
    # Nearly nobody became another: an index with all the others would not be used, as it finds too many.
    __table_args__ = (
        sa.Index("ix_person_merged_into_id", "merged_into_id", sqlite_where=_BECAME, postgresql_where=_BECAME),
    )


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


_IN_FORCE = sa.text("released_at IS NULL AND contested_at IS NULL")


class Proof(Row, Base):
    """A login or an address that a person proved to be theirs, and may sign in with.

    A login is known by its issuer and the `subject` that never changes, an address by itself as it is compared;
    `shown` is what people read. `proved_by` is an issuer, or "mail". In force it belongs to one person; a second
    person's proof of the same is `contested` until staff decide, and one let go of stays as history.
    """

    __tablename__ = "proof"
    __table_args__ = (
        sa.Index(
            "uq_proof_in_force",
            "kind",
            "issuer",
            "subject",
            unique=True,
            sqlite_where=_IN_FORCE,
            postgresql_where=_IN_FORCE,
        ),
    )
    public_id: Mapped[str] = public_id("k")
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), index=True)
    identity_id: Mapped[int] = mapped_column(sa.ForeignKey("identity.id"), index=True)
    kind: Mapped[ProofKind] = mapped_column(choice(ProofKind, name="kind"))
    issuer: Mapped[str] = mapped_column(sa.String(300))
    subject: Mapped[str] = mapped_column(sa.String(320))
    shown: Mapped[str] = mapped_column(sa.String(320))
    proved_by: Mapped[str] = mapped_column(sa.String(300))
    proved_at: Mapped[datetime]
    used_at: Mapped[datetime]
    contested_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(sa.String(100))
    released_reason: Mapped[str | None] = mapped_column(sa.String(1000))

    @property
    def is_in_force(self) -> bool:
        """Whether it lets its person sign in and makes commits theirs."""
        return self.released_at is None and self.contested_at is None


IN_FORCE = (Proof.released_at.is_(None), Proof.contested_at.is_(None))
"""`Proof.is_in_force`, as the database is asked."""


class Affiliation(Row, Base):
    """A statement that a person works for an organization (None: for nobody) from a day until a day, both included.

    A statement is never changed: it is withdrawn, and another made. `is_part`: beside another employer (decision
    0508). `batch` is the import that made it, if one did.
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
    is_part: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    batch: Mapped[str | None] = mapped_column(sa.String(40), index=True)
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


class SideEmployment(Row, Base):
    """For whom a person works beside the employer of the day, derived: shown and counted in caps, never in figures."""

    __tablename__ = "side_employment"
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), index=True)
    organization_id: Mapped[int] = mapped_column(sa.ForeignKey("organization.id"), index=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    source: Mapped[StatementSource] = mapped_column(choice(StatementSource, name="source"))
    confidence: Mapped[int]


class IdentityProposal(Row, Base):
    """What a machine takes for likely: that two identities are one person, or that one (`other_id` the same) is none.

    The evidence is a function of the identities alone. The persons, how many commits would move and whether it is open
    follow from the log of decisions, and are kept beside it for the queue.
    """

    __tablename__ = "identity_proposal"
    __table_args__ = (
        sa.UniqueConstraint("kind", "identity_id", "other_id"),
        sa.Index(None, "is_open", "commits"),
    )
    public_id: Mapped[str] = public_id("ip")
    kind: Mapped[ProposalKind] = mapped_column(choice(ProposalKind, name="kind"))
    identity_id: Mapped[int] = mapped_column(sa.ForeignKey("identity.id"), index=True)
    other_id: Mapped[int] = mapped_column(sa.ForeignKey("identity.id"), index=True)
    confidence: Mapped[int]
    reasons: Mapped[list[str]]
    found_at: Mapped[datetime]
    one_person_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id"), index=True)
    other_person_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id"), index=True)
    commits: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    is_open: Mapped[bool]
    postponed_until: Mapped[date | None]


class ResolutionMade(Row, Base):
    """One making of who is who and for whom: what it rests on, for figures to name. Written when anything changed."""

    __tablename__ = "resolution"
    made_at: Mapped[datetime]
    identities: Mapped[int]
    persons: Mapped[int]
    decisions: Mapped[int]
    last_decision: Mapped[str] = mapped_column(sa.String(40))
    statements: Mapped[int]
    entry: Mapped[int]
    entry_hash: Mapped[str] = mapped_column(sa.String(64))


class Remark(Row, Versioned, Base):
    """What a reader says is wrong with a row of a page; it changes nothing, and waits for staff."""

    __tablename__ = "remark"
    public_id: Mapped[str] = public_id("rm")
    about: Mapped[RemarkAbout] = mapped_column(choice(RemarkAbout, name="about"))
    thing: Mapped[str] = mapped_column(sa.String(100))
    page: Mapped[str] = mapped_column(sa.String(500))
    text: Mapped[str] = mapped_column(sa.String(2000))
    said_by: Mapped[str] = mapped_column(sa.String(40))
    said_at: Mapped[datetime]
    sender: Mapped[str] = mapped_column(sa.String(64), index=True)
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str | None] = mapped_column(sa.String(100))
    answer: Mapped[str] = mapped_column(sa.String(1000), default="")
