"""What the releases' forms send."""

from __future__ import annotations

from pydantic import Field as Bound

from app.forms import Form


class AskForm(Form):
    """Which commit of which repository becomes a release."""

    repository: str = Bound(max_length=40)
    commit: str = Bound(max_length=200)


class ReasonForm(Form):
    """Why somebody signs, publishes or yanks; when it is needed is the rules' matter."""

    reason: str = Bound(default="", max_length=1000)
