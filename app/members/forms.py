"""What the members' forms send."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator
from pydantic import Field as Bound

from app.forms import Form
from app.members.rules import OrganizationKind, Outcome


def _web_address(value: str) -> str:
    if value and not value.startswith(("https://", "http://")):
        raise ValueError("is no web address; it begins with https://")
    return value


def _cents(value: Decimal | None) -> int | None:
    return None if value is None else int(value * 100)


Words = Annotated[str, Bound(min_length=1, max_length=1000)]
Website = Annotated[str, Bound(max_length=300), AfterValidator(_web_address)]
Dues = Annotated[Decimal | None, Bound(ge=0, le=100_000_000, decimal_places=2), AfterValidator(_cents)]


class ReasonForm(Form):
    """A decision's public reason."""

    reason: Words


class RecordForm(ReasonForm):
    """What an organization may say of itself."""

    name: str = Bound(max_length=200)
    website: Website = ""
    description: str = Bound(default="", max_length=2000)
    contact: str = Bound(default="", max_length=320)


class OrganizationForm(RecordForm):
    """An organization's facts as staff keep them."""

    kind: OrganizationKind
    parent: str = Bound(default="", max_length=40)


class EndForm(ReasonForm):
    """A last day."""

    ends_on: date


class SpanForm(ReasonForm):
    """Something that holds from a day until a day."""

    starts_on: date
    ends_on: date | None = None


class MembershipForm(SpanForm):
    """A membership; dues in whole currency with cents, the tier's own where empty."""

    tier: str = Bound(max_length=60)
    dues_cents: Dues = None


class DomainForm(SpanForm):
    """An e-mail domain."""

    domain: str = Bound(max_length=253)


class PersonForm(SpanForm):
    """A person who works there."""

    person: str = Bound(max_length=320)


class OutcomeForm(Form):
    """An answer to a proposal."""

    outcome: Outcome
    reason: str = Bound(default="", max_length=1000)
