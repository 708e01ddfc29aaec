"""Figures of issues: how long until somebody answers, how long until they are closed, and how many are open."""

from __future__ import annotations

from dataclasses import replace

from app.contributions.figures.durations import spreads
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.flows import opened_and_closed
from app.contributions.figures.health import OPTIONS, authors
from app.contributions.figures.look import Look
from app.contributions.queries import Thing

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
    drawn = opened_and_closed(
        look, Thing.ISSUES, "Issues opened, closed and open", authors(look), ("open at its end", "Open at its end"),
        lambda _opened, _closed, still: still,
    )  # fmt: skip
    return replace(drawn, notes=(f"{drawn.rows[-1][-1]:,} are open at the end.",)) if drawn.rows else drawn
