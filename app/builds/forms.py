"""What the form of the builds sends."""

from __future__ import annotations

from pydantic import Field as Bound

from app.forms import Form


class AskForm(Form):
    """Which commit of which repository is built, or released."""

    repository: str = Bound(max_length=40)
    commit: str = Bound(max_length=200)
