"""What looks for barriers finds them, also where it looks at some of what is built alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.app.pages.eyes import COLOURS, barriers

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("pages")]
PAGE = """<!doctype html><html lang="en"><title>Rows</title><meta charset="utf-8">
<style>body {{ background: white; color: black }} .pale, [aria-current] {{ color: #eee }}</style>
<main><h1>Rows</h1><table><tbody>{}</tbody></table></main></html>"""


@pytest.mark.parametrize("of_alike", [0, 2])
@pytest.mark.parametrize(
    ("row", "is_barred"),
    [("<td>one</td>", False), ('<td class="pale">one</td>', True), ('<td style="color: #eee">one</td>', True),
     ('<td><b class="pale">one</b></td>', True), ('<td aria-current="true">one</td>', True)],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 7, 19])
def test_a_row_that_cannot_be_read_is_found_wherever_it_stands(
    chromium: Chrome, tmp_path: Path, of_alike: int, row: str, is_barred: bool, place: int
) -> None:
    rows = ["<tr><td>as all others</td></tr>"] * 20
    rows[place] = f"<tr>{row}</tr>"
    page = tmp_path / "page.html"
    page.write_text(PAGE.format("".join(rows)))
    chromium.get(page.as_uri())
    found = barriers(chromium, rules=COLOURS, of_alike=of_alike)
    assert bool(found) == is_barred, found


def test_of_what_is_built_alike_two_and_the_last_are_looked_at(chromium: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGE.format('<tr><td class="pale">one</td></tr>' * 20))
    chromium.get(page.as_uri())
    every, some = (barriers(chromium, rules=COLOURS, of_alike=number)[0] for number in (0, 2))
    assert ("20 times" in every, "3 times" in some) == (True, True)
