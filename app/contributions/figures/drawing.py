"""Tables and lists of bars as the figures need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from markupsafe import Markup

from app import charts
from app.wording import number, share

Shade = Literal["known", "rest", "unknown"]
UNATTRIBUTED = "Unattributed"
INDEPENDENT = "Independent"


def longest(bars: Sequence[charts.Bar], *, most: int = 12) -> list[charts.Bar]:
    """The first bars, and what is independent or unattributed, which are never left out."""
    plain = [bar for bar in bars if bar.kind == "known"]
    return plain[:most] + [bar for bar in bars if bar.kind != "known"]


def table(caption: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> Markup:
    """The rows for reading: names first, numbers to the right, floats as percentages."""
    heads = [Markup('<th scope="col"{}>{}</th>').format(_aligned(at), name) for at, name in enumerate(columns)]
    body = [
        Markup("<tr>{}</tr>").format(Markup("").join(_cell(at, value) for at, value in enumerate(row))) for row in rows
    ]
    return Markup(
        '<div class="table-wrap" tabindex="0" role="region" aria-label="{}"><table><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(caption, caption, Markup("").join(heads), Markup("").join(body))


def _cell(at: int, value: Any) -> Markup:
    if at == 0:
        return Markup('<th scope="row">{}</th>').format(value)
    return Markup('<td class="num">{}</td>').format(share(value) if isinstance(value, float) else number(value))


def _aligned(at: int) -> Markup:
    return Markup(' class="num"') if at else Markup("")
