"""Durations with those that have not ended: medians and percentiles by Kaplan and Meier, with how sure they are. Pure.

A change that is still open has no duration yet, and leaving it out would make every median too short: it enters as
*at least this long* (censored). Without censoring a percentile is the smallest duration that so large a share of all
durations does not exceed (Hyndman and Fan's type 1, NumPy's "inverted_cdf").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import exp, inf, log, log2, sqrt
from statistics import NormalDist
from typing import NamedTuple

STEPS_TO_A_DOUBLING = 32
_LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.5 + _LEVEL / 2)
_TINY = 1e-12


def step_of(seconds: int) -> int:
    """A duration on a scale of 32 steps to a doubling; the step's beginning is at most 2.2 % shorter.

    >>> step_of(0), step_of(1), step_of(2), step_of(3600)
    (0, 0, 32, 378)
    """
    return int(STEPS_TO_A_DOUBLING * log2(seconds) + _TINY) if seconds > 1 else 0


@cache
def seconds_of(step: int) -> float:
    """Where a step begins.

    >>> seconds_of(32), round(seconds_of(378))
    (2.0, 3597)
    """
    return float(2.0 ** (step / STEPS_TO_A_DOUBLING))


class Point(NamedTuple):
    """The curve just after a duration: how many were at risk, how many ended at it, and the share that lasts longer.

    `variance` is Greenwood's sum; the variance of `lasting` is its square times that.
    """

    at_s: float
    at_risk: int
    ended: int
    lasting: float
    variance: float


@dataclass(frozen=True)
class Spread:
    """Durations in a few figures, whole seconds: `n` of which `ended` have ended; None where too few have ended yet.

    `low` and `high` bound the median with 95 % confidence (`high` None: no bound can be given yet).
    """

    n: int
    ended: int
    p25: int | None
    median: int | None
    p75: int | None
    p90: int | None
    low: int | None
    high: int | None


Durations = Mapping[float, tuple[int, int]]
"""Seconds -> (how many ended then, how many were then still going on)."""


def durations(ended: Iterable[float], going_on: Iterable[float] = ()) -> dict[float, tuple[int, int]]:
    """Count durations: those that ended, and those of which only "at least this long" is known.

    >>> durations([60, 60, 90], [75])
    {60: (2, 0), 90: (1, 0), 75: (0, 1)}
    """
    found: dict[float, tuple[int, int]] = {}
    for at in ended:
        one, other = found.get(at, (0, 0))
        found[at] = (one + 1, other)
    for at in going_on:
        one, other = found.get(at, (0, 0))
        found[at] = (one, other + 1)
    return found


def add_up(parts: Iterable[Durations]) -> dict[float, tuple[int, int]]:
    """All of them together."""
    found: dict[float, tuple[int, int]] = {}
    for part in parts:
        for at, (ended, going_on) in part.items():
            one, other = found.get(at, (0, 0))
            found[at] = (one + ended, other + going_on)
    return found


def curve(counted: Durations) -> list[Point]:
    """The share that lasts longer, at each duration at which one ended (Kaplan and Meier, JASA 53, 1958).

    What was still going on at a duration counts as at risk there. Greenwood's formula gives the variance.
    """
    at_risk = sum(ended + going_on for ended, going_on in counted.values())
    lasting, variance, found = 1.0, 0.0, []
    for at in sorted(counted):
        ended, going_on = counted[at]
        if ended:
            lasting *= (at_risk - ended) / at_risk
            variance += ended / (at_risk * (at_risk - ended)) if at_risk > ended else inf
            found.append(Point(at, at_risk, ended, lasting, variance))
        at_risk -= ended + going_on
    return found


def percentile(points: Iterable[Point], share: float) -> float | None:
    """The smallest duration within which this share has ended; None if so large a share has not ended yet."""
    return next((point.at_s for point in points if point.lasting <= 1 - share + _TINY), None)


def bounds(points: Iterable[Point], share: float = 0.5) -> tuple[float | None, float | None]:
    """Between which durations the percentile lies with 95 % confidence (Brookmeyer and Crowley, Biometrics 38, 1982).

    Read off the curve's own bounds on the log(-log) scale.
    """
    low = high = None
    for point in points:
        floor, ceiling = _band(point)
        if low is None and floor <= 1 - share:
            low = point.at_s
        if ceiling <= 1 - share:
            high = point.at_s
            break
    return low, high


def spread(counted: Durations) -> Spread:
    """The usual figures.

    >>> from app.contributions.metrics.durations import durations, spread
    >>> found = spread(durations([1, 2, 3, 4], going_on=[10]))
    >>> found.n, found.ended, found.median, found.p90
    (5, 4, 3, None)
    """
    points = curve(counted)
    low, high = (_whole(one) for one in bounds(points))
    return Spread(
        n=sum(ended + going_on for ended, going_on in counted.values()),
        ended=sum(ended for ended, _ in counted.values()),
        p25=_whole(percentile(points, 0.25)),
        median=_whole(percentile(points, 0.5)),
        p75=_whole(percentile(points, 0.75)),
        p90=_whole(percentile(points, 0.9)),
        low=low,
        high=high,
    )


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def _band(point: Point) -> tuple[float, float]:
    if point.lasting <= 0:
        return 0.0, 0.0
    if point.lasting >= 1:
        return 1.0, 1.0
    away = _Z * sqrt(point.variance) / log(point.lasting)
    return point.lasting ** exp(-away), point.lasting ** exp(away)
