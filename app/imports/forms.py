"""What the forms of imports send."""

from __future__ import annotations

from pydantic import Field as Bound

from app.forms import Form
from app.imports.queries import CONFIDENCE
from app.imports.rules import FileKind


class FileForm(Form):
    """What kind of file it is, where it lies, whose group it lists, and how sure its statements are."""

    kind: FileKind
    name: str = Bound(default="", max_length=300)
    organization: str = Bound(default="", max_length=200)
    confidence: int = CONFIDENCE
