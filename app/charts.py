"""Drawings made on the server as SVG and HTML: no script, readable on a phone, coloured by the stylesheet alone.

Widths are percentages and heights pixels, so a drawing fills whatever it stands in while its text keeps its size.
Each drawing has a title for readers who do not see it; put the same figures beside it with `figures_table`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

from app.markup import html, joined
from app.scales import Scale, SpanScale, tidy
from app.wording import number, span

HUES = 8
NOTHING = Markup("")
"""Where there is nothing to draw; whoever shows the figure says so."""
_PLOT_WIDTH = 1000


@dataclass(frozen=True)
class Series:
    """Values of one name, one for each label. `rest` gathers small ones, `unknown` is what is not attributed.

    A line may have gaps: `math.nan` where there is no value.
    """

    name: str
    values: Sequence[float]
    kind: Literal["known", "rest", "unknown"] = "known"
    url: str | None = None


@dataclass(frozen=True)
class Pair:
    """One name with two values side by side."""

    label: str
    one: float
    other: float
    url: str | None = None
    kind: Literal["known", "rest", "unknown"] = "known"


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its length, and a note beside the figure; `told` says the figure in other words."""

    label: str
    value: float
    note: str = ""
    url: str | None = None
    kind: Literal["known", "rest", "unknown"] = "known"
    told: str = ""


def stacked_area(
    title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "", height: int = 240,
    most: float | None = None,
) -> Markup:  # fmt: skip
    """Areas one upon the other; the first lies at the bottom, so give what is unknown last. `most`: the axis' end.

    >>> drawn = stacked_area("Commits", ["Jan", "Feb"], [Series("Acme", [1, 3]), Series("Unknown", [2, 2], "unknown")])
    >>> 'class="area series-1"' in drawn, 'class="area series-unknown"' in drawn
    (True, True)
    """
    _check(labels, series)
    totals = [sum(one.values[at] for one in series) for at in range(len(labels))]
    scale = Scale(most or max(totals, default=0), height, whole=_are_whole(series))
    below = [0.0] * len(labels)
    paths = []
    for one, css in zip(series, _hues(series), strict=True):
        above = [low + value for low, value in zip(below, one.values, strict=True)]
        paths.append(html('<path class="area {}" d="{}"/>', css, _area(below, above, scale)))
        below = above
    return _plot(title, labels, series, scale, joined(paths), unit)


def line(title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "", height: int = 220) -> Markup:
    """One line for each series over the labels."""
    _check(labels, series)
    highest = max((value for one in series for value in one.values if not math.isnan(value)), default=0)
    scale = Scale(highest, height, whole=_are_whole(series))
    return _plot(title, labels, series, scale, _strokes(series, scale), unit)


def spans(title: str, labels: Sequence[str], series: Sequence[Series], *, height: int = 220) -> Markup:
    """One line for each series of spans in seconds, on a scale where every step multiplies.

    >>> "1 week" in spans("Waiting", ["Jan", "Feb"], [Series("Median", [7200, 5 * 86_400])])
    True
    """
    _check(labels, series)
    scale = SpanScale([value for one in series for value in one.values], height)
    return _plot(title, labels, series, scale, _strokes(series, scale), "", told=_said)


def columns(
    title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "", height: int = 200
) -> Markup:
    """Standing bars, one for each label, the series stacked in it."""
    _check(labels, series)
    totals = [sum(one.values[at] for one in series) for at in range(len(labels))]
    scale = Scale(max(totals, default=0), height, whole=_are_whole(series))
    width = _PLOT_WIDTH / max(len(labels), 1)
    drawn = []
    below = [0.0] * len(labels)
    for one, css in zip(series, _hues(series), strict=True):
        for at, value in enumerate(one.values):
            if value <= 0:
                continue
            top, bottom = scale.y(below[at] + value), scale.y(below[at])
            drawn.append(
                html(
                    '<rect class="area {}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>',
                    css,
                    at * width + width * 0.1,
                    top,
                    width * 0.8,
                    bottom - top,
                )
            )
            below[at] += value
    return _plot(title, labels, series, scale, joined(drawn), unit, centred=True)


def bars(title: str, rows: Sequence[Bar], *, unit: str = "", most: float | None = None) -> Markup:
    """Lying bars with their names above them, the longest as wide as the place; `most` sets another full width."""
    full = most or max((row.value for row in rows), default=0) or 1
    drawn = []
    for row in rows:
        css = "series-1" if row.kind == "known" else f"series-{row.kind}"
        label = linked(row.label, row.url)
        length = number(tidy(row.value)) + (unit if unit == "%" else f" {unit}".rstrip())
        figure = (row.told or length) + (f" · {row.note}" if row.note else "")
        drawn.append(
            html(
                '<li><span class="bar-label">{}</span> <span class="bar-figure">{}</span>'
                '<svg class="chart" width="100%" height="8" aria-hidden="true">'
                '<rect class="bar-track" width="100%" height="8" rx="4"/>'
                '<rect class="area {}" width="{:.2f}%" height="8" rx="4"/></svg></li>',
                label,
                figure,
                css,
                100 * min(row.value / full, 1),
            )
        )
    return html('<ul class="bars" aria-label="{}">{}</ul>', title, joined(drawn))


def pairs(title: str, rows: Sequence[Pair], *, names: tuple[str, str]) -> Markup:
    """For each name two lying bars, one under the other, on one scale."""
    full = max((value for row in rows for value in (row.one, row.other)), default=0) or 1
    drawn = []
    for row in rows:
        label = linked(row.label, row.url)
        lines = joined(
            html(
                '<svg class="chart" width="100%" height="8" aria-hidden="true">'
                '<rect class="bar-track" width="100%" height="8" rx="4"/>'
                '<rect class="area series-{}" width="{:.2f}%" height="8" rx="4"/></svg>',
                hue,
                100 * min(value / full, 1),
            )
            for hue, value in enumerate((row.one, row.other), start=1)
        )
        figure = f"{number(tidy(row.one))} · {number(tidy(row.other))}"
        drawn.append(
            html(
                '<li class="pair"><span class="bar-label">{}</span> <span class="bar-figure">{}</span>{}</li>',
                label,
                figure,
                lines,
            )
        )
    legend = joined(
        html('<li><span class="swatch series-{}"></span>{}</li>', hue, name) for hue, name in enumerate(names, start=1)
    )
    return html('<ul class="bars" aria-label="{}">{}</ul><ul class="legend">{}</ul>', title, joined(drawn), legend)


def multiples(title: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> Markup:
    """Small lists of bars beside each other, each with its own name and scale."""
    drawn = joined(
        html('<div class="multiple"><h3>{}</h3>{}</div>', name, bars(f"{title}: {name}", rows)) for name, rows in groups
    )
    return html('<div class="multiples">{}</div>', drawn)


def sparkline(title: str, values: Sequence[float], *, width: int = 120, height: int = 28) -> Markup:
    """A small line without axes, to stand in a row of text or a table."""
    scale = Scale(max(values, default=0), height - 4, top=2, exact=True)
    path = _path(values, scale, width=width)
    return html(
        '<svg class="chart sparkline" width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<path class="stroke series-1" d="{}"/></svg>',
        width,
        height,
        width,
        height,
        title,
        path,
    )


def figures_table(caption: str, labels: Sequence[str], series: Sequence[Series], *, first: str = "When") -> Markup:
    """The figures of a drawing as a table, for `ui.figure(drawing, caption, table)`."""
    heads = joined(html('<th scope="col" class="num">{}</th>', one.name) for one in series)
    body = joined(
        html(
            '<tr><th scope="row" class="when">{}</th>{}</tr>',
            label,
            joined(html('<td class="num">{}</td>', _told(one.values[at])) for one in series),
        )
        for at, label in enumerate(labels)
    )
    return html(
        '<div class="table-wrap" tabindex="0" role="region" aria-label="{}"><table><caption>{}</caption>'
        '<thead><tr><th scope="col">{}</th>{}</tr></thead><tbody>{}</tbody></table></div>',
        caption,
        caption,
        first,
        heads,
        body,
    )


def linked(name: str, url: str | None) -> Markup:
    """A name, as a link where it has a page."""
    return html('<a href="{}">{}</a>', url, name) if url else escape(name)


def _plot(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    scale: Scale,
    drawn: Markup,
    unit: str,
    *,
    centred: bool = False,
    told: Callable[[float], str] | None = None,
) -> Markup:
    heights = [(tick, scale.y(tick)) for tick in scale.ticks]
    gutter = 10 + 7 * max(len(scale.told(tick)) for tick in scale.ticks)
    figures = joined(
        html('<text class="axis" x="{}" y="{:.1f}" text-anchor="end">{}</text>', gutter - 8, y + 4, scale.told(tick))
        for tick, y in heights
    )
    grid = joined(
        html('<line class="{}" x1="0" x2="100%" y1="{:.1f}" y2="{:.1f}"/>', "gridline" if tick else "baseline", y, y)
        for tick, y in heights
    )
    bottom = scale.top + scale.height
    total = bottom + 22
    return html(
        '<div class="chart-box"><svg class="chart chart-scale" width="{}" height="{}" aria-hidden="true">{}</svg>'
        '<svg class="chart" width="100%" height="{}" role="img" aria-label="{}">'
        '<svg x="0" y="0" width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" '
        'aria-hidden="true">{}</svg>{}<text class="axis" x="0" y="9">{}</text>{}{}</svg></div>{}',
        gutter,
        total,
        figures,
        total,
        title,
        bottom,
        _PLOT_WIDTH,
        bottom,
        drawn,
        grid,
        unit,
        _axis(labels, bottom + 17, centred=centred),
        _hover(labels, series, scale, told or _told),
        _legend(series),
    )


def _axis(labels: Sequence[str], y: float, *, centred: bool) -> Markup:
    count = len(labels)
    drawn = []
    for at in _spread(count, 4):
        x = (at + 0.5) / count if centred else at / max(count - 1, 1)
        anchor = "middle" if 0.1 < x < 0.9 else ("start" if x <= 0.1 else "end")
        drawn.append(
            html('<text class="axis" x="{:.2f}%" y="{}" text-anchor="{}">{}</text>', 100 * x, y, anchor, labels[at])
        )
    return joined(drawn)


def _hover(labels: Sequence[str], series: Sequence[Series], scale: Scale, told: Callable[[float], str]) -> Markup:
    """Invisible strips whose titles tell the figures under the pointer."""
    count = len(labels)
    return joined(
        html(
            '<rect class="hover" x="{:.3f}%" y="{}" width="{:.3f}%" height="{}"><title>{}</title></rect>',
            100 * at / count,
            scale.top,
            100 / count,
            scale.height,
            f"{label}\n" + "\n".join(f"{one.name}: {told(one.values[at])}" for one in reversed(series)),
        )
        for at, label in enumerate(labels)
    )


def _said(seconds: float) -> str:
    return span(None if math.isnan(seconds) else seconds)


def _told(value: float) -> str:
    """For reading; a dash where there is no value."""
    return "–" if math.isnan(value) else number(tidy(value))


def _legend(series: Sequence[Series]) -> Markup:
    if len(series) < 2:
        return Markup("")
    lines = joined(
        html(
            '<li><span class="swatch {}"></span>{}</li>',
            css,
            html('<a href="{}">{}</a>', one.url, one.name) if one.url else one.name,
        )
        for one, css in zip(series, _hues(series), strict=True)
    )
    return html('<ul class="legend">{}</ul>', lines)


def _hues(series: Sequence[Series]) -> list[str]:
    names, at = [], 0
    for one in series:
        if one.kind == "known":
            names.append(f"series-{at % HUES + 1}")
            at += 1
        else:
            names.append(f"series-{one.kind}")
    return names


def _strokes(series: Sequence[Series], scale: Scale) -> Markup:
    return joined(
        html('<path class="stroke {}" d="{}" vector-effect="non-scaling-stroke"/>', css, _path(one.values, scale))
        for one, css in zip(series, _hues(series), strict=True)
    )


def _area(below: Sequence[float], above: Sequence[float], scale: Scale) -> str:
    count = len(above)
    forward = [f"{_x(at, count):.2f},{scale.y(value):.2f}" for at, value in enumerate(above)]
    back = [f"{_x(at, count):.2f},{scale.y(below[at]):.2f}" for at in reversed(range(count))]
    if count == 1:
        forward = [f"0,{scale.y(above[0]):.2f}", f"{_PLOT_WIDTH},{scale.y(above[0]):.2f}"]
        back = [f"{_PLOT_WIDTH},{scale.y(below[0]):.2f}", f"0,{scale.y(below[0]):.2f}"]
    return f"M{' L'.join(forward + back)} Z" if forward else ""


def _path(values: Sequence[float], scale: Scale, *, width: int = _PLOT_WIDTH) -> str:
    count = len(values)
    if count == 1 and not math.isnan(values[0]):
        return f"M0,{scale.y(values[0]):.2f} L{width},{scale.y(values[0]):.2f}"
    drawn, is_broken = [], True
    for at, value in enumerate(values):
        if not math.isnan(value):
            # A value alone between two gaps is a dot: a line of no length, with round ends.
            dot = "h0" if is_broken and (at + 1 == count or math.isnan(values[at + 1])) else ""
            drawn.append(f"{'M' if is_broken else 'L'}{_x(at, count, width):.2f},{scale.y(value):.2f}{dot}")
        is_broken = math.isnan(value)
    return " ".join(drawn)


def _x(at: int, count: int, width: int = _PLOT_WIDTH) -> float:
    return at * width / max(count - 1, 1)


def _spread(count: int, most: int) -> list[int]:
    """At most so many places from the first on, all equally far apart."""
    return list(range(0, count, math.ceil(count / most))) if count else []


def _are_whole(series: Sequence[Series]) -> bool:
    return all(float(value).is_integer() or math.isnan(value) for one in series for value in one.values)


def _check(labels: Sequence[str], series: Sequence[Series]) -> None:
    for one in series:
        if len(one.values) != len(labels):
            raise ValueError(f"series {one.name!r} has {len(one.values)} values for {len(labels)} labels")
