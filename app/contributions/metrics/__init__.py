"""What the figures mean (`definitions`) and how they follow from work, timelines, people and durations. Pure."""

from app.contributions.metrics.comparison import Comparison, Group, compare
from app.contributions.metrics.definitions import METRICS, Metric
from app.contributions.metrics.durations import Spread, durations, spread
from app.contributions.metrics.people import Cohort, Flow, cohorts, flow
from app.contributions.metrics.presence import Presence, presence
from app.contributions.metrics.timelines import EventKind, Happened, Measured, measured
from app.contributions.metrics.work import (
    COMMITS,
    CONTRIBUTIONS,
    Cell,
    Kind,
    Strand,
    Summary,
    contributors,
    count,
    factor,
    grouped,
    lines_over,
    ranked,
    strands,
    summarize,
)

__all__ = [
    "COMMITS",
    "CONTRIBUTIONS",
    "METRICS",
    "Cell",
    "Cohort",
    "Comparison",
    "EventKind",
    "Flow",
    "Group",
    "Happened",
    "Kind",
    "Measured",
    "Metric",
    "Presence",
    "Spread",
    "Strand",
    "Summary",
    "cohorts",
    "compare",
    "contributors",
    "count",
    "durations",
    "factor",
    "flow",
    "grouped",
    "lines_over",
    "measured",
    "presence",
    "ranked",
    "spread",
    "strands",
    "summarize",
]
