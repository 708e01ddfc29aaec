"""What the examples show in a terminal: a progress bar, `for step in progress(range(100)): ...`, and pictures."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

import numpy as np

Item = TypeVar("Item", covariant=True)
SHADES = np.array(list(" .:-=+*#%@"))


class Counted(Protocol[Item]):
    """What has a length and items: a list, a range, a DataLoader."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Item]: ...


class progress(Generic[Item]):
    """The items one after the other; on a terminal, a line with a bar, the time left and `note`.

    A file or a pipe gets nothing, so that logs stay readable.

    >>> losses = progress([3.0, 2.0])
    >>> for loss in losses:
    ...     losses.note = f"loss {loss}"
    """

    def __init__(self, items: Counted[Item], label: str = "", every_s: float = 0.1) -> None:
        self.items, self.label, self.every_s, self.note = items, label, every_s, ""

    def __iter__(self) -> Iterator[Item]:
        begin = shown = time.monotonic()
        for done, item in enumerate(self.items):
            now = time.monotonic()
            if sys.stderr.isatty() and now - shown >= self.every_s:
                shown = now
                self._draw(done / len(self.items), now - begin)
            yield item
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr)  # the line is free for what comes next

    def _draw(self, share: float, spent_s: float) -> None:
        bar = "#" * round(30 * share)
        left = f"{spent_s / share - spent_s:.0f} s left" if share else ""
        line = f"{self.label} [{bar:<30}] {share:4.0%}  {left}  {self.note}"
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def pictures(images: np.ndarray, across: int = 5) -> str:
    """Images (n, h, w) between 0 and 1 in characters, so many side by side.

    >>> print(pictures(np.eye(2)[None]))
    @@
      @@
    """
    shades = SHADES[np.clip(images * len(SHADES), 0, len(SHADES) - 1).astype(int)].repeat(2, axis=2)
    rows = [shades[start : start + across] for start in range(0, len(shades), across)]
    return "\n\n".join("\n".join("  ".join(map("".join, line)).rstrip() for line in row.swapaxes(0, 1)) for row in rows)
