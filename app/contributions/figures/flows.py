"""Opened beside closed over time, of changes and of issues."""

from __future__ import annotations

from collections.abc import Callable

from app import charts
from app.contributions.figures.drawing import table
from app.contributions.figures.figure import Drawn
from app.contributions.figures.look import Look
from app.contributions.figures.unattributed import of_changes
from app.contributions.queries import Authors, Thing
from app.contributions.queries.health import backlog_over


def opened_and_closed(
    look: Look, thing: Thing, title: str, whose: Authors, last: tuple[str, str],
    told: Callable[[int, int, int], float | None],
) -> Drawn:  # fmt: skip
    """How many were opened and closed in each period; `told` gives the last column (`last`: its two names)."""
    found = backlog_over(look.session, thing, look.scope, look.window, authors=whose)
    series = [charts.Series("Opened", [opened for opened, _, _ in found]),
              charts.Series("Closed", [closed for _, closed, _ in found])]  # fmt: skip
    rows = [(period.first.isoformat(), opened, closed, told(opened, closed, still))
            for period, (opened, closed, still) in zip(look.periods, found, strict=True)]  # fmt: skip
    has_any = any(any(row[1:]) for row in rows)
    return Drawn(("from", "opened", "closed", last[0]), rows if has_any else (),
                 charts.line(title, look.labels, series, unit=thing.value),
                 table(title, ("From", "Opened", "Closed", last[1]), rows),
                 of_changes(look, thing, whose), of=f"{thing.value} opened in these days")  # fmt: skip
