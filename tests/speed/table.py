"""The report for people: as text for the terminal, as Markdown for a page."""

from __future__ import annotations

from typing import Any

HEAD = ("work", "threads", "ours", "E", "B", "X", "numpy", "jax", "of the limit", "busy", "verdict")


def table(report: dict[str, Any]) -> str:
    """Columns of text, a heading above each group.

    >>> print(table({"rows": []}).splitlines()[0].split("  ")[0])
    work
    """
    lines = [HEAD, *(line for group in _groups(report) for line in [(group.upper(),), *_cells_of(report, group)])]
    widths = [max(len(line[i]) for line in lines if len(line) > 1) for i in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)).rstrip()
                     for line in lines)  # fmt: skip


def markdown(report: dict[str, Any]) -> str:
    """The same as a Markdown table for each group."""
    parts = []
    for group in _groups(report):
        rows = [HEAD, ("---",) * len(HEAD), *_cells_of(report, group)]
        parts.append(f"**{group}**\n\n" + "\n".join("| " + " | ".join(row) + " |" for row in rows))
    return "\n\n".join(parts) + "\n"


def _groups(report: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["group"] for row in report["rows"]))


def _cells_of(report: dict[str, Any], group: str) -> list[tuple[str, ...]]:
    return [_cells(row) for row in report["rows"] if row["group"] == group]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A cell against a rival: its time, ours against it with the interval, and the target after >=."""
    ours = row["rivals"].get(row["ours"])
    found = {comparison["to"]: comparison for comparison in row["comparisons"]}
    beside = [_against(row, found.get(to)) for to in HEAD[3:8]]
    share = row["share_of_limit"]
    return (
        row["title"],
        str(row["threads"]),
        shown(ours["median"], row["unit"]) if ours else "",
        *beside,
        "" if share is None else f"{share:.0%}",
        "" if row["contention"] is None else f"{row['contention']['value']:.2f}",
        " ".join([row["verdict"] or "", _bounds(row), *_notes(row)]).strip(),
    )


def _notes(row: dict[str, Any]) -> list[str]:
    """What decided a verdict, what a sum is of, why ours did not run."""
    if row["kind"] == "work":
        own = {"verdict": "", row["ours"]: "not run: "}
        return [f"({own[name]}{note})" for name, note in row["notes"].items() if name in own]
    return [f"({note})" if name == row["name"] else f"({name}: {note})" for name, note in row["notes"].items()]


def _against(row: dict[str, Any], comparison: dict[str, Any] | None) -> str:
    if comparison is None or comparison["ratio"] is None:
        return ""
    found, rival, target = comparison["ratio"], comparison["rival"], comparison["target"]
    owed = "" if target is None else f" >= {target:.3g}"
    text = f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f}){owed}"
    if rival is None:
        return text
    means = rival.removeprefix("torch+").removeprefix("tcmalloc+") if comparison["to"] == "B" else ""
    return f"{shown(row['rivals'][rival]['median'], row['unit'])}{f' {means}' if means else ''}: {text}"


def _bounds(row: dict[str, Any]) -> str:
    """Of a ceiling, and of rows whose rivals are none of the columns (the portal's)."""
    words = []
    for comparison in row["comparisons"]:
        found, target = comparison["ratio"], comparison["target"]
        if found is None or comparison["to"] in HEAD:
            continue
        interval = f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
        if comparison["to"] == "bound":
            words.append(f"{interval} {row['unit']}, under {target:g}")
        else:
            words.append(
                f"{comparison['rival']} {shown(row['rivals'][comparison['rival']]['median'], row['unit'])}: {interval}"
            )
    return ", ".join(words)


def shown(value: float, unit: str) -> str:
    """A figure with its unit, seconds in the scale that fits.

    >>> shown(0.0021, "s"), shown(1234.5, "requests/s")
    ('2.1 ms', '1234.5 requests/s')
    """
    if unit != "s":
        return f"{value:.1f} {unit}"
    for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


def not_run(report: dict[str, Any]) -> list[str]:
    """Each rival that did not run a row, with the reason, said once for all rows that share it."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in report["rows"]:
        for name, note in row["notes"].items():
            if name not in ("verdict", "E", "B", "X") and row["kind"] == "work" and name not in row["rivals"]:
                reasons.setdefault((name, note), []).append(row["name"])
    return [f"not run by {name}: {', '.join(dict.fromkeys(rows))}: {note}" for (name, note), rows in reasons.items()]
