"""What was found of the portal's pages, as a table and as a picture, beside what it is to be."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

COLD_MS, WEIGHT_BYTES = 500, 60_000
_LINE, _TOP, _LABELS, _PANEL = 18, 64, 300, 420


def target_ms(database: str) -> int:
    """The 95th percentile that a page may have."""
    return 100 if database == "sqlite" else 50


def verdicts(row: dict[str, Any], database: str) -> list[str]:
    """What is not met of a page.

    >>> row = {"first_ms": 20.0, "bare_ms": 499.0, "cold_ms": 501.0, "signed_first_ms": 9.0, "weight": 61_000}
    >>> row |= {"kept": {"p95_ms": 51.0}, "made": {"p95_ms": 49.0}, "signed": {"p95_ms": 49.0}}
    >>> verdicts(row, "postgresql"), verdicts(row, "sqlite")
    (['cold', 'kept p95', 'weight'], ['cold', 'weight'])
    """
    firsts = {"first": "first_ms", "bare": "bare_ms", "cold": "cold_ms", "signed in, first": "signed_first_ms"}
    found = [name for name, key in firsts.items() if row[key] > COLD_MS]
    ways = {"kept p95": "kept", "made p95": "made", "signed in p95": "signed"}
    found += [name for name, way in ways.items() if row[way]["p95_ms"] > target_ms(database)]
    return found + (["weight"] if row["weight"] > WEIGHT_BYTES else [])


def markdown(result: dict[str, Any]) -> str:
    """The table, with the machine and its load."""
    of = ", ".join(f"{number:,} {name}" for name, number in result["of"].items())
    p95 = target_ms(result["database"])
    lines = [
        f"{result['database']}, {of}; {result['processes']} processes of {result['threads']} threads, "
        f"{result['connections']} connections for {result['seconds']:g} s each, {result['processors']} cores, "
        f"load {result['load'][0]} before and {result['load'][1]} after. {result['made_ready']['pages']} pages were "
        f"made ready in {result['made_ready']['seconds']:g} s. To be: first under {COLD_MS} ms, p95 under {p95} ms, "
        f"under {WEIGHT_BYTES // 1000} kB. Milliseconds:",
        "",
        "| page | first | bare | cold | signed in, first | kept p50 | p95 | p99 | made p50 | p95 | p99 | signed in p50 "
        "| p95 | p99 | kB (plain) | not met |",
        f"|---|{'---:|' * 14}---|",
    ]
    for row in result["rows"]:
        times = [f"{row[key]:.0f}" for key in ("first_ms", "bare_ms", "cold_ms", "signed_first_ms")]
        times += [f"{row[way][name]:.1f}" for way in ("kept", "made", "signed")
                  for name in ("p50_ms", "p95_ms", "p99_ms")]  # fmt: skip
        weight = f"{row['weight'] / 1000:.1f} ({row['bytes'] / 1000:.0f})"
        missed = ", ".join(verdicts(row, result["database"]))
        lines.append(f"| `{row['path']}` | {' | '.join(times)} | {weight} | {missed} |")
    return "\n".join(lines) + "\n"


def drawing(result: dict[str, Any]) -> str:
    """A bar a page: the 95th percentile of a page made for one reader, and what may be at most."""
    rows, most = result["rows"], target_ms(result["database"])
    widest = max([most * 1.5, *(row["made"]["p95_ms"] for row in rows)])
    height, at = _TOP + _LINE * len(rows) + 12, _LABELS + most / widest * _PANEL
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LABELS + _PANEL + 80} {height}" role="img" '
        'aria-labelledby="t"><title id="t">95th percentile of each page</title>',
        "<style>text{font:12px system-ui,sans-serif;fill:#1f2328}.made{fill:#0f766e}.kept{fill:#c2410c}"
        "line{stroke:#818b98}@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.made{fill:#5eead4}}</style>",
        f'<text x="0" y="20">95th percentile on {escape(result["database"])}, ms: made for one reader, and (thin) kept '
        "for strangers</text>",
        f'<line x1="{at:.0f}" y1="{_TOP - 18}" x2="{at:.0f}" y2="{height - 8}"/>',
        f'<text x="{at + 4:.0f}" y="{_TOP - 10}">{most} ms</text>',
    ]
    for place, row in enumerate(rows):
        y, made, kept = _TOP + place * _LINE, row["made"]["p95_ms"], row["kept"]["p95_ms"]
        parts.append(f'<text x="{_LABELS - 8}" y="{y + 11}" text-anchor="end">{escape(row["path"][:44])}</text>')
        parts.append(f'<rect class="made" x="{_LABELS}" y="{y + 2}" width="{made / widest * _PANEL:.1f}" height="8"/>')
        parts.append(f'<rect class="kept" x="{_LABELS}" y="{y + 10}" width="{kept / widest * _PANEL:.1f}" height="3"/>')
        parts.append(f'<text x="{_LABELS + made / widest * _PANEL + 6:.1f}" y="{y + 11}">{made:.0f}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
