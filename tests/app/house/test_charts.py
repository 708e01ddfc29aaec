"""Drawings: what they say, that nothing from outside can break out of them, and how they look."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from flask import Flask, render_template_string
from markupsafe import Markup

from app import charts, scales
from app.auth import access
from app.charts import Bar, Series
from tests.portal import Browser

HOSTILE = '"><script>alert(1)</script>'
MONTHS = [f"{name} 2026" for name in ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct")]


def every_kind(name: str, labels: list[str]) -> dict[str, Markup]:
    count = len(labels)
    series = [
        Series(name, [4 + at % 3 for at in range(count)], url="/x"),
        Series("Brass Instruments", [2 + (at * 7) % 5 for at in range(count)]),
        Series("Unattributed", [3 + (at * 5) % 4 for at in range(count)], "unknown"),
    ]
    rows = [Bar(name, 1240, "43%", "/x"), Bar("Brass Instruments", 310), Bar("Unattributed", 620, kind="unknown")]
    return {
        "stacked_area": charts.stacked_area(name, labels, series, unit="commits"),
        "line": charts.line(name, labels, series[:2], unit="days"),
        "spans": charts.spans(name, labels, series[:2]),
        "pairs": charts.pairs(name, [charts.Pair(name, 4, 2, "/x"), charts.Pair(name, 0, 1)], names=(name, "Received")),
        "multiples": charts.multiples(name, [(name, rows), ("People", rows)]),
        "columns": charts.columns(name, labels, series, unit="commits"),
        "bars": charts.bars(name, rows, unit="commits"),
        "sparkline": charts.sparkline(name, [1, 4, 2, 8, 5, 7]),
        "figures_table": charts.figures_table(name, labels, series),
    }


@pytest.mark.parametrize("kind", list(every_kind("Acme", MONTHS)))
def test_a_drawing_is_well_formed_and_shows_a_hostile_name_as_text(kind: str) -> None:
    drawn = every_kind(HOSTILE, MONTHS)[kind]
    assert "<script" not in drawn
    ElementTree.fromstring(f"<r>{drawn}</r>".replace("&nbsp;", " "))


def test_a_value_alone_between_gaps_is_drawn_as_a_dot() -> None:
    nan = math.nan
    drawn = charts.spans("Waiting", MONTHS[:5], [Series("Median", [3600, nan, 7200, nan, 3600])])
    (path,) = re.findall(r'<path class="stroke[^"]*" d="([^"]*)"', drawn)
    assert [part[-2:] for part in path.split(" ")] == ["h0", "h0", "h0"]
    joined = charts.line("Open", MONTHS[:4], [Series("Open", [1, 2, nan, nan])])
    assert "h0" not in joined


@pytest.mark.parametrize("labels", [[], ["Jan"], ["Jan", "Feb"]])
def test_nothing_one_and_two_points_can_be_drawn(labels: list[str]) -> None:
    for drawn in every_kind("Acme", labels).values():
        ElementTree.fromstring(f"<r>{drawn}</r>")
    zeros = charts.stacked_area("Nothing", labels, [Series("a", [0.0] * len(labels))])
    assert "nan" not in zeros


@pytest.mark.parametrize(
    ("most", "whole", "ticks"),
    [
        (0, True, [0, 1]),
        (1, True, [0, 1]),
        (3, True, [0, 1, 2, 3]),
        (7, True, [0, 2, 4, 6, 8]),
        (1240, True, [0, 500, 1000, 1500]),
        (0.9, False, [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_ticks_are_round_and_reach_the_highest_value(most: float, whole: bool, ticks: list[float]) -> None:
    assert scales.round_ticks(most, whole=whole) == ticks


def test_a_series_with_too_few_values_is_refused() -> None:
    with pytest.raises(ValueError, match="'Acme' has 1 values for 2 labels"):
        charts.line("x", ["a", "b"], [Series("Acme", [1])])


@pytest.mark.browser
@pytest.mark.slow
def test_the_gallery_fits_a_phone(app: Flask, browser: Browser) -> None:
    @app.get("/gallery")
    @access("public")
    def gallery() -> str:
        return render_template_string(
            '{% extends "base.html" %}{% block main %}{{ ui.page_head("Gallery", "Every drawing once.") }}'
            "{% for name, drawn in kinds.items() %}{{ ui.figure(drawn, name, table) }}{% endfor %}{% endblock %}",
            kinds=every_kind("Acme Analytics and Applied Mathematics", MONTHS),
            table=charts.figures_table("Commits", ["Jan"], [Series("Acme", [3])]),
        )

    for width, dark in ((1280, False), (375, True)):
        browser.show(width=width, dark=dark)
        browser.open("/gallery")
        browser.picture(f"gallery-{width}")
        assert browser.overflow() == 0
    assert browser.complaints() == []
