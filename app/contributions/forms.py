"""What the form of the repositories sends."""

from __future__ import annotations

from pydantic import Field as Bound

from app.forms import Form


class RepositoryForm(Form):
    """A repository by path or address; without a name it is called after the last part of that."""

    location: str = Bound(max_length=2000)
    name: str = Bound(default="", max_length=200)
    reason: str = Bound(max_length=1000)
