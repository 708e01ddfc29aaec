"""A step length at which a function falls enough and its slope too: the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import flambeau as fl

_FALL, _SLOPE = 1e-4, 0.9  # Nocedal and Wright, Numerical Optimization, 2006, section 3.1


@dataclass(frozen=True)
class Point:
    """What is known at a step length: the value, the gradient, and the slope along the direction."""

    length: float
    value: float
    gradient: fl.Tensor
    slope: float


def search(
    at: Callable[[float], Point], start: Point, length: float, *, size: float, tolerance: float, most: int
) -> tuple[Point, int]:
    """The point found and how many were tried, `most` about: first a bracket, then smaller ones.

    `start` is the point at length 0 and `size` the direction's largest element.
    Source: Nocedal and Wright, algorithms 3.5 and 3.6, with cubic interpolation.
    """
    before, now = start, at(length)
    tried = 1
    bracket: list[Point] = []
    for rounds in range(most):
        rises = _too_high(now, start) or (rounds > 1 and now.value >= before.value)
        if not rises and _is_flat(now, start):
            return now, tried
        if rises or now.slope >= 0:
            bracket = [before, now]
            break
        further = _cubic(before, now, now.length + 0.01 * (now.length - before.length), now.length * 10)
        before, now = now, at(further)
        tried += 1
    else:
        bracket = [start, now]
    return _narrow(at, start, bracket, tried, size=size, tolerance=tolerance, most=most)


def _narrow(
    at: Callable[[float], Point], start: Point, bracket: list[Point], tried: int, *, size: float, tolerance: float,
    most: int
) -> tuple[Point, int]:
    """Make the bracket smaller until a point in it does."""
    low, high = sorted(bracket, key=lambda point: point.value)
    stuck = False
    while tried <= most and abs(high.length - low.length) * size >= tolerance:
        left, right = sorted((low.length, high.length))
        length = _cubic(bracket[0], bracket[1], left, right)
        margin = 0.1 * (right - left)
        near = min(right - length, length - left) < margin
        if near and (stuck or not left < length < right):
            length = right - margin if abs(length - right) < abs(length - left) else left + margin
            stuck = False
        else:
            stuck = near
        now = at(length)
        tried += 1
        at_low = bracket.index(low)
        if _too_high(now, start) or now.value >= low.value:
            bracket[1 - at_low] = high = now
            low, high = (bracket[0], bracket[1]) if bracket[0].value <= bracket[1].value else (bracket[1], bracket[0])
            continue
        if _is_flat(now, start):
            return now, tried
        if now.slope * (high.length - low.length) >= 0:
            bracket[1 - at_low] = high = low
        bracket[at_low] = low = now
    return low, tried


def _too_high(point: Point, start: Point) -> bool:
    return point.value > start.value + _FALL * point.length * start.slope


def _is_flat(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -_SLOPE * start.slope


def _cubic(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through both points with both slopes is least, kept between the bounds."""
    left, right = (a, b) if a.length <= b.length else (b, a)
    if left.length == right.length:
        return (low + high) / 2
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.length - b.length)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    divisor = right.slope - left.slope + 2 * d2
    if divisor == 0:
        return (low + high) / 2
    found = right.length - (right.length - left.length) * ((right.slope + d2 - d1) / divisor)
    return min(max(found, low), high)
