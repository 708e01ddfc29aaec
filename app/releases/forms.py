"""What the releases' forms send."""

from __future__ import annotations

from pydantic import Field as Bound

from app.forms import Form


class ReasonForm(Form):
    """Why somebody signs, publishes or yanks; when it is needed is the rules' matter."""

    reason: str = Bound(default="", max_length=1000)
