"""What the members' forms send."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from pydantic import Field as Bound
from pydantic import field_validator

from app.forms import Form
from app.members.rules import OrganizationKind

Reason = Bound(min_length=1, max_length=1000)


class OrganizationForm(Form):
    """An organization's own facts."""

    name: str = Bound(max_length=200)
    kind: OrganizationKind
    parent: str = Bound(default="", max_length=40)
    website: str = Bound(default="", max_length=300)
    description: str = Bound(default="", max_length=2000)
    reason: str = Reason

    @field_validator("website")
    @classmethod
    def _is_a_web_address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("is no web address; it begins with https://")
        return value


class MembershipForm(Form):
    """A membership; dues in whole currency with cents, the tier's own where empty."""

    tier: str = Bound(max_length=60)
    starts_on: date
    ends_on: date | None = None
    dues: Decimal | None = Bound(default=None, ge=0, le=100_000_000, decimal_places=2)
    reason: str = Reason

    @property
    def dues_cents(self) -> int | None:
        """The dues in cents."""
        return None if self.dues is None else int(self.dues * 100)


class EndForm(Form):
    """A last day."""

    ends_on: date
    reason: str = Reason


class DomainForm(Form):
    """An e-mail domain."""

    domain: str = Bound(max_length=253)
    starts_on: date
    ends_on: date | None = None
    reason: str = Reason


class PersonForm(Form):
    """A person who works there."""

    person: str = Bound(max_length=320)
    starts_on: date
    ends_on: date | None = None
    reason: str = Reason
