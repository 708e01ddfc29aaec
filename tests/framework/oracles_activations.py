"""Activations by NumPy and SciPy: values, and gradients at x times g."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

Array = np.ndarray[Any, np.dtype[Any]]
Rule = Callable[..., Any]


def _value(rule: Rule) -> Callable[[list[Array], tuple[Any, ...]], Any]:
    return lambda x, attrs: rule(x[0], *attrs)


def _gradient(slope: Rule) -> Callable[[list[Array], tuple[Any, ...]], Any]:
    return lambda x, attrs: x[0] * slope(x[1], *attrs)


def _pieces(slope: Rule) -> Callable[[list[Array], tuple[Any, ...]], Any]:
    """A slope of 0 lets nothing through, a NaN or an infinity neither."""

    def gradient(x: list[Array], attrs: tuple[Any, ...]) -> Any:
        g, at = np.broadcast_arrays(*x)
        factor = np.asarray(slope(at, *attrs))
        return np.where(factor == 0, 0.0, g * factor)

    return gradient


def _softplus(x: Array, beta: float = 1.0, threshold: float = np.inf) -> Array:
    return np.where(beta * x > threshold, x, np.logaddexp(0, beta * x) / beta)


def _elu(x: Array, alpha: float, scale: float, inner: float) -> Array:
    return np.where(x > 0, scale * x, scale * alpha * np.expm1(inner * np.minimum(x, 0)))


def _elu_slope(x: Array, alpha: float, scale: float, inner: float) -> Array:
    return np.where(x > 0, scale, alpha * scale * inner * np.exp(inner * np.minimum(x, 0)))


def _hardsigmoid(x: Array) -> Array:
    return np.clip((x + 3) / 6, 0, 1)


def _silu_slope(x: Array) -> Array:
    return special.expit(x) * (1 + x * special.expit(-x))


def _mish_slope(x: Array) -> Array:
    t = np.tanh(_softplus(x))
    return np.asarray(t + x * special.expit(x) * (1 - t) * (1 + t))


NUMPY = {
    "clip_to": _value(lambda x, low, high: np.where(np.isnan(x), x, np.clip(x, low, high))),
    "clip_to_grad": _pieces(lambda x, low, high: ~((x < low) | (x > high)) * 1.0),
    "hardtanh": _value(lambda x, low, high: np.where(np.isnan(x), x, np.clip(x, low, high))),
    "hardtanh_grad": _pieces(lambda x, low, high: ~((x <= low) | (x >= high)) * 1.0),
    "leaky_relu": _value(lambda x, slope: np.where(x > 0, x, slope * x)),
    "leaky_relu_grad": _gradient(lambda x, slope: np.where(x > 0, 1.0, slope)),
    "elu": _value(_elu),
    "elu_grad": _gradient(_elu_slope),
    "softplus": _value(_softplus),
    "softplus_grad": _gradient(lambda x, beta, threshold: np.where(beta * x > threshold, 1.0, special.expit(beta * x))),
    "log_sigmoid": _value(lambda x: -np.logaddexp(0, -x)),
    "log_sigmoid_grad": _gradient(lambda x: special.expit(-x)),
    "silu": _value(lambda x: x * special.expit(x)),
    "silu_grad": _gradient(_silu_slope),
    "mish": _value(lambda x: x * np.tanh(_softplus(x))),
    "mish_grad": _gradient(lambda x: _mish_slope(np.clip(x, -1000, 1000))),
    "hardsigmoid": _value(_hardsigmoid),
    "hardsigmoid_grad": _pieces(lambda x: (np.abs(x) < 3) / 6),
    "hardswish": _value(lambda x: x * _hardsigmoid(x)),
    "hardswish_grad": _pieces(lambda x: np.where(x <= -3, 0.0, np.where(x >= 3, 1.0, (2 * x + 3) / 6))),
    "hardshrink": _value(lambda x, bound: np.where(np.abs(x) <= bound, 0.0, x)),
    "hardshrink_grad": _pieces(lambda x, bound: ~(np.abs(x) <= bound) * 1.0),
    "softshrink": _value(lambda x, bound: np.where(np.abs(x) <= bound, 0.0, x - np.copysign(bound, x))),
    "huber": _value(lambda x, delta: np.where(np.abs(x) > delta, delta * (np.abs(x) - delta / 2), x * x / 2)),
    "huber_grad": _gradient(lambda x, delta: np.clip(x, -delta, delta)),
    "threshold": _value(lambda x, threshold, value: np.where(x <= threshold, value, x)),
    "threshold_grad": _pieces(lambda x, threshold, value: ~(x <= threshold) * 1.0),
}
