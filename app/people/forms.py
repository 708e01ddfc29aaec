"""What the people's forms send."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field as Bound
from pydantic import model_validator

from app.forms import Form

Reason = Bound(min_length=1, max_length=1000)


class ReasonForm(Form):
    """A decision's public reason."""

    reason: str = Reason


class MergeForm(ReasonForm):
    """Whom a person is the same as."""

    other: str = Bound(max_length=320)


class RenameForm(ReasonForm):
    """Another name."""

    name: str = Bound(max_length=200)


class RoleForm(ReasonForm):
    """What an identity is."""

    identity: str = Bound(max_length=40)
    kind: Literal["bot", "landing-bot-for", "assistance"]
    landing_for: str = Bound(default="", max_length=100)


class StatementForm(Form):
    """Whom a person works for; `organization` "independent" is nobody."""

    organization: str = Bound(max_length=40)
    starts_on: date
    ends_on: date | None = None
    reason: str = Bound(default="", max_length=1000)

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> StatementForm:
        if self.ends_on is not None and self.ends_on < self.starts_on:
            raise ValueError(f"the last day, {self.ends_on}, is before the first, {self.starts_on}")
        return self
