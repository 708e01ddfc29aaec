"""On paper a drawing has the colours that the stylesheet gives it on the screen: nothing in it is left black."""

from __future__ import annotations

import re
from pathlib import Path

import app

FOLDER = Path(app.__file__).parent
_PAINTED = re.compile(r"\.([a-z][a-z-]*)[^{}]*\{[^}]*\b(?:fill|stroke):")


def test_whatever_a_drawing_is_painted_with_is_painted_on_paper():
    painted = set(_PAINTED.findall((FOLDER / "static" / "charts.css").read_text()))
    on_paper = set(re.findall(r"\.([a-z][a-z-]*)", (FOLDER / "templates" / "reports" / "drawing.css").read_text()))
    assert {one for one in painted - on_paper if not one.startswith(("chart", "heat", "hover", "series"))} == set()
