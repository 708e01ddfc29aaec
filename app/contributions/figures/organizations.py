"""Figures by organization: who works for whom, in the whole window."""

from __future__ import annotations

from app import charts
from app.contributions import metrics, queries
from app.contributions.figures.drawing import INDEPENDENT, UNATTRIBUTED, Shade, longest, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.contributions.models import Attribution
from app.wording import share


@figure("organizations", "Organizations", "diversity")
def organizations(look: Look) -> Drawn:
    """Commits of each organization in the whole window, with its share."""
    counted = metrics.count(look.work, lambda cell: (cell.organization, cell.is_known))
    people = queries.people_by_organization(look.session, look.scope, look.window)
    heads_of = {(number, kind is not Attribution.UNKNOWN): heads for (number, kind), heads in people.items()}
    rows, bars = [], []
    ranked = sorted(counted.items(), key=lambda item: (item[0][0] is None, -item[1], item[0][0] or 0))
    for (number, is_known), commits in ranked:
        name = look.organizations[number].name if number else INDEPENDENT if is_known else UNATTRIBUTED
        part = commits / look.total if look.total else 0
        heads = heads_of[number, is_known]
        rows.append((name, commits, heads, round(part, 4)))
        kind: Shade = "known" if number else "rest" if is_known else "unknown"
        note = f"{share(part)}, {heads} {'person' if heads == 1 else 'people'}"
        bars.append(charts.Bar(name, commits, note, look.organization_url(number), kind))
    return Drawn(("organization", "commits", "people", "share"), rows, charts.bars("Organizations", longest(bars)),
                 table("Organizations", ("Organization", "Commits", "People", "Share"), rows),
                 unattributed=look.summary.unattributed)  # fmt: skip
