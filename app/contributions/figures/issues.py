"""Figures of issues: how long until somebody answers, how long until they are closed, and how many are open."""

from __future__ import annotations

from app import charts
from app.contributions.figures.drawing import table
from app.contributions.figures.durations import spreads
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.health import OPTIONS, authors
from app.contributions.figures.look import Look
from app.contributions.figures.unattributed import of_changes
from app.contributions.queries import Thing
from app.contributions.queries.health import backlog_over

_WHERE = ("everything", "repository", "organization")


@figure("issue-response-over-time", "Until an issue is answered", "issue-response", scopes=_WHERE, options=OPTIONS)
def response(look: Look) -> Drawn:
    """Median, 75th and 90th percentile of the first response to issues."""
    return spreads(look, Thing.ISSUES, "Until an issue is answered", authors(look))


@figure("issue-resolution-over-time", "Until an issue is closed", "issue-resolution", scopes=_WHERE, options=OPTIONS)
def resolution(look: Look) -> Drawn:
    """Median, 75th and 90th percentile until issues were closed."""
    return spreads(look, Thing.ISSUES, "Until an issue is closed", authors(look), is_lasting=True)


@figure("issues-over-time", "Issues opened, closed and open", "issues-new", scopes=_WHERE, options=OPTIONS)
def issues(look: Look) -> Drawn:
    """Issues opened and closed in each period, and open at its end."""
    found = backlog_over(look.session, Thing.ISSUES, look.scope, look.window, authors=authors(look))
    series = [charts.Series("Opened", [opened for opened, _, _ in found]),
              charts.Series("Closed", [closed for _, closed, _ in found])]  # fmt: skip
    rows = [(period.first.isoformat(), *one) for period, one in zip(look.periods, found, strict=True)]
    has_any = any(sum(one) for one in found)
    title = "Issues opened, closed and open"
    return Drawn(("from", "opened", "closed", "open at its end"), rows if has_any else (),
                 charts.line(title, look.labels, series, unit="issues"),
                 table(title, ("From", "Opened", "Closed", "Open at its end"), rows),
                 of_changes(look, Thing.ISSUES, authors(look)), of="issues opened in these days",
                 notes=(f"{found[-1][2]:,} are open at the end.",) if found and has_any else ())  # fmt: skip
