"""How fast one source may ask: a bucket of requests that fills again, kept by each process for itself.

Reading costs no row: a mark in the database for every request would make each of them a write.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

_MOST_SOURCES = 20_000


@dataclass
class Pace:
    """`burst` requests at once, then `per_minute`; the source that was silent longest is forgotten first."""

    burst: int = 240
    per_minute: int = 600
    now: Callable[[], float] = time.monotonic
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_s(self, source: str) -> int:
        """0 if the source may ask now (and this request is counted), otherwise the seconds to wait.

        >>> clock = iter([0.0, 0.0, 0.0, 1.0]).__next__
        >>> pace = Pace(burst=2, per_minute=60, now=clock)
        >>> [pace.wait_s("192.0.2.7") for _ in range(4)]
        [0, 0, 1, 0]
        """
        now, each_s = self.now(), 60 / self.per_minute
        with self._lock:
            left, at = self._left.pop(source, (float(self.burst), now))
            left = min(float(self.burst), left + (now - at) / each_s)
            may = left >= 1
            self._left[source] = (left - 1 if may else left, now)
            if len(self._left) > _MOST_SOURCES:
                self._left.popitem(last=False)
        return 0 if may else max(1, int((1 - left) * each_s + 0.999))
