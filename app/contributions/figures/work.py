"""Figures of the work itself: commits and lines over time, and a scope's share of all commits."""

from __future__ import annotations

from markupsafe import Markup

from app import charts
from app.contributions import metrics
from app.contributions.figures.drawing import UNATTRIBUTED, Shade
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look


@figure("commits-over-time", "Commits by organization", "commits")
def commits_over_time(look: Look) -> Drawn:
    """Commits by organization, period by period."""
    found = metrics.strands(look.work, look.periods)
    series = []
    for strand in found:
        name = strand.name or look.organizations[strand.organization or 0].name
        kind: Shade = "unknown" if name == UNATTRIBUTED else "rest" if name == "Others" else "known"
        series.append(charts.Series(name, strand.values, kind, look.organization_url(strand.organization)))
    rows = [(period.first.isoformat(), *(one.values[at] for one in series)) for at, period in enumerate(look.periods)]
    title = "Commits by organization"
    drawing = charts.stacked_area(title, look.labels, series, unit="commits") if series else Markup("")
    return Drawn(("from", *(one.name for one in series)), rows, drawing, _table(title, look, series),
                 unattributed=look.summary.unattributed)  # fmt: skip


@figure("lines-over-time", "Lines", "lines")
def lines_over_time(look: Look) -> Drawn:
    """Lines added and deleted, period by period, with the share of commits whose lines are counted."""
    counted = metrics.lines_over(look.work, look.periods)
    series = [charts.Series("Added", [added for added, _ in counted]),
              charts.Series("Deleted", [deleted for _, deleted in counted])]  # fmt: skip
    rows = [(period.first.isoformat(), *lines) for period, lines in zip(look.periods, counted, strict=True)]
    drawing, table = charts.columns("Lines", look.labels, series, unit="lines"), _table("Lines", look, series)
    return Drawn(("from", "added", "deleted"), rows, drawing, table, lines_counted=look.summary.lines_counted)


@figure("share-over-time", "Share of all commits", "commits")
def share_over_time(look: Look) -> Drawn:
    """The scope's share of all commits (of the repository looked at), period by period."""
    own, everything = _by_period(look), _by_period(look.whole)
    values = [100 * one / of if of else 0 for one, of in zip(own, everything, strict=True)]
    title = "Share of all commits"
    series = [charts.Series(title, values)]
    rows = [(period.first.isoformat(), one, of) for period, one, of in
            zip(look.periods, own, everything, strict=True)]  # fmt: skip
    drawing = charts.line(title, look.labels, series, unit="%")
    return Drawn(("from", "commits", "all commits"), rows, drawing, _table(title, look, series),
                 unattributed=look.whole.summary.unattributed)  # fmt: skip


def _table(title: str, look: Look, series: list[charts.Series]) -> Markup:
    return charts.figures_table(title, look.labels, series)


def _by_period(look: Look) -> list[int]:
    strands = metrics.strands(look.work, look.periods, most=0)
    return [sum(column) for column in zip(*(one.values for one in strands), strict=True)] or [0] * len(look.periods)
