"""Figures of changes: how many are opened and merged, how long they wait for a response, and what is released."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import date

from markupsafe import Markup

from app import charts
from app.contributions import queries
from app.contributions.figures.drawing import lasting, over, unit_of
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.contributions.metrics import Spread, spread
from app.contributions.metrics.durations import Durations, add_up
from app.contributions.queries import By, Thing

_FEWEST = 5  # of fewer, quarters say nothing


@figure("changes-over-time", "Changes opened and merged", "change-requests")
def changes_over_time(look: Look) -> Drawn:
    """Changes opened, merged, and closed without a merge, period by period."""
    found = queries.over_time(look.session, Thing.CHANGES, look.scope, look.window)
    opened, closed, merged = (in_periods(look, found[name]) for name in ("opened", "closed", "merged"))
    declined = [one - of for one, of in zip(closed, merged, strict=True)]
    series = [charts.Series("Opened", opened), charts.Series("Merged", merged),
              charts.Series("Closed without a merge", declined)]  # fmt: skip
    rows = [(period.first.isoformat(), *values) for period, *values in
            zip(look.periods, opened, merged, declined, strict=True)]  # fmt: skip
    title = "Changes opened and merged"
    return Drawn(("from", "opened", "merged", "closed without a merge"), rows if any(opened) or any(closed) else [],
                 charts.line(title, look.labels, series, unit="changes"),
                 charts.figures_table(title, look.labels, series), unattributed=look.unattributed_changes,
                 of="changes")  # fmt: skip


@figure("response-times", "Time to first response", "first-response")
def response_times(look: Look) -> Drawn:
    """How long changes wait for a response, by when they were opened: median, and the middle half of all."""
    by = By.DAY if look.window.days <= 184 else By.MONTH
    found = queries.waiting(look.session, Thing.CHANGES, look.scope, look.window, as_of=look.as_of, by=by)
    spreads = [spread(add_up(part)) for part in _durations_in(look, found)]
    longest_s = max((one.p75 or 0 if one.n >= _FEWEST else one.median or 0 for one in spreads), default=0)
    unit, seconds = unit_of(longest_s)
    middle = [_in(one.median, seconds) for one in spreads]
    low, high = ([_in(value, seconds) if one.n >= _FEWEST else None for one, value in zip(spreads, column, strict=True)]
                 for column in ([one.p25 for one in spreads], [one.p75 for one in spreads]))  # fmt: skip
    title = "Time to first response"
    rows = [(period.first.isoformat(), one.n, one.ended, one.p25, one.median, one.p75, one.p90) for period, one in
            zip(look.periods, spreads, strict=True)]  # fmt: skip
    told = [("", one.n, one.ended, *map(lasting, (one.p25, one.median, one.p75, one.p90))) for one in spreads]
    whole = spread(add_up(found.values()))
    drawing = charts.band(title, look.labels, low, middle, high, names=("Median", "The middle half"), unit=unit)
    return Drawn(("from", "n", "answered", "p25_s", "median_s", "p75_s", "p90_s"), rows if whole.n else [],
                 drawing if whole.n else Markup(""),
                 over(look.labels, ("Opened", "Changes", "Answered", "25%", "Median", "75%", "90%"), told, title),
                 unattributed=look.unattributed_changes, of="changes", notes=(in_words(whole),))  # fmt: skip


@figure("releases-over-time", "Releases", "releases", scopes=("everything", "repository"))
def releases_over_time(look: Look) -> Drawn:
    """Releases that repositories published, period by period, pre-releases apart."""
    found = queries.releases_over_time(look.session, look.scope, look.window)
    full, early = (in_periods(look, {day: number for (day, is_pre), number in found.items() if is_pre is wanted})
                   for wanted in (False, True))  # fmt: skip
    series = [charts.Series("Releases", full), charts.Series("Pre-releases", early, "rest")]
    rows = [(period.first.isoformat(), *values) for period, *values in zip(look.periods, full, early, strict=True)]
    between = queries.releases(look.session, look.scope, look.window).between_s
    notes = (f"From one release of a repository to its next: median {lasting(between.median)}, n = {between.n:,}.",)
    return Drawn(("from", "releases", "pre-releases"), rows if found else [],
                 charts.columns("Releases", look.labels, series, unit="releases"),
                 charts.figures_table("Releases", look.labels, series), notes=notes if between.n else ())  # fmt: skip


def in_words(found: Spread) -> str:
    """A spread as a sentence: median with its bounds, and of how many."""
    bounds = f" (95% bounds {lasting(found.low)} to {lasting(found.high)})" if found.low is not None else ""
    return f"Median of them all {lasting(found.median)}{bounds}, n = {found.n:,}, of which {found.ended:,} answered."


def in_periods(look: Look, by_day: Mapping[date, int]) -> list[int]:
    """What is counted by days, summed up over the look's periods."""
    ends, found = [period.first for period in look.periods], [0] * len(look.periods)
    for day, number in by_day.items():
        found[max(bisect_right(ends, day) - 1, 0)] += number
    return found


def _durations_in(look: Look, by_day: Mapping[date, Durations]) -> list[list[Durations]]:
    firsts, found = [period.first for period in look.periods], [list[Durations]() for _ in look.periods]
    for day, part in by_day.items():
        found[max(bisect_right(firsts, day) - 1, 0)].append(part)
    return found


def _in(value: float | None, seconds: float) -> float | None:
    return None if value is None else round(value / seconds, 2)
