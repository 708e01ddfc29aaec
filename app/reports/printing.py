"""A report as PDF: its own page with its own sheet of styles, pressed by a program of its own within limits."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from flask import render_template
from markupsafe import Markup

from app.reports import press
from app.reports.contents import Report

SECONDS, MEMORY_BYTES, MOST_BYTES = 90, 1 << 30, 20_000_000
ABSENT = (
    "No PDF can be made here: WeasyPrint is not installed. Whoever runs this portal installs it with "
    "`pip install --group reports` (and Pango from the system’s packages). Until then print this page from the browser."
)
_STEERS = re.compile(r"""["'\\<>&\x00-\x1f\x7f]""")
_DRAWING = re.compile(r'(<svg class="chart[^>]*>)')


class PressError(Exception):
    """No PDF came of it; the message is a sentence for people."""


def can_print() -> bool:
    """Whether WeasyPrint is installed."""
    return importlib.util.find_spec("weasyprint") is not None


def page_of(report: Report) -> str:
    """The report as one page that needs nothing from outside; in the context of a request, since links need one."""
    page = render_template("reports/print.html", report=report, inked=inked)
    style = render_template("reports/print.css", report=report, quoted=quoted)
    return page.replace("</head>", f"<style>{style}</style></head>", 1)


def quoted(text: str) -> str:
    r"""A text as a string of a stylesheet that stands in a page: nothing in it ends the string, or the sheet.

    >>> print(quoted('Acme "Labs"</style>'))
    "Acme \22 Labs\22 \3c /style\3e "
    """
    return '"' + _STEERS.sub(lambda found: f"\\{ord(found[0]):x} ", text) + '"'


def inked(drawing: Markup) -> Markup:
    """A drawing that carries its own colours: on paper no stylesheet of the page reaches into it."""
    style = render_template("reports/drawing.css")
    return Markup(_DRAWING.sub(lambda found: f"{found[1]}<style>{style}</style>", str(drawing)))  # noqa: S704 - ours


def pressed(html: str, *, seconds: int = SECONDS, memory_bytes: int = MEMORY_BYTES) -> bytes:
    """A page as PDF, made by another process, which may take so much time and memory and reaches nothing.

    Raises: PressError.
    """
    program = [sys.executable, "-I", str(Path(press.__file__)), str(seconds), str(memory_bytes)]
    try:
        done = subprocess.run(program, input=html.encode(), capture_output=True, timeout=seconds * 2, check=False)
    except subprocess.TimeoutExpired:
        raise PressError(f"The report was not pressed within {seconds * 2} seconds.") from None
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF"):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1][:300] if said else f"it ended with status {done.returncode}, over its {seconds} seconds maybe"
        raise PressError(f"The report could not be pressed: {reason}")
    if len(done.stdout) > MOST_BYTES:
        raise PressError(f"The report has {len(done.stdout):,} bytes, and at most {MOST_BYTES:,} are kept.")
    return done.stdout
