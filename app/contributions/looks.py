"""One look at a scope and window: its cells read once, and every figure of a page made from them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any, Literal

from flask import url_for
from markupsafe import Markup
from sqlalchemy.orm import Session

from app import charts
from app.contributions import metrics, queries
from app.contributions.metrics import COMMITS, METRICS, Cell, Metric, Summary
from app.contributions.queries import Scope
from app.contributions.windows import Period, Window
from app.members.models import Organization
from app.modules import queries as modules
from app.people import queries as people_queries
from app.people.models import Person
from app.people.queries import Grounds, shown_name
from app.wording import moment, share
from app.wording import number as written

Shade = Literal["known", "rest", "unknown"]
UNATTRIBUTED = "Unattributed"
INDEPENDENT = "Independent"


@dataclass(frozen=True)
class Figure:
    """A published figure: what it means, when it was taken, its drawing, and its rows for reading and reusing."""

    key: str
    title: str
    metric: Metric
    window: Window
    as_of: datetime
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    drawing: Markup
    table: Markup
    unattributed: float | None = None
    grounds: Grounds | None = None
    lines_counted: float | None = None

    @property
    def caption(self) -> str:
        """What stands under the drawing: definition's name and version, days, as-of, and what is not attributed."""
        text = f"{self.metric.name} (definition {self.metric.version}), {self.window.text}, as of {moment(self.as_of)}."
        if self.unattributed is not None:
            text += f" {share(self.unattributed)} of these commits are attributed to nobody's employer."
        if self.lines_counted is not None:
            text += f" Lines: {share(self.lines_counted)} of commits counted."
        return f"{text} Rests on {self.grounds.text}." if self.grounds else text

    def as_json(self) -> dict[str, Any]:
        """Everything that is needed to check the figure."""
        return {
            "figure": self.key, "title": self.title, "metric": self.metric.name, "definition": self.metric.definition,
            "definition_version": self.metric.version, "since": self.window.since.isoformat(),
            "until": self.window.until.isoformat(), "as_of": self.as_of.isoformat(),
            "unattributed_share": self.unattributed, "lines_counted_share": self.lines_counted,
            "rests_on": self.grounds.as_json() if self.grounds else None, "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
        }  # fmt: skip

    def as_csv(self) -> str:
        """The rows under a line of names; text that a spreadsheet would take for a formula is quoted."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(self.columns)
        writer.writerows([[_harmless(value) for value in row] for row in self.rows])
        return out.getvalue()


@dataclass
class Look:
    """A scope and window with everything read for them. `arguments` are what links must carry to stay in it."""

    session: Session
    scope: Scope
    window: Window
    as_of: datetime
    arguments: dict[str, str]

    @cached_property
    def cells(self) -> list[Cell]:
        return queries.cells(self.session, self.scope, self.window)

    @cached_property
    def work(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind in COMMITS]

    @cached_property
    def summary(self) -> Summary:
        return queries.summary(self.session, self.scope, self.window, self.cells)

    @cached_property
    def periods(self) -> list[Period]:
        return self.window.periods()

    @cached_property
    def labels(self) -> list[str]:
        return [period.label for period in self.periods]

    @cached_property
    def grounds(self) -> Grounds | None:
        """Which resolution of people and employers these figures rest on."""
        return people_queries.grounds(self.session)

    @cached_property
    def organizations(self) -> dict[int, Organization]:
        return queries.organizations(self.session, {cell.organization for cell in self.cells})

    @cached_property
    def persons(self) -> dict[int, Person]:
        ranked = metrics.ranked(metrics.count(self.work, lambda cell: cell.person), 15)
        return queries.persons(self.session, [person for person, _ in ranked])

    @cached_property
    def total(self) -> int:
        return sum(cell.commits for cell in self.work)

    @cached_property
    def whole(self) -> Look:
        """The same days over everything (or the one repository): what a share is a share of."""
        return Look(self.session, Scope(repository=self.scope.repository), self.window, self.as_of, self.arguments)

    def organization_url(self, number: int | None) -> str | None:
        """The page of an organization, in the same window."""
        one = self.organizations.get(number) if number else None
        return self.url("contributions.organization", public_id=one.public_id) if one else None

    def url(self, endpoint: str, **values: str) -> str:
        """An address that keeps the window."""
        arguments: dict[str, Any] = {**self.arguments, **values}
        return url_for(endpoint, **arguments)

    def figure(self, key: str) -> Figure:
        """One of `FIGURES` of this look."""
        return FIGURES[key](self)


def commits_over_time(look: Look) -> Figure:
    """Commits by organization, period by period."""
    found = metrics.strands(look.work, look.periods)
    series = []
    for strand in found:
        name = strand.name or look.organizations[strand.organization or 0].name
        kind: Shade = "unknown" if name == UNATTRIBUTED else "rest" if name == "Others" else "known"
        series.append(charts.Series(name, strand.values, kind, look.organization_url(strand.organization)))
    rows = [(period.first.isoformat(), *(one.values[at] for one in series)) for at, period in enumerate(look.periods)]
    title = "Commits by organization"
    return _figure(look, "commits-over-time", title, "commits", ("from", *(one.name for one in series)), rows,
                   charts.stacked_area(title, look.labels, series, unit="commits") if series else Markup(""),
                   charts.figures_table(title, look.labels, series), unattributed=True)  # fmt: skip


def organizations(look: Look) -> Figure:
    """Commits of each organization in the whole window, with its share."""
    counted = metrics.count(look.work, lambda cell: (cell.organization, cell.is_known))
    people: dict[tuple[int | None, bool], set[int | None]] = {}
    for cell in look.work:
        people.setdefault((cell.organization, cell.is_known), set()).add(cell.person)
    rows, bars = [], []
    for (number, is_known), commits in sorted(counted.items(), key=lambda item: (item[0][0] is None, -item[1])):
        name = look.organizations[number].name if number else INDEPENDENT if is_known else UNATTRIBUTED
        part = commits / look.total if look.total else 0
        heads = len(people[number, is_known])
        rows.append((name, commits, heads, round(part, 4)))
        kind: Shade = "known" if number else "rest" if is_known else "unknown"
        note = f"{share(part)}, {heads} {'person' if heads == 1 else 'people'}"
        bars.append(charts.Bar(name, commits, note, look.organization_url(number), kind))
    title = "Organizations"
    return _figure(look, "organizations", title, "diversity", ("organization", "commits", "people", "share"), rows,
                   charts.bars(title, _longest(bars)),
                   _table(title, ("Organization", "Commits", "People", "Share"), rows), unattributed=True)  # fmt: skip


def contributors_over_time(look: Look) -> Figure:
    """Contributors of each period: those who had contributed before it, and new ones."""
    first = queries.first_days(look.session, look.scope, metrics.contributors(look.cells))
    counted = metrics.people_over(look.cells, look.periods, first)
    series = [charts.Series("Contributed before", [everybody - new for everybody, new in counted]),
              charts.Series("New", [new for _, new in counted])]  # fmt: skip
    rows = [(period.first.isoformat(), everybody, new) for period, (everybody, new) in
            zip(look.periods, counted, strict=True)]  # fmt: skip
    title = "Contributors"
    return _figure(look, "contributors-over-time", title, "contributors", ("from", "contributors", "new"), rows,
                   charts.columns(title, look.labels, series, unit="people"),
                   charts.figures_table(title, look.labels, series))  # fmt: skip


def lines_over_time(look: Look) -> Figure:
    """Lines added and deleted, period by period, with the share of commits whose lines are counted."""
    counted = metrics.lines_over(look.work, look.periods)
    series = [charts.Series("Added", [added for added, _ in counted]),
              charts.Series("Deleted", [deleted for _, deleted in counted])]  # fmt: skip
    rows = [(period.first.isoformat(), *lines) for period, lines in zip(look.periods, counted, strict=True)]
    title = "Lines"
    found = _figure(look, "lines-over-time", title, "lines", ("from", "added", "deleted"), rows,
                    charts.columns(title, look.labels, series, unit="lines"),
                    charts.figures_table(title, look.labels, series))  # fmt: skip
    return replace(found, lines_counted=look.summary.lines_counted)


def people(look: Look) -> Figure:
    """Who made most commits, and who holds up the project."""
    counted = metrics.count(look.work, lambda cell: cell.person)
    rows, bars = [], []
    for number, commits in metrics.ranked(counted, 15):
        person = look.persons.get(number or 0)
        if person is None:
            continue
        part = commits / look.total
        url = None if person.hidden_at else look.url("contributions.person", public_id=person.public_id)
        rows.append((shown_name(person), commits, round(part, 4)))
        bars.append(charts.Bar(shown_name(person), commits, share(part), url))
    title = "People"
    return _figure(look, "people", title, "absence-factor", ("person", "commits", "share"), rows,
                   charts.bars(title, _longest(bars)), _table(title, ("Person", "Commits", "Share"), rows))  # fmt: skip


def touched_modules(look: Look) -> Figure:
    """Commits that touched each module of governance."""
    names = {module.key: module.name for module in modules.modules(look.session)}
    counted = queries.commits_by_module(look.session, look.scope, look.window)
    rows = [(names.get(key, key), commits) for key, commits in counted.items()]
    urls = {key: look.url("contributions.module", key=key) for key in names}
    bars = [charts.Bar(names.get(key, key), commits, url=urls.get(key)) for key, commits in counted.items()]
    title = "Modules"
    return _figure(look, "modules", title, "commits", ("module", "commits"), rows, charts.bars(title, _longest(bars)),
                   _table(title, ("Module", "Commits"), rows))  # fmt: skip


def share_over_time(look: Look) -> Figure:
    """The scope's share of all commits (of the repository looked at), period by period."""
    own, everything = _by_period(look), _by_period(look.whole)
    values = [100 * one / of if of else 0 for one, of in zip(own, everything, strict=True)]
    series = [charts.Series("Share of all commits", values)]
    rows = [(period.first.isoformat(), one, of) for period, one, of in
            zip(look.periods, own, everything, strict=True)]  # fmt: skip
    title = "Share of all commits"
    found = _figure(look, "share-over-time", title, "commits", ("from", "commits", "all commits"), rows,
                    charts.line(title, look.labels, series, unit="%"),
                    charts.figures_table(title, look.labels, series))  # fmt: skip
    return replace(found, unattributed=look.whole.summary.unattributed)


FIGURES: dict[str, Callable[[Look], Figure]] = {
    "commits-over-time": commits_over_time,
    "organizations": organizations,
    "contributors-over-time": contributors_over_time,
    "lines-over-time": lines_over_time,
    "people": people,
    "modules": touched_modules,
    "share-over-time": share_over_time,
}


def _by_period(look: Look) -> list[int]:
    strands = metrics.strands(look.work, look.periods, most=0)
    return [sum(column) for column in zip(*(one.values for one in strands), strict=True)] or [0] * len(look.periods)


def _figure(
    look: Look, key: str, title: str, metric: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]],
    drawing: Markup, table: Markup, *, unattributed: bool = False,
) -> Figure:  # fmt: skip
    return Figure(key, title, METRICS[metric], look.window, look.as_of, columns, tuple(rows), drawing, table,
                  look.summary.unattributed if unattributed else None, look.grounds)  # fmt: skip


def _longest(bars: Sequence[charts.Bar], *, most: int = 12) -> list[charts.Bar]:
    """The first bars, and what is independent or unattributed, which are never left out."""
    plain = [bar for bar in bars if bar.kind == "known"]
    return plain[:most] + [bar for bar in bars if bar.kind != "known"]


def _table(caption: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> Markup:
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
    return Markup('<td class="num">{}</td>').format(share(value) if isinstance(value, float) else written(value))


def _aligned(at: int) -> Markup:
    return Markup(' class="num"') if at else Markup("")


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def first_day(session: Session, scope: Scope) -> date | None:
    """The first day with anything in the scope."""
    found = queries.span(session, scope)
    return found[0] if found else None
