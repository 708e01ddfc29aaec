"""Figures of the work itself: commits and lines over time, and a scope's share of all commits."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from app import charts
from app.contributions import metrics, queries
from app.contributions.figures.drawing import UNATTRIBUTED, Shade, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import BY, SHOW, Look
from app.contributions.metrics.work import lines_counted


@figure("commits-over-time", "Commits by organization", "commits", options={"show": SHOW, "by": BY})
def commits_over_time(look: Look) -> Drawn:
    """Commits by organization, period by period; their numbers, or the shares of each period."""
    series = []
    for strand in metrics.strands(look.work, look.periods):
        name = strand.name or look.organizations[strand.organization or 0].name
        kind: Shade = "unknown" if name == UNATTRIBUTED else "rest" if name == "Others" else "known"
        series.append(charts.Series(name, strand.values, kind, look.organization_url(strand.organization)))
    return stacked("Commits by organization", look, series, unit="commits", unattributed=look.unattributed)


@figure("lines-over-time", "Lines", "lines")
def lines_over_time(look: Look) -> Drawn:
    """Lines added and deleted, period by period, with the share of commits whose lines are counted."""
    counted = metrics.lines_over(look.work, look.periods)
    series = [charts.Series("Added", [added for added, _ in counted]),
              charts.Series("Deleted", [deleted for _, deleted in counted])]  # fmt: skip
    rows = [(period.first.isoformat(), *lines) for period, lines in zip(look.periods, counted, strict=True)]
    drawing = charts.columns("Lines", look.labels, series, unit="lines")
    table = charts.figures_table("Lines", look.labels, series)
    return Drawn(("from", "added", "deleted"), rows, drawing, table, lines_counted=lines_counted(look.work))


@figure("files", "Commits and the files that they changed", "files")
def files(look: Look) -> Drawn:
    """The commits of people, and the paths that these changed, once for each commit."""
    told = (("Commits", look.summary.commits), ("Files", queries.files(look.session, look.scope, look.window)))
    bars = [charts.Bar(name, value) for name, value in told]
    title = "Commits and the files that they changed"
    rows = [(name.lower(), value) for name, value in told] if any(value for _, value in told) else []
    return Drawn(("of", "number"), rows, charts.bars(title, bars), table(title, ("Of", "Number"), told))


@figure("share-over-time", "Share of all commits", "commits", scopes=("organization", "person", "module", "repository"))
def share_over_time(look: Look) -> Drawn:
    """The scope's share of all commits (of the repository looked at), period by period."""
    own, everything = by_period(look), by_period(look.whole)
    values = [100 * one / of if of else 0 for one, of in zip(own, everything, strict=True)]
    title = "Share of all commits"
    series = [charts.Series(title, values)]
    rows = [(period.first.isoformat(), one, of) for period, one, of in
            zip(look.periods, own, everything, strict=True)]  # fmt: skip
    drawing = charts.line(title, look.labels, series, unit="%")
    return Drawn(("from", "commits", "all commits"), rows, drawing, charts.figures_table(title, look.labels, series),
                 unattributed=look.whole.unattributed)  # fmt: skip


def by_period(look: Look) -> list[int]:
    """All commits of the look's scope, period by period."""
    strands = metrics.strands(look.work, look.periods, most=0)
    return [sum(column) for column in zip(*(one.values for one in strands), strict=True)] or [0] * len(look.periods)


def stacked(
    title: str, look: Look, series: Sequence[charts.Series], *, unit: str, unattributed: float | None,
    notes: tuple[str, ...] = (),
) -> Drawn:  # fmt: skip
    """A stack over time: numbers, or shares of each period where the address asks for them."""
    rows = [(period.first.isoformat(), *(one.values[at] for one in series)) for at, period in enumerate(look.periods)]
    shown, most = list(series), None
    if look.option("show", SHOW) == "share":
        totals = [sum(one.values[at] for one in series) for at in range(len(look.periods))]
        shown = [
            charts.Series(one.name, [round(100 * value / total, 2) if total else 0 for value, total in
                                     zip(one.values, totals, strict=True)], one.kind, one.url)
            for one in series
        ]  # fmt: skip
        unit, most = f"% of {unit}", 100
    drawing = charts.stacked_area(title, look.labels, shown, unit=unit, most=most) if series else Markup("")
    return Drawn(("from", *(one.name for one in series)), rows, drawing,
                 charts.figures_table(f"{title}, {unit}", look.labels, shown), unattributed=unattributed,
                 notes=notes)  # fmt: skip
