"""Ratios with their intervals, and what they say about a target. Pure: no clock, no process."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["met", "not met", "not decided"]


@dataclass(frozen=True)
class Ratio:
    """How many times as fast, with the 95% bootstrap interval."""

    value: float
    low: float
    high: float


def ratio(
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    more_is_better: bool = False,
    resamples: int = 2000,
    seed: int = 1,
) -> Ratio:
    """Medians of the rounds divided; the interval resamples whole rounds, which keeps what disturbed both together.

    >>> ratio([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])
    Ratio(value=2.0, low=2.0, high=2.0)
    """
    pairs = list(zip(ours, theirs, strict=True))
    draw = random.Random(seed)
    values = sorted(_divided(draw.choices(pairs, k=len(pairs)), more_is_better) for _ in range(resamples))
    return Ratio(_divided(pairs, more_is_better), values[int(0.025 * resamples)], values[int(0.975 * resamples) - 1])


def against_target(measured: Ratio, target: float) -> Verdict:
    """Met when the interval's lower end reaches the target, not met when its upper end does not.

    >>> against_target(Ratio(3.2, 2.9, 3.5), 3.0)
    'not decided'
    """
    if measured.low >= target:
        return "met"
    return "not met" if measured.high < target else "not decided"


def under_bound(
    samples: Sequence[float], bound: float, *, resamples: int = 2000, seed: int = 1
) -> tuple[Ratio, Verdict]:
    """The median of what must stay under a bound, with its interval."""
    draw = random.Random(seed)
    values = sorted(statistics.median(draw.choices(samples, k=len(samples))) for _ in range(resamples))
    low, high = values[int(0.025 * resamples)], values[int(0.975 * resamples) - 1]
    verdict: Verdict = "met" if high <= bound else "not met" if low > bound else "not decided"
    return Ratio(statistics.median(samples), low, high), verdict


def _divided(pairs: Sequence[tuple[float, float]], more_is_better: bool) -> float:
    ours = statistics.median(pair[0] for pair in pairs)
    theirs = statistics.median(pair[1] for pair in pairs)
    return ours / theirs if more_is_better else theirs / ours
