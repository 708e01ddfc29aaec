"""Ratios with their intervals, and what they say about a target. Pure: no clock, no process."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["met", "not met", "not decided"]
RESAMPLES = 2000
Draws = Sequence[float]


@dataclass(frozen=True)
class Ratio:
    """How many times as fast, with the 95% bootstrap interval."""

    value: float
    low: float
    high: float


def ratio(ours: Sequence[float], theirs: Sequence[float], *, more_is_better: bool = False, seed: object = 1) -> Ratio:
    """Medians of the rounds divided; the interval resamples whole rounds, which keeps what disturbed both together.

    >>> ratio([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])
    Ratio(value=2.0, low=2.0, high=2.0)
    """
    pairs = list(zip(ours, theirs, strict=True))
    draws = _draws(pairs, lambda drawn: _divided(drawn, more_is_better), seed)
    return _interval(_divided(pairs, more_is_better), draws)


def geometric_mean(rows: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Ratio:
    """Of the ratios of many rows, each (ours, theirs) in seconds; every row's rounds are resampled for themselves.

    >>> geometric_mean([([1.0], [2.0]), ([1.0], [8.0])])
    Ratio(value=4.0, low=4.0, high=4.0)
    """
    pairs = [list(zip(ours, theirs, strict=True)) for ours, theirs in rows]
    draws = [_draws(row, _divided, seed) for seed, row in enumerate(pairs)]
    return _interval(_mean(map(_divided, pairs)), [_mean(drawn) for drawn in zip(*draws, strict=True)])


def lowest(ratios: Sequence[Ratio]) -> Ratio:
    """The smallest of many, with the smallest ends: at least a target only if every one is.

    >>> lowest([Ratio(1.0, 0.7, 1.3), Ratio(0.9, 0.8, 1.0)])
    Ratio(value=0.9, low=0.7, high=1.0)
    """
    return Ratio(*(min(ends) for ends in zip(*((r.value, r.low, r.high) for r in ratios), strict=True)))


def against_target(measured: Ratio, target: float) -> Verdict:
    """Met when the interval's lower end reaches the target, not met when its upper end does not.

    >>> against_target(Ratio(3.2, 2.9, 3.5), 3.0)
    'not decided'
    """
    if measured.low >= target:
        return "met"
    return "not met" if measured.high < target else "not decided"


def under_bound(measured: Ratio, bound: float) -> Verdict:
    """Met when the interval's upper end keeps the bound, not met when its lower end does not."""
    if measured.high <= bound:
        return "met"
    return "not met" if measured.low > bound else "not decided"


def figure(samples: Sequence[float]) -> Ratio:
    """The median of one figure, with its interval."""
    return _interval(statistics.median(samples), _draws(list(samples), statistics.median, 1))


def together(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """Of a row with several targets: all must be met. None (a rival did not run) decides nothing.

    >>> together(["met", "not decided"]), together(["met", None]), together([None])
    ('not decided', 'not decided', None)
    """
    found = list(verdicts)
    if all(verdict is None for verdict in found):
        return None
    if "not met" in found:
        return "not met"
    return "met" if all(verdict == "met" for verdict in found) else "not decided"


def _draws(items: list[Any], of: Callable[[list[Any]], float], seed: object) -> Draws:
    """What the items say when as many are drawn from them with replacement, many times."""
    draw = random.Random(str(seed))
    return [of(draw.choices(items, k=len(items))) for _ in range(RESAMPLES)]


def _interval(value: float, draws: Draws) -> Ratio:
    ordered = sorted(draws)
    return Ratio(value, ordered[int(0.025 * RESAMPLES)], ordered[int(0.975 * RESAMPLES) - 1])


def _mean(ratios: Iterable[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


def _divided(pairs: Sequence[tuple[float, float]], more_is_better: bool = False) -> float:
    ours = statistics.median(pair[0] for pair in pairs)
    theirs = statistics.median(pair[1] for pair in pairs)
    return ours / theirs if more_is_better else theirs / ours
