"""The same foundation on SQLite and on PostgreSQL shows the same pages, word for word."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.app.pages.conftest import Gallery, gallery_of
from tests.app.pages.foundation import found
from tests.app.pages.walk import Page, walk

# In the group of what looks at the SQLite portal's pages, which is filled and walked once.
pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.xdist_group("pages")]
_WHAT_DIFFERS = (
    (re.compile(r"\b[a-z]{1,4}_[a-z0-9]{10,14}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{8,64}\b|/tmp/\S+"), "HASH-OR-PATH"),
    (re.compile(r"\d+(\.\d)? (s|seconds)\b|just now|in \d+ months"), "A WHILE"),
    (re.compile(r'name="csrf_token" value="[^"]*"|/sign-in/[\w-]+'), "SECRET"),
)


def test_every_page_says_the_same_on_both(tmp_path: Path, postgres_url: str, gallery: Gallery) -> None:
    other = gallery_of(found(tmp_path, postgres_url))
    said = {
        kind: [(page.endpoint, page.status, _plain(page)) for page in _all_of(one) if page.is_html]
        for kind, one in (("sqlite", gallery), ("postgresql", other))
    }
    other.foundation.db.close()
    assert [one[:2] for one in said["sqlite"]] == [one[:2] for one in said["postgresql"]]
    differ = [
        (here[0], here[2] - there[2], there[2] - here[2])
        for here, there in zip(said["sqlite"], said["postgresql"], strict=True)
        if here != there
    ]
    assert differ == []


def _all_of(gallery: Gallery) -> list[Page]:
    """The gallery's pages, its forms sent empty, and of the figures many windows, filters and orders."""
    sent = [page for page in gallery.to_look_at if page.sends_empty_form]
    figures = walk(gallery.foundation.app, gallery.foundation.visitor, "visitor", start=("/contributions/",), most=8)
    return [*gallery.pages, *sent, *figures]


def _plain(page: Page) -> Counter[str]:
    """The words of a page without what is drawn by lot or by the clock, counted: ties stand in any order."""
    text = re.sub(r"<(svg|pre).*?</\1>", "", page.text, flags=re.DOTALL)  # drawings, logs, and a query in the dialect
    for differs, name in _WHAT_DIFFERS:
        text = differs.sub(name, text)
    return Counter(re.sub(r"<[^>]+>", "\n", text).split())
