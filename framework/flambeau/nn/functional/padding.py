"""More elements around a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import flambeau as fl
from flambeau import _core

PadMode = Literal["constant", "reflect", "replicate", "circular"]
_MODES = ("constant", "reflect", "replicate", "circular")


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
    if mode not in _MODES:
        raise ValueError(f"pad: mode is {mode!r}; there are {', '.join(_MODES)}")
    sides = [(0, 0)] * (input.ndim - len(around) // 2)
    sides += [(around[i], around[i + 1]) for i in range(len(around) - 2, -1, -2)]
    if mode == "constant":
        return _constant(input, sides, 0.0 if value is None else value)
    if value is not None and value != 0.0:
        raise ValueError(f'pad: value is {value}, which mode {mode!r} has no use for; it goes with "constant"')
    result = input
    for axis, (before, behind) in enumerate(sides):
        if before or behind:
            result = fl.concat(_parts(result, axis, before, behind, mode), axis=axis)
    return result


def _constant(x: fl.Tensor, sides: list[tuple[int, int]], value: float) -> fl.Tensor:
    key, starts, stops, shape = [], [], [], []
    for n, (before, behind) in zip(x.shape, sides, strict=True):
        if n + before + behind < 0:
            raise fl.ShapeError(f"pad: input is {tuple(x.shape)}; ({before}, {behind}) cuts off more than there is")
        first, last = max(0, -before), n - max(0, -behind)
        key.append(slice(first, max(first, last)))
        starts.append(max(0, before))
        stops.append(max(0, before) + max(0, last - first))
        shape.append(n + before + behind)
    x = x[tuple(key)]
    place = (tuple(shape), tuple(starts), tuple(stops), (1,) * len(shape))
    if tuple(x.shape) == tuple(shape):
        return x
    padded = _core.ops["slice_grad"](x, *place)
    if value == 0.0:
        return padded
    inside = _core.ops["slice_grad"](fl.ones(x.shape, dtype=fl.bool, device=x.device), *place)
    return fl.where(inside, padded, value)


def _parts(x: fl.Tensor, axis: int, before: int, behind: int, mode: str) -> list[fl.Tensor]:
    """What stands one after the other along the axis: what is put before x, x itself, what is put behind."""
    n = x.shape[axis]
    most = {"reflect": n - 1, "circular": n}.get(mode, max(before, behind))
    if min(before, behind) < 0 or max(before, behind) > most or n == 0:
        raise fl.ShapeError(f"pad: input is {tuple(x.shape)}; mode {mode!r} adds 0 to {max(most, 0)} elements to each "
                            f"side of axis {axis}, not ({before}, {behind})")

    def part(first: int, stop: int, step: int = 1) -> fl.Tensor:
        return x[(*(slice(None),) * axis, slice(first, stop, step))]

    if mode == "replicate":
        around = [(part(0, 1), before), (part(n - 1, n), behind)]
        left, right = (fl.broadcast_to(edge, (*x.shape[:axis], k, *x.shape[axis + 1:])) for edge, k in around)
    elif mode == "circular":
        left, right = part(n - before, n), part(0, behind)
    else:
        left, right = fl.flip(part(1, before + 1), axis=axis), fl.flip(part(n - 1 - behind, n - 1), axis=axis)
    return [each for each, k in ((left, before), (x, 1), (right, behind)) if k]
