"""Tables and lists of bars as the figures need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flask import request, url_for
from markupsafe import Markup, escape

from app import charts
from app.contributions.models import Repository
from app.contributions.queries import Named
from app.markup import html, joined
from app.members.models import Organization
from app.people.models import Person
from app.wording import number, share

Shade = Literal["known", "rest", "unknown"]
UNATTRIBUTED = "Unattributed"
INDEPENDENT = "Independent"
BOTS = "Bots"
MOST_ROWS = 100


@dataclass(frozen=True)
class About:
    """What a row of a table is about: where more of it stands, and of what a reader may say that it is wrong."""

    url: str | None
    kind: str
    thing: str

    @classmethod
    def organization(cls, one: Organization | Named | None, url: str | None) -> About | None:
        """A row of an organization; None where it is nobody's."""
        return cls(url, "organization", one.public_id) if one else None

    @classmethod
    def person(cls, one: Person, url: str | None) -> About | None:
        """A row of a person: what may be wrong is whom they work for. None for somebody hidden."""
        return None if one.hidden_at is not None else cls(url, "employer", one.public_id)


    @classmethod
    def module(cls, key: str, url: str | None) -> About:
        """A row of a module."""
        return cls(url, "module", key)

    @classmethod
    def repository(cls, one: Repository, url: str | None) -> About:
        """A row of a repository."""
        return cls(url, "repository", one.public_id)


def longest(bars: Sequence[charts.Bar], *, most: int = 12) -> list[charts.Bar]:
    """The first bars, and what is independent or unattributed, which are never left out."""
    plain = [bar for bar in bars if bar.kind == "known"]
    return plain[:most] + [bar for bar in bars if bar.kind != "known"]


def table(
    caption: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], about: Sequence[About | None] = ()
) -> Markup:
    """The rows for reading: names first, numbers to the right, floats as percentages, the first hundred of them.

    With `about` (one for each row), names lead on and a reader can say that a row is wrong.
    """
    heads = [html('<th scope="col"{}>{}</th>', _aligned(at), name) for at, name in enumerate(columns)]
    if about:
        heads.append(Markup('<th scope="col"><span class="unseen">Is it wrong?</span></th>'))
    shown = rows[:MOST_ROWS]
    known = (*about, *([None] * (len(shown) - len(about))))[: len(shown)]
    body = [_row(row, one, is_about=bool(about)) for row, one in zip(shown, known, strict=True)]
    left = len(rows) - len(shown)
    more = html('<p class="hint">{} more are in the CSV.</p>', number(left)) if left else Markup("")
    return html(
        '<div class="table-wrap" tabindex="0" role="region" aria-label="{}"><table><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}",
        caption, caption, joined(heads), joined(body), more,
    )  # fmt: skip


def over(look_labels: Sequence[str], columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], caption: str) -> Markup:
    """The rows of periods for reading: the period's name instead of its first day."""
    return table(caption, columns, [(label, *row[1:]) for label, row in zip(look_labels, rows, strict=True)])


def _row(row: tuple[Any, ...], about: About | None, *, is_about: bool) -> Markup:
    name = escape(row[0])
    if about is not None and about.url:
        name = html('<a href="{}">{}</a>', about.url, row[0])
    cells = [html('<th scope="row">{}</th>', name)]
    cells += [html('<td class="num">{}</td>', _written(value)) for value in row[1:]]
    if is_about:
        cells.append(html("<td>{}</td>", _wrong(row[0], about) if about else ""))
    return html("<tr>{}</tr>", joined(cells))


def _wrong(name: Any, about: About) -> Markup:
    url = url_for("people.wrong", about=about.kind, thing=about.thing, page=request.path)
    return html(
        '<a class="wrong" rel="nofollow" href="{}">This is wrong<span class="unseen">: {}</span></a>', url, name
    )


def _written(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else share(value) if isinstance(value, float) else number(value)


def _aligned(at: int) -> Markup:
    return Markup(' class="num"') if at else Markup("")
