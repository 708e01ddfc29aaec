"""What the bodies' forms send."""

from __future__ import annotations

from datetime import date

from pydantic import Field as Bound

from app.forms import Form

Reason = Bound(min_length=1, max_length=1000)


class AppointmentForm(Form):
    """Who sits on which seat, for whom, from when until when."""

    seat: str = Bound(max_length=60)
    person: str = Bound(max_length=320)
    organization: str = Bound(default="", max_length=40)
    is_alternate: bool = False
    starts_on: date
    ends_on: date | None = None
    reason: str = Reason


class EndForm(Form):
    """The last day of an appointment."""

    ends_on: date
    reason: str = Reason
