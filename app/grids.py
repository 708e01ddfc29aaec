"""Drawings that are tables and lists: cells shaded by their values, and values with their bounds. No script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from app.charts import linked
from app.markup import html, joined

STEPS = 4


@dataclass(frozen=True)
class Shaded:
    """One cell: its value (None: there is none yet), what is written in it, and what it says under the pointer."""

    value: float | None
    text: str = ""
    title: str = ""


@dataclass(frozen=True)
class Line:
    """One row of a heat table: its name, its cells, a figure for all of it and that figure's share of the highest."""

    name: str
    cells: Sequence[Shaded]
    url: str | None = None
    figure: str = ""
    share: float | None = None


def heat_table(
    title: str, labels: Sequence[str], lines: Sequence[Line], *, first: str, figure: str = "", most: float | None = None
) -> Markup:
    """A table whose cells are darker where the value is higher, in four steps up to `most` (the highest value).

    `first` heads the names, `figure` the figures of the whole rows. Beyond 14 columns the cells' texts are only heard.
    >>> drawn = heat_table("Kept", ["1", "2"], [Line("2025 Q1", [Shaded(1.0, "100%"), Shaded(None)])], first="Came")
    >>> 'class="heat-4"' in drawn, 'class="heat-none"' in drawn
    (True, True)
    """
    full = most or max((cell.value or 0 for line in lines for cell in line.cells), default=0)
    is_wide = len(labels) > 14
    heads = [html('<th scope="col">{}</th>', first)]
    if figure:
        heads.append(html('<th scope="col" class="num">{}</th>', figure))
    heads += [html('<th scope="col" class="heat-when">{}</th>', _thin(label, at, len(labels)))
              for at, label in enumerate(labels)]  # fmt: skip
    body = []
    for line in lines:
        bar = Markup("")
        if line.share is not None:
            bar = html(
                '<svg class="chart" width="100%" height="4" aria-hidden="true"><rect class="area series-1" '
                'width="{:.2f}%" height="4" rx="2"/></svg>',
                100 * line.share,
            )
        cells = [html('<th scope="row">{}{}</th>', linked(line.name, line.url), bar)]
        if figure:
            cells.append(html('<td class="num">{}</td>', line.figure))
        cells += [_cell(cell, full, is_wide=is_wide) for cell in line.cells]
        body.append(html("<tr>{}</tr>", joined(cells)))
    return html(
        '<div class="table-wrap" tabindex="0" role="region" aria-label="{}"><table class="heat{}">'
        '<caption class="unseen">{}</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        title,
        " heat-wide" if is_wide else "",
        title,
        joined(heads),
        joined(body),
    )


@dataclass(frozen=True)
class Range:
    """A value between two bounds, None where none can be given; `note` stands beside it, the name leads to `url`."""

    label: str
    low: float | None
    value: float | None
    high: float | None
    note: str = ""
    url: str | None = None


def ranges(title: str, rows: Sequence[Range]) -> Markup:
    """Each value as a dot on the stretch between its bounds, all on one scale that begins at 0.

    >>> drawn = ranges("Waiting", [Range("Members", 1, 2, 4, "2 h"), Range("Others", 1, 2, None)])
    >>> 'width="75.00%"' in drawn, 'range-open' in drawn
    (True, True)
    """
    known = [one for row in rows for one in (row.low, row.value, row.high) if one is not None]
    full = max(known, default=0) or 1
    drawn = []
    for row in rows:
        low = 100 * (row.low if row.low is not None else row.value or 0) / full
        high = 100.0 if row.high is None else 100 * row.high / full
        parts = Markup("")
        if row.value is not None:
            css = "range-open" if row.high is None else "range"
            parts = html(
                '<rect class="{}" x="{:.2f}%" y="4" width="{:.2f}%" height="8" rx="4"/>'
                '<circle class="range-value" cx="{:.2f}%" cy="8" r="6"/>',
                css,
                low,
                max(high - low, 0.5),
                100 * row.value / full,
            )
        drawn.append(
            html(
                '<li><span class="bar-label">{}</span> <span class="bar-figure">{}</span>'
                '<svg class="chart" width="100%" height="16" aria-hidden="true">'
                '<rect class="bar-track" y="7" width="100%" height="2" rx="1"/>{}</svg></li>',
                linked(row.label, row.url),
                row.note,
                parts,
            )
        )
    return html('<ul class="bars ranges" aria-label="{}">{}</ul>', title, joined(drawn))


def _cell(cell: Shaded, full: float, *, is_wide: bool) -> Markup:
    if cell.value is None:
        return Markup('<td class="heat-none"></td>')
    step = 0 if cell.value <= 0 or full <= 0 else min(STEPS, 1 + int(STEPS * cell.value / full * 0.999))
    text = html('<span class="unseen">{}</span>', cell.text) if is_wide else escape(cell.text)
    title = html(' title="{}"', cell.title) if cell.title else Markup("")
    return html('<td class="heat-{}"{}>{}</td>', step, title, text)


def _thin(label: str, at: int, count: int) -> Markup:
    """Of many labels every third or so is shown; all are heard."""
    step = -(-count // 14)
    return escape(label) if at % step == 0 else html('<span class="unseen">{}</span>', label)
