"""Tables of bodies: seats as governance/ defines them, and who was appointed to them from when until when."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.bodies.rules import AppointmentOrigin, BodyKind, Nature
from app.db import Base, Row, Versioned, choice, public_id


class Body(Row, Base):
    """A body, from bodies.yaml, or a module's maintainers (`module:<key>`). Retired, never deleted."""

    __tablename__ = "body"
    key: Mapped[str] = mapped_column(sa.String(80), unique=True)
    name: Mapped[str] = mapped_column(sa.String(500))
    kind: Mapped[BodyKind] = mapped_column(choice(BodyKind, name="kind"))
    nature: Mapped[Nature] = mapped_column(choice(Nature, name="nature"))
    summary: Mapped[str] = mapped_column(sa.String(500))
    clause: Mapped[str] = mapped_column(sa.String(20))
    module_key: Mapped[str | None] = mapped_column(sa.String(60), unique=True)
    employer_cap: Mapped[int | None]
    related_cap: Mapped[int | None]
    quorum_rule: Mapped[str | None] = mapped_column(sa.String(60))
    motion_rule: Mapped[str | None] = mapped_column(sa.String(60))
    retired_on: Mapped[date | None]


class Seat(Row, Base):
    """A seat of a body, or several equal ones: `places` of them, or any number when None.

    A seat appointed by a tier has as many places as tiers.yaml gives on the day.
    """

    __tablename__ = "seat"
    __table_args__ = (sa.UniqueConstraint("body_id", "key"),)
    body_id: Mapped[int] = mapped_column(sa.ForeignKey("body.id"), index=True)
    key: Mapped[str] = mapped_column(sa.String(60))
    name: Mapped[str] = mapped_column(sa.String(500))
    kind: Mapped[str] = mapped_column(sa.String(40))
    appointed_by: Mapped[str] = mapped_column(sa.String(100))
    votes: Mapped[int]
    alternates: Mapped[bool]
    places: Mapped[int | None]
    term_years: Mapped[int | None]
    position: Mapped[int]
    retired_on: Mapped[date | None]


class Appointment(Row, Versioned, Base):
    """A person on a seat from a day until a day, both included, for an organization where one appoints."""

    __tablename__ = "appointment"
    __table_args__ = (sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="ends_after_start"),)
    public_id: Mapped[str] = public_id("ap")
    seat_id: Mapped[int] = mapped_column(sa.ForeignKey("seat.id"), index=True)
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), index=True)
    organization_id: Mapped[int | None] = mapped_column(sa.ForeignKey("organization.id"), index=True)
    is_alternate: Mapped[bool] = mapped_column(default=False)
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    origin: Mapped[AppointmentOrigin] = mapped_column(choice(AppointmentOrigin, name="origin"))
    reason: Mapped[str] = mapped_column(sa.String(1000))
    ended_reason: Mapped[str | None] = mapped_column(sa.String(1000))
    made_at: Mapped[datetime]
