"""Figures of changes and releases over time: how many are opened and merged, and what is released."""

from __future__ import annotations

from app import charts
from app.contributions import queries
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.contributions.figures.unattributed import of_changes
from app.contributions.queries import Thing
from app.contributions.windows import in_periods
from app.wording import span


@figure("changes-over-time", "Changes opened and merged", "change-requests")
def changes_over_time(look: Look) -> Drawn:
    """Changes opened, merged, and closed without a merge, period by period."""
    found = queries.over_time(look.session, Thing.CHANGES, look.scope, look.window)
    opened, closed, merged = (in_periods(look.periods, found[name].items()) for name in ("opened", "closed", "merged"))
    declined = [one - of for one, of in zip(closed, merged, strict=True)]
    series = [charts.Series("Opened", opened), charts.Series("Merged", merged),
              charts.Series("Closed without a merge", declined)]  # fmt: skip
    rows = [(period.first.isoformat(), *values) for period, *values in
            zip(look.periods, opened, merged, declined, strict=True)]  # fmt: skip
    title = "Changes opened and merged"
    return Drawn(("from", "opened", "merged", "closed without a merge"), rows if any(opened) or any(closed) else [],
                 charts.line(title, look.labels, series, unit="changes"),
                 charts.figures_table(title, look.labels, series), unattributed=of_changes(look),
                 of="changes opened in these days")  # fmt: skip


@figure("releases-over-time", "Releases", "releases", scopes=("everything", "repository"))
def releases_over_time(look: Look) -> Drawn:
    """Releases that repositories published, period by period, pre-releases apart."""
    found = queries.releases_over_time(look.session, look.scope, look.window)
    full, early = (
        in_periods(look.periods, ((day, number) for (day, is_pre), number in found.items() if is_pre is wanted))
        for wanted in (False, True)
    )
    series = [charts.Series("Releases", full), charts.Series("Pre-releases", early, "rest")]
    rows = [(period.first.isoformat(), *values) for period, *values in zip(look.periods, full, early, strict=True)]
    between = queries.releases(look.session, look.scope, look.window).between_s
    notes = (f"From one release of a repository to its next: median {span(between.median)}, n = {between.n:,}.",)
    return Drawn(("from", "releases", "pre-releases"), rows if found else [],
                 charts.columns("Releases", look.labels, series, unit="releases"),
                 charts.figures_table("Releases", look.labels, series), notes=notes if between.n else ())  # fmt: skip
