"""More elements around a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import flambeau as fl
from flambeau import _core

PadMode = Literal["constant", "reflect", "replicate", "circular"]
_pad = _core.ops["pad"]


def pad(input: fl.Tensor, pad: Sequence[int], mode: PadMode = "constant", value: float | None = None) -> fl.Tensor:
    """More elements around: pad is (before, behind) of the last axis, then of the one before it, and so on.

    mode "constant" puts `value` (0) there, and negative numbers cut off; "reflect" goes back from the edge, "replicate"
    repeats the edge, "circular" begins again at the other end.
    Raises: ShapeError where an axis is too short to reflect or begin again.

    >>> pad(fl.tensor([1.0, 2.0, 3.0]), (1, 2)).tolist()
    [0.0, 1.0, 2.0, 3.0, 0.0, 0.0]
    >>> pad(fl.tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect").tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """
    around = tuple(pad)
    if len(around) % 2 or len(around) > 2 * input.ndim:
        raise ValueError(f"pad: pad is {around} for input {tuple(input.shape)}; it needs two numbers for each axis "
                         "from the last one on")
    sides = [(0, 0)] * (input.ndim - len(around) // 2)
    sides += [(around[i], around[i + 1]) for i in range(len(around) - 2, -1, -2)]
    if mode == "constant":
        return _constant(input, sides, 0.0 if value is None else value)
    if value is not None and value != 0.0:
        raise ValueError(f'pad: value is {value}, which mode {mode!r} has no use for; it goes with "constant"')
    return _pad(input, before=[before for before, _ in sides], behind=[behind for _, behind in sides], mode=mode)


def _constant(x: fl.Tensor, sides: list[tuple[int, int]], value: float) -> fl.Tensor:
    if any(before < 0 or behind < 0 for before, behind in sides):
        x, sides = _cut(x, sides)
    if not any(before or behind for before, behind in sides):
        return x
    given = (fl.asarray(value, dtype=x.dtype, device=x.device),) if value else ()
    before, behind = zip(*sides, strict=True)
    return _pad(x, *given, before=list(before), behind=list(behind), mode="constant")


def _cut(x: fl.Tensor, sides: list[tuple[int, int]]) -> tuple[fl.Tensor, list[tuple[int, int]]]:
    """What negative numbers leave of x, and what is still to be added."""
    key, left = [], []
    for n, (before, behind) in zip(x.shape, sides, strict=True):
        if n + before + behind < 0:
            raise fl.ShapeError(f"pad: input is {tuple(x.shape)}; ({before}, {behind}) cuts off more than there is")
        first, last = max(0, -before), n - max(0, -behind)
        key.append(slice(first, max(first, last)))
        more = n + before + behind - max(0, last - first)
        left.append((min(max(0, before), more), more - min(max(0, before), more)))
    return x[tuple(key)], left
