"""Waiting and lasting over time as a drawing: median, 75th and 90th percentile; every step of the axis multiplies."""

from __future__ import annotations

from math import nan

from app import charts
from app.contributions.figures.drawing import table
from app.contributions.figures.figure import Drawn
from app.contributions.figures.look import Look
from app.contributions.figures.unattributed import of_changes
from app.contributions.metrics import Spread
from app.contributions.queries import Authors, Thing
from app.contributions.queries.health import spread_of, spreads_over
from app.wording import span


def spreads(look: Look, thing: Thing, title: str, whose: Authors, *, is_lasting: bool = False) -> Drawn:
    """The percentiles of each period; a gap where so large a share has not ended yet."""
    found = spreads_over(look.session, thing, look.scope, look.window, as_of=look.as_of, authors=whose,
                         is_lasting=is_lasting)  # fmt: skip
    lines = {"Median": [one.median for one in found], "75%": [one.p75 for one in found],
             "90%": [one.p90 for one in found]}  # fmt: skip
    series = [charts.Series(name, [nan if one is None else one for one in values]) for name, values in lines.items()]
    rows = [(period.first.isoformat(), one.n, one.ended, one.median, one.p75, one.p90)
            for period, one in zip(look.periods, found, strict=True)]  # fmt: skip
    shown = [(label, one.n, one.ended, span(one.median), span(one.p75), span(one.p90))
             for label, one in zip(look.labels, found, strict=True)]  # fmt: skip
    has_any = any(one.median is not None or one.p75 is not None for one in found)
    whole = spread_of(look.session, thing, look.scope, look.window, as_of=look.as_of, authors=whose,
                      is_lasting=is_lasting)  # fmt: skip
    heads = ("Opened in", "n", "Ended", "Median", "75%", "90%")
    return Drawn(("opened from", "n", "ended", "median_s", "p75_s", "p90_s"), rows if whole.n else (),
                 charts.spans(title, look.labels, series) if has_any else charts.NOTHING, table(title, heads, shown),
                 of_changes(look, thing, whose), of=thing.value,
                 notes=(_in_words(whole),))  # fmt: skip


def _in_words(whole: Spread) -> str:
    """All of them as a sentence: of how many, and the median with its bounds."""
    said = f"n = {whole.n:,}, of which {whole.ended:,} have ended; by when they were opened."
    if whole.median is None:
        return said
    said += f" Median of them all {span(whole.median)}"
    if whole.low is None or whole.high is None:
        return f"{said}."
    return f"{said}, with 95% between {span(whole.low)} and {span(whole.high)}."
