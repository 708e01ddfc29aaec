"""gradcheck and gradgradcheck: derivatives against central differences, of real and complex functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._core import Tensor

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[..., Tensor | Sequence[Tensor]]


def gradcheck(
    function: Function,
    inputs: Sequence[Tensor],
    *,
    step: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    seed: int = 0,
) -> None:
    """Raise AssertionError unless the gradients of `function` agree with central differences.

    `function` takes the inputs and gives a tensor or several; every float64 and complex128 input is checked, others
    are passed on. The gradient of a complex input is that by its real part plus i times that by its imaginary part, as
    in PyTorch: the direction in which a real loss grows fastest.
    Each input is varied element by element, so keep them small. An element agrees if it is within atol + rtol times
    the numeric value. The outputs are weighted by random numbers from `seed` and summed up first.

    Raises: AssertionError with the input, the worst element's index, its analytic and its numeric gradient; TypeError
    if no input is float64 or complex128 (float32 has too few digits for differences).

    >>> import flambeau as fl
    >>> fl.gradcheck(lambda x: x * x, [fl.tensor([1.0, -2.0], dtype=fl.float64)])
    >>> fl.gradcheck(lambda x: x * x.detach(), [fl.tensor([1.0, -2.0], dtype=fl.float64)])
    Traceback (most recent call last):
    AssertionError: gradient of input 0 (2,): 2 of 2 differ; the worst at index (1,): analytic -1.5... and...
    """
    if not any(_is_wide(x) for x in inputs):
        given = ", ".join(str(x.dtype) for x in inputs)
        raise TypeError(
            f"gradcheck: inputs are {given or 'missing'} and one at least must be float64 or complex128; use "
            "x.astype(fl.float64)"
        )
    random = np.random.default_rng(seed)
    start = [x.detach() for x in inputs]
    weights = [_weights(out, random) for out in _several(function(*start))]
    gradients = _gradients(function, start, weights)
    for i, (x, gradient) in enumerate(zip(start, gradients, strict=True)):
        if not _is_wide(x):
            continue
        found = np.zeros_like(_numpy(x)) if gradient is None else _numpy(gradient)
        expected = _differences(function, start, i, weights, step)
        _compare(found, expected, rtol, atol, f"gradient of input {i} {tuple(x.shape)}")


def gradgradcheck(
    function: Function,
    inputs: Sequence[Tensor],
    *,
    step: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    seed: int = 0,
) -> None:
    """Raise AssertionError unless the gradients of the gradients of `function` agree with central differences.

    The gradient is taken as a function of the inputs and of the outputs' weights; errors are gradcheck's.

    >>> import flambeau as fl
    >>> fl.gradgradcheck(lambda x: x * x * x, [fl.tensor([1.0, -2.0], dtype=fl.float64)])
    """
    random = np.random.default_rng(seed + 1)
    start = [x.detach() for x in inputs]
    weights = [w for w in (_weights(out, random) for out in _several(function(*start))) if w is not None]

    def first(*arguments: Tensor) -> list[Tensor]:
        values, given = arguments[: len(start)], iter(arguments[len(start) :])
        outputs = _several(function(*values))
        chosen = [next(given) if _is_wide(out) else None for out in outputs]
        found = _gradients_of(outputs, chosen, [x for x in values if x.requires_grad], create_graph=True)
        return [gradient for gradient in found if gradient is not None]

    def entry(*arguments: Tensor) -> list[Tensor]:
        # A first derivative needs inputs that require a gradient, even where the check only wants values.
        live = [x if x.requires_grad or not _is_wide(x) else _leaf(x) for x in arguments]
        return first(*live)

    gradcheck(entry, [*start, *weights], step=step, rtol=rtol, atol=atol, seed=seed)


def _compare(found: Array, expected: Array, rtol: float, atol: float, what: str) -> None:
    with np.errstate(invalid="ignore"):
        off = np.where((found == expected) | (np.isnan(found) & np.isnan(expected)), 0.0, np.abs(found - expected))
        bound = atol + rtol * np.abs(expected)
    wrong = ~(off <= bound)
    if not wrong.any():
        return
    worst = np.unravel_index(int(np.argmax(np.where(wrong, np.nan_to_num(off - bound, nan=np.inf), -1.0))), off.shape)
    raise AssertionError(
        f"{what}: {int(wrong.sum())} of {off.size} differ; the worst at index {tuple(int(i) for i in worst)}: analytic "
        f"{found[worst].item()} and numeric {expected[worst].item()}, off by {off[worst]:g}, bound {bound[worst]:g}"
    )


def _several(outputs: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def _is_wide(x: Tensor) -> bool:
    return str(x.dtype) in ("float64", "complex128")


def _weights(out: Tensor, random: np.random.Generator) -> Tensor | None:
    """Random weights of an output's elements, so that one sum stands for all of them."""
    if not _is_wide(out):
        return None
    drawn = random.uniform(0.5, 1.5, out.shape)
    if out.dtype.is_complex:
        drawn = drawn + 1j * random.uniform(0.5, 1.5, out.shape)
    return _core.tensor(np.asarray(drawn), device=str(out.device))


def _leaf(x: Tensor) -> Tensor:
    leaf = x.detach()
    leaf.requires_grad = True
    return leaf


def _gradients(
    function: Function, inputs: Sequence[Tensor], weights: Sequence[Tensor | None]
) -> list[Tensor | None]:
    leaves = [_leaf(x) if _is_wide(x) else x for x in inputs]
    wanted = [x for x in leaves if x.requires_grad]
    found = iter(_gradients_of(_several(function(*leaves)), weights, wanted, create_graph=False))
    return [next(found) if x.requires_grad else None for x in leaves]


def _gradients_of(
    outputs: Sequence[Tensor],
    weights: Sequence[Tensor | None],
    inputs: Sequence[Tensor],
    *,
    create_graph: bool,
) -> list[Tensor | None]:
    pairs = [(out, w) for out, w in zip(outputs, weights, strict=True) if w is not None and out.requires_grad]
    if not pairs:
        return [None] * len(inputs)
    outs, starts = [out for out, _ in pairs], [w for _, w in pairs]
    return list(_core.gradients(outs, starts, list(inputs), retain_graph=create_graph, create_graph=create_graph))


def _differences(
    function: Function, inputs: Sequence[Tensor], i: int, weights: Sequence[Tensor | None], step: float
) -> Array:
    base = _numpy(inputs[i])
    result = np.zeros_like(base)

    def weighted(values: Array) -> float:
        moved = [*inputs[:i], _core.tensor(values, device=str(inputs[i].device)), *inputs[i + 1 :]]
        outputs = _several(function(*moved))
        return sum(
            float((_numpy(out) * _numpy(w).conj()).real.sum())
            for out, w in zip(outputs, weights, strict=True) if w is not None
        )

    for place in np.ndindex(base.shape):
        for direction in (1, 1j) if base.dtype.kind == "c" else (1,):
            above, below = base.copy(), base.copy()
            above[place] += direction * step
            below[place] -= direction * step
            result[place] += direction * (weighted(above) - weighted(below)) / (2 * step)
    return result


def _numpy(x: Tensor) -> Array:
    return np.array(x.detach().to("cpu").numpy())
