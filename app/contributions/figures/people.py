"""Figures of people: how many contribute, how many are new or back, and who holds up the project."""

from __future__ import annotations

from app import charts
from app.contributions import metrics, queries
from app.contributions.figures.drawing import About, longest, over, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import MOST_SHOWN, Look
from app.people.queries import shown_name
from app.wording import share

_STAYED = "Who stayed contributed in the period just before, too; who returned did so earlier."


@figure("contributors-over-time", "Contributors", "contributors")
def contributors_over_time(look: Look) -> Drawn:
    """Contributors of each period: who stays from the one before, who is back, and who is new."""
    found = queries.people_over_time(look.session, look.scope, look.window)
    series = [charts.Series("Stayed", [one.staying for one in found]),
              charts.Series("Returned", [one.returning for one in found]),
              charts.Series("New", [one.new for one in found])]  # fmt: skip
    rows = [(period.first.isoformat(), one.active, one.new, one.returning) for period, one in
            zip(look.periods, found, strict=True)]  # fmt: skip
    return Drawn(("from", "contributors", "new", "returned"), rows,
                 charts.columns("Contributors", look.labels, series, unit="people"),
                 over(look.labels, ("When", "Contributors", "New", "Returned"), rows, "Contributors"),
                 notes=(_STAYED,))  # fmt: skip


@figure("people", "People", "absence-factor")
def people(look: Look) -> Drawn:
    """Who made most commits, and how few made half of them."""
    rows, bars, about = [], [], []
    total = sum(look.by_person.values())
    for number, commits in metrics.ranked(look.by_person, MOST_SHOWN):
        person = look.persons.get(number or 0)
        if person is None:
            continue
        part, url = commits / total, look.person_url(person)
        rows.append((shown_name(person), commits, round(part, 4)))
        bars.append(charts.Bar(shown_name(person), commits, share(part), url))
        about.append(About.person(person, url))
    factor = look.summary.absence_factor
    notes = (f"{factor:,} {'person' if factor == 1 else 'people'} made half of all commits here.",) if factor else ()
    return Drawn(("person", "commits", "share"), rows, charts.bars("People", longest(bars)),
                 table("People", ("Person", "Commits", "Share"), rows, about), notes=notes)  # fmt: skip
