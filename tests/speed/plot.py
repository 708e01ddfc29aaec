"""The report as a picture for the README: a point a rival, how many times as fast ours is, one panel a thread count.

Hand-made SVG; its colours follow the reader's light or dark theme."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

LEAST, MOST = 0.5, 32.0  # what lies beyond is drawn at the edge
TICKS = (0.5, 1, 2, 4, 8, 16, 32)
LABELS, PANEL, FIGURES, GAP = 326, 214, 78, 18
TOP, LINE, HEADING, FOOT = 112, 20, 34, 40
SHOWN = {"E": "eager", "B": "best"}
RADII = {"eager": 5, "best": 3}  # one shows around the other where they meet
FIRST = "suite"  # the group that sums up comes first
STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .heading { font-weight: 600; fill: #59636e; letter-spacing: .04em; }
  .quiet { fill: #59636e; font-size: 11px; }
  .figure { font-size: 11px; font-variant-numeric: tabular-nums; text-anchor: end; }
  .sum { font-weight: 600; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .even { stroke: #818b98; stroke-width: 1.5; }
  .span { stroke: #d1d9e0; stroke-width: 5; stroke-linecap: round; }
  .stripe { fill: #818b98; opacity: .07; }
  .eager { fill: #c2410c; stroke: #c2410c; }
  .best { fill: #0f766e; stroke: #0f766e; }
  text.eager, text.best { stroke: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .quiet, .heading { fill: #9198a1; } .grid, .span { stroke: #3d444d; }
    .even { stroke: #9198a1; } .eager { fill: #fb923c; stroke: #fb923c; } .best { fill: #5eead4; stroke: #5eead4; }
  }
"""


@dataclass(frozen=True)
class Panel:
    """The rows of one thread count, from `left` on."""

    threads: int
    left: float

    def x(self, value: float) -> float:
        share = math.log2(min(max(value, LEAST), MOST) / LEAST) / math.log2(MOST / LEAST)
        return self.left + share * PANEL


def plot(report: dict[str, Any]) -> str:
    """SVG text: the rows that were compared with PyTorch, by group; a row's thread counts share a line."""
    groups = _groups(report["rows"])
    counts = sorted({row["threads"] for rows in groups.values() for of in rows.values() for row in of}) or [1]
    panels = [Panel(count, LABELS + i * (PANEL + FIGURES + GAP)) for i, count in enumerate(counts)]
    width = panels[-1].left + PANEL + FIGURES + 12
    end = TOP + sum(HEADING + LINE * len(rows) for rows in groups.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {end + FOOT}" role="img"'
        ' aria-labelledby="title">',
        '<title id="title">How many times as fast as PyTorch flambeau is, by kind of work</title>',
        f"<style>{STYLE}</style>",
        '<text class="title" x="12" y="28">How many times as fast as PyTorch</text>',
        f'<text class="quiet" x="12" y="48">{escape(_machine(report))}</text>',
        *_legend(),
        *(part for panel in panels for part in _axis(panel, end)),
    ]
    y = float(TOP)
    for group, rows in groups.items():
        parts.append(f'<text class="heading" x="12" y="{y + 22:.0f}">{escape(group.upper())}</text>')
        y += HEADING
        for i, (title, of) in enumerate(rows.items()):
            parts += _line(title, of, panels, y, striped=i % 2 == 0, width=width)
            y += LINE
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _groups(rows: list[dict[str, Any]]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """By group, then by title: the rows of all thread counts that have something to draw."""
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {FIRST: {}}
    for row in rows:
        if row["kind"] != "ceiling" and any(_shown(row)):
            groups.setdefault(row["group"], {}).setdefault(row["title"], []).append(row)
    return {group: found for group, found in groups.items() if found}


def _shown(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (found for found in row["comparisons"] if found["to"] in SHOWN and found["ratio"])


def _line(
    title: str, rows: list[dict[str, Any]], panels: list[Panel], y: float, *, striped: bool, width: float
) -> Iterator[str]:
    middle = y + LINE / 2
    if striped:
        yield f'<rect class="stripe" x="6" y="{y:.0f}" width="{width - 12:.0f}" height="{LINE}" rx="3"/>'
    kind = "sum" if rows[0]["kind"] == "mean" else "label"
    yield f'<text class="{kind}" x="12" y="{middle + 4:.0f}" {_fitted(title)}>{escape(title)}</text>'
    for panel in panels:
        for row in rows:
            if row["threads"] == panel.threads:
                yield from _points(row, panel, middle)


def _points(row: dict[str, Any], panel: Panel, y: float) -> Iterator[str]:
    """A point and a figure for each rival, its interval through it, its target as a tick."""
    found = list(_shown(row))
    ends = [panel.x(of["ratio"]["value"]) for of in found]
    yield f'<line class="span" x1="{min(ends):.1f}" x2="{max(ends):.1f}" y1="{y}" y2="{y}"/>'
    for of, x in zip(found, ends, strict=True):
        kind, ratio = SHOWN[of["to"]], of["ratio"]
        if of["target"]:
            at = panel.x(of["target"])
            yield f'<line class="{kind}" stroke-width="2" x1="{at:.1f}" x2="{at:.1f}" y1="{y - 8}" y2="{y + 8}"/>'
        low, high = panel.x(ratio["low"]), panel.x(ratio["high"])
        yield f'<line class="{kind}" stroke-width="1.5" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y}" r="{RADII[kind]}"/>'
        right = panel.left + PANEL + FIGURES - (40 if of["to"] == "E" else 0)
        yield f'<text class="figure {kind}" x="{right:.0f}" y="{y + 4:.0f}">{_number(ratio["value"])}</text>'


def _axis(panel: Panel, end: float) -> Iterator[str]:
    title = f"{panel.threads} thread{'s' if panel.threads > 1 else ''}"
    yield f'<text class="sum" x="{panel.left}" y="{TOP - 26}">{title}</text>'
    for tick in TICKS:
        x = panel.x(tick)
        yield f'<line class="{"even" if tick == 1 else "grid"}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{end}"/>'
        for y in (TOP - 8, end + 16):
            yield f'<text class="quiet" x="{x:.1f}" y="{y}" text-anchor="middle">{tick:g}</text>'


def _legend() -> Iterator[str]:
    texts = {"eager": "eager, as installed", "best": "the best its users can do"}
    x = 18
    for kind, text in texts.items():
        yield f'<circle class="{kind}" cx="{x}" cy="69" r="{RADII[kind]}"/>'
        yield f'<text class="quiet" x="{x + 10}" y="73">{text}</text>'
        x += 142
    yield '<line class="eager" stroke-width="2" x1="18" x2="18" y1="82" y2="98"/>'
    yield '<line class="best" stroke-width="2" x1="23" x2="23" y1="82" y2="98"/>'
    yield '<text class="quiet" x="32" y="94">what we owe; through a point its 95% interval</text>'


def _machine(report: dict[str, Any]) -> str:
    machine = report["machine"]
    rival = f"PyTorch {report['versions'].get('torch', 'not installed')}"
    where = f"{machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f}"
    return f"{where}; {rival}; {report['started'][:10]}"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _fitted(title: str) -> str:
    """Long titles are squeezed into their column."""
    room = LABELS - 34
    return f'textLength="{room}" lengthAdjust="spacingAndGlyphs"' if len(title) * 6.2 > room else ""
