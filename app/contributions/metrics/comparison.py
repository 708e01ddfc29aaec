"""Do some wait longer than others? Two groups' durations side by side, with how sure the difference is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt
from statistics import NormalDist

from app.contributions.metrics.durations import Durations, Spread, spread

# Below this a comparison says more about chance than about anybody.
FEWEST = 20


@dataclass(frozen=True)
class Group:
    """One side of a comparison."""

    key: str
    name: str
    durations: Durations

    @property
    def spread(self) -> Spread:
        """Its figures."""
        return spread(self.durations)


@dataclass(frozen=True)
class Comparison:
    """Two groups' figures, the log-rank test's z (positive: `other` waits longer) and its two-sided p.

    `p` None: too few for a test.
    """

    one: Spread
    other: Spread
    z: float | None
    p: float | None

    @property
    def verdict(self) -> str:
        """A sentence that claims no more than the figures do."""
        if self.z is None or self.p is None:
            return f"Too few to say (at least {FEWEST} answered on both sides are needed)."
        if self.p >= 0.05:
            return "No difference that chance would not explain."
        return "Waits longer." if self.z > 0 else "Waits less long."


def compare(one: Durations, other: Durations) -> Comparison:
    """Compare the waiting of two groups by the log-rank test, which counts those still waiting as what they are.

    A small p says that chance alone would seldom give so large a difference; it says nothing of the cause, and who
    is in which group is not drawn by lot.
    """
    first, second = spread(one), spread(other)
    if min(first.ended, second.ended) < FEWEST:
        return Comparison(first, second, None, None)
    z = log_rank(one, other)
    return Comparison(first, second, z, erfc(abs(z) / sqrt(2)))


def share_bounds(part: int, whole: int) -> tuple[float, float] | None:
    """Between which shares the true one lies with 95 % confidence (Wilson, JASA 22, 1927); None of nothing.

    >>> [round(one, 3) for one in share_bounds(8, 10) or ()]
    [0.49, 0.943]
    """
    if not whole:
        return None
    z, share = NormalDist().inv_cdf(0.975), part / whole
    middle = share + z * z / (2 * whole)
    away = z * sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return max(0.0, (middle - away) / (1 + z * z / whole)), min(1.0, (middle + away) / (1 + z * z / whole))


def log_rank(one: Durations, other: Durations) -> float:
    """The log-rank statistic z (Mantel, 1966; Peto and Peto, 1972): positive if `one` ends sooner than `other`."""
    first = sum(ended + going_on for ended, going_on in one.values())
    both = first + sum(ended + going_on for ended, going_on in other.values())
    excess = variance = 0.0
    for at in sorted(one.keys() | other.keys()):
        one_ended, one_going = one.get(at, (0, 0))
        other_ended, other_going = other.get(at, (0, 0))
        ended = one_ended + other_ended
        if ended and both > 1:
            excess += one_ended - ended * first / both
            variance += first * (both - first) * ended * (both - ended) / (both * both * (both - 1))
        first -= one_ended + one_going
        both -= ended + one_going + other_going
    return excess / sqrt(variance) if variance > 0 else 0.0
