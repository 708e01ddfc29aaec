"""Figures of people: how many contribute, how many are new, and who holds up the project."""

from __future__ import annotations

from app import charts
from app.contributions import metrics, queries
from app.contributions.figures.drawing import longest, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.people.queries import shown_name
from app.wording import share


@figure("contributors-over-time", "Contributors", "contributors")
def contributors_over_time(look: Look) -> Drawn:
    """Contributors of each period: those who had contributed before it, and new ones."""
    counted = queries.people_by_period(look.session, look.scope, look.window)
    series = [charts.Series("Contributed before", [everybody - new for everybody, new in counted]),
              charts.Series("New", [new for _, new in counted])]  # fmt: skip
    rows = [(period.first.isoformat(), everybody, new) for period, (everybody, new) in
            zip(look.periods, counted, strict=True)]  # fmt: skip
    return Drawn(("from", "contributors", "new"), rows,
                 charts.columns("Contributors", look.labels, series, unit="people"),
                 charts.figures_table("Contributors", look.labels, series))  # fmt: skip


@figure("people", "People", "absence-factor")
def people(look: Look) -> Drawn:
    """Who made most commits, and who holds up the project."""
    rows, bars = [], []
    for number, commits in metrics.ranked(look.by_person, 15):
        person = look.persons.get(number or 0)
        if person is None:
            continue
        part = commits / look.total
        url = None if person.hidden_at else look.url("contributions.person", public_id=person.public_id)
        rows.append((shown_name(person), commits, round(part, 4)))
        bars.append(charts.Bar(shown_name(person), commits, share(part), url))
    return Drawn(("person", "commits", "share"), rows, charts.bars("People", longest(bars)),
                 table("People", ("Person", "Commits", "Share"), rows))  # fmt: skip
