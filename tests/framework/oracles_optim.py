"""What the optimizers' steps give, in NumPy: see oracles.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Attrs = tuple[Any, ...]


def _sgd(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, momentum, dampening, weight_decay, nesterov, maximize, first = attrs
    parameters, gradients, buffers = x[:count], x[count : 2 * count], x[2 * count :]
    steps = [(-g if maximize else g) + weight_decay * p for p, g in zip(parameters, gradients, strict=True)]
    if not buffers:
        return [p - lr * s for p, s in zip(parameters, steps, strict=True)]
    kept = [s if first else momentum * b + (1 - dampening) * s for b, s in zip(buffers, steps, strict=True)]
    used = [s + momentum * b if nesterov else b for s, b in zip(steps, kept, strict=True)]
    return [p - lr * s for p, s in zip(parameters, used, strict=True)] + kept


def _adamw(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, beta1, beta2, eps, weight_decay, step, maximize = attrs
    groups = [x[i * count : (i + 1) * count] for i in range(4)]
    moved, means, squares = [], [], []
    for p, given, mean, square in zip(*groups, strict=True):
        g = -given if maximize else given
        means.append(beta1 * mean + (1 - beta1) * g)
        squares.append(beta2 * square + (1 - beta2) * g * g)
        root = np.sqrt(squares[-1] / (1 - beta2**step)) + eps
        moved.append(p * (1 - lr * weight_decay) - lr * means[-1] / (1 - beta1**step) / root)
    return moved + means + squares


def _adam(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, beta1, beta2, eps, weight_decay, step, decoupled, maximize = attrs
    groups = [x[i * count : (i + 1) * count] for i in range(len(x) // count)]
    after: list[list[Array]] = [[] for _ in groups]
    for p, given, mean, square, *largest in zip(*groups, strict=True):
        g = (-given if maximize else given) + (0 if decoupled else weight_decay * p)
        mean, square = beta1 * mean + (1 - beta1) * g, beta2 * square + (1 - beta2) * g * g
        counted = np.maximum(square, largest[0]) if largest else square
        kept = p * (1 - lr * weight_decay) if decoupled else p
        moved = kept - lr * mean / (1 - beta1**step) / (np.sqrt(counted / (1 - beta2**step)) + eps)
        for part, value in zip(after, (moved, None, mean, square, counted), strict=False):
            part.append(value)
    return [value for part in (after[0], *after[2:]) for value in part]


def _rmsprop(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, alpha, eps, weight_decay, momentum, centered, maximize = attrs
    groups = [x[i * count : (i + 1) * count] for i in range(len(x) // count)]
    after: list[list[Array]] = [[] for _ in groups]
    for p, given, square, *more in zip(*groups, strict=True):
        g = (-given if maximize else given) + weight_decay * p
        square = alpha * square + (1 - alpha) * g * g
        states = [square]
        if centered:
            states.append(alpha * more[0] + (1 - alpha) * g)
        step = g / (np.sqrt(square - states[1] ** 2 if centered else square) + eps)
        if momentum:
            step = momentum * more[-1] + step
            states.append(step)
        for part, value in zip(after, (p - lr * step, None, *states), strict=True):
            part.append(value)
    return [value for part in (after[0], *after[2:]) for value in part]


def _adagrad(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, eps, weight_decay, maximize = attrs
    groups = [x[i * count : (i + 1) * count] for i in range(3)]
    moved, sums = [], []
    for p, given, total in zip(*groups, strict=True):
        g = (-given if maximize else given) + weight_decay * p
        sums.append(total + g * g)
        moved.append(p - lr * g / (np.sqrt(sums[-1]) + eps))
    return moved + sums


def _lion(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, beta1, beta2, weight_decay, maximize = attrs
    groups = [x[i * count : (i + 1) * count] for i in range(3)]
    moved, means = [], []
    for p, given, mean in zip(*groups, strict=True):
        g = -given if maximize else given
        means.append(beta2 * mean + (1 - beta2) * g)
        moved.append(p * (1 - lr * weight_decay) - lr * np.sign(beta1 * mean + (1 - beta1) * g))
    return moved + means


NUMPY: dict[str, Callable[[list[Array], Attrs], Any]] = {
    "sgd_step": _sgd,
    "adamw_step": _adamw,
    "adam_step": _adam,
    "rmsprop_step": _rmsprop,
    "adagrad_step": _adagrad,
    "lion_step": _lion,
    "unscale": lambda x, attrs: [*[g * attrs[0] for g in x[:-1]], x[-1]],
}
