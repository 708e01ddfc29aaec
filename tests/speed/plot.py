"""The report as a picture for the README: one bar a row, how many times as fast as PyTorch eager, with its interval.

Hand-made SVG; its colours follow the reader's light or dark theme."""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

MOST = 32.0  # longer bars end at the edge
WIDTH, LEFT, RIGHT, ROW_HEIGHT, TOP, BOTTOM = 760, 330, 70, 34, 58, 64
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .quiet { fill: #59636e; font-size: 12px; }
  .bar { fill: #c2410c; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .even { stroke: #59636e; stroke-width: 1.5; }
  .interval { stroke: #1f2328; stroke-width: 1.5; }
  .target { stroke: #0f766e; stroke-width: 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .bar { fill: #fb923c; } .grid { stroke: #3d444d; }
    .even { stroke: #9198a1; } .interval { stroke: #f0f6fc; } .target { stroke: #5eead4; }
  }
"""


def plot(report: dict[str, Any]) -> str:
    """SVG text. Rows without a ratio against PyTorch are left out."""
    rows = [row for row in report["rows"] if row["kind"] == "ratio" and row["ratio"] and row["against"] == "torch"]
    largest = min(MOST, max([4.0, *(row["ratio"]["high"] for row in rows)]))
    ticks = [tick for tick in (0.5, 1, 2, 4, 8, 16, 32) if tick <= largest * 1.2]
    first, last = math.log2(0.5), math.log2(max(largest * 1.1, 2.0))

    def x(value: float) -> float:
        share = (math.log2(max(value, 0.5)) - first) / (last - first)
        return LEFT + min(1.0, share) * (WIDTH - LEFT - RIGHT)

    height = TOP + ROW_HEIGHT * len(rows) + BOTTOM
    end = TOP + ROW_HEIGHT * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">',
        '<title id="title">How many times as fast as PyTorch eager flambeau is, by kind of work</title>',
        f"<style>{STYLE}</style>",
        '<text class="title" x="12" y="24">How many times as fast as PyTorch eager</text>',
        f'<text class="quiet" x="12" y="43">{escape(_machine(report))}</text>',
    ]
    for tick in ticks:
        kind = "even" if tick == 1 else "grid"
        parts.append(f'<line class="{kind}" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{end}"/>')
        parts.append(f'<text class="quiet" x="{x(tick):.1f}" y="{end + 16}" text-anchor="middle">{tick:g}</text>')
    for i, row in enumerate(rows):
        y, found = TOP + i * ROW_HEIGHT, row["ratio"]
        middle = y + ROW_HEIGHT / 2
        label = f"{row['title']}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}"
        parts += [
            f'<text x="{LEFT - 10}" y="{middle + 4:.1f}" text-anchor="end" {_fitted(label)}>{escape(label)}</text>',
            f'<rect class="bar" x="{x(0.5):.1f}" y="{y + 8}" width="{x(found["value"]) - x(0.5):.1f}" '
            'height="18" rx="2"/>',
            f'<line class="interval" x1="{x(found["low"]):.1f}" x2="{x(found["high"]):.1f}" '
            f'y1="{middle:.1f}" y2="{middle:.1f}"/>',
            f'<text x="{x(found["high"]) + 8:.1f}" y="{middle + 4:.1f}">{_number(found["value"])}</text>',
        ]
        if row["target"]:
            at = f"{x(row['target']):.1f}"
            parts.append(f'<line class="target" x1="{at}" x2="{at}" y1="{y + 5}" y2="{y + 29}"/>')
    parts += [
        f'<line class="target" x1="12" x2="12" y1="{end + 32}" y2="{end + 48}"/>',
        f'<text class="quiet" x="22" y="{end + 45}">our target; the thin line in a bar is the 95% interval</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _machine(report: dict[str, Any]) -> str:
    machine = report["machine"]
    versions = report["versions"]
    rival = f"PyTorch {versions['torch']}" if "torch" in versions else "PyTorch not installed"
    return f"{machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f}; {rival}"


def _number(value: float) -> str:
    return f"{value:.1f}" if value <= MOST else f"over {MOST:g}"


def _fitted(label: str) -> str:
    """Long labels are squeezed into their column."""
    return f'textLength="{LEFT - 20}" lengthAdjust="spacingAndGlyphs"' if len(label) * 6.6 > LEFT - 20 else ""
