"""What the people's forms send."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field as Bound

from app.forms import Field, Form

Reason = Bound(min_length=1, max_length=1000)
WHO = Field("person", "Person", hint="A public id (p_…), an e-mail address or the exact name.", required=True)


class ReasonForm(Form):
    """A decision's public reason."""

    reason: str = Reason


class MergeForm(ReasonForm):
    """Whom a person is the same as."""

    other: str = Bound(max_length=320)


class EnterForm(ReasonForm):
    """A person who is known by a name and an address."""

    name: str = Bound(max_length=200)
    email: str = Bound(max_length=320)


class RenameForm(ReasonForm):
    """Another name."""

    name: str = Bound(max_length=200)


class RoleForm(ReasonForm):
    """What an identity is."""

    identity: str = Bound(max_length=40)
    kind: Literal["bot", "landing-bot-for", "assistance", "person"]
    landing_for: str = Bound(default="", max_length=100)


class SettleForm(ReasonForm):
    """Whose a contested login or address is."""

    is_theirs: Literal["yes", "no"]


class StatementForm(Form):
    """Whom a person works for; `organization_id` "independent" is nobody."""

    organization_id: str = Bound(max_length=40)
    starts_on: date
    ends_on: date | None = None
    is_part: bool = False
    reason: str = Bound(default="", max_length=1000)


class RemarkForm(Form):
    """What a reader says is wrong."""

    text: str = Bound(min_length=3, max_length=2000)


class AnswerForm(Form):
    """What became of a remark."""

    answer: str = Bound(min_length=1, max_length=1000)
