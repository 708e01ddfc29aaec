"""The upright axes of drawings: which values stand at its lines, and how high a value lies."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from app.wording import number

PLOT_TOP = 22
_HOUR, _DAY = 3600.0, 86_400.0
_SPANS = {60.0: "1 min", 600.0: "10 min", _HOUR: "1 h", 6 * _HOUR: "6 h", _DAY: "1 day", 7 * _DAY: "1 week",
          30 * _DAY: "1 month", 91 * _DAY: "3 months", 365 * _DAY: "1 year", 3650 * _DAY: "10 years"}  # fmt: skip


class Scale:
    """Turns values into heights: 0 lies at the bottom, the highest tick at the top."""

    def __init__(
        self, most: float, height: int, *, top: int = PLOT_TOP, exact: bool = False, whole: bool = False
    ) -> None:
        self.height = height
        self.top = top
        self.ticks = [0.0, most or 1.0] if exact else round_ticks(most, whole=whole)

    def y(self, value: float) -> float:
        """How far from the top a value lies."""
        return self.top + self.height * (1 - value / self.ticks[-1])

    def told(self, tick: float) -> str:
        """What stands at a line."""
        return number(tidy(tick))


class SpanScale(Scale):
    """Spans of time in seconds, each step as high as its factor: a median of hours beside a tenth of months.

    >>> scale = SpanScale([7200, 5 * 86_400], 200)
    >>> [scale.told(tick) for tick in scale.ticks]
    ['1 h', '6 h', '1 day', '1 week']
    """

    def __init__(self, values: Sequence[float], height: int) -> None:
        super().__init__(0, height)
        known, steps = [value for value in values if not math.isnan(value)] or [_HOUR, _DAY], list(_SPANS)
        first = max(0, bisect_right(steps, min(known)) - 1)
        last = min(len(steps) - 1, max(bisect_left(steps, max(known)), first + 1))
        self.ticks = steps[min(first, last - 1) : last + 1]

    def y(self, value: float) -> float:
        """How far from the top; what lies outside is drawn at the edge."""
        low, high = self.ticks[0], self.ticks[-1]
        within = min(max(value, low), high)
        return self.top + self.height * (1 - math.log(within / low) / math.log(high / low))

    def told(self, tick: float) -> str:
        """What stands at a line."""
        return _SPANS[tick]


def tidy(value: float) -> float:
    """Whole numbers without a point, others with two digits."""
    return int(value) if float(value).is_integer() else round(value, 2)


def round_ticks(most: float, *, whole: bool = True) -> list[float]:
    """Round values from 0 to just above `most`, four or five of them; of things that are counted, whole ones."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    if whole:
        step = math.ceil(step)
    return [step * count for count in range(math.ceil(most / step - 1e-9) + 1)]
