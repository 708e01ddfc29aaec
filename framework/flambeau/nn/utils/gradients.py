"""Gradients that are too large."""

from __future__ import annotations

from collections.abc import Iterable

import flambeau as fl
from flambeau.arguments import explained
from flambeau.nn.functional.distance import norm


def get_total_norm(tensors: Iterable[fl.Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False) -> fl.Tensor:
    """The norm of all elements together, as if they stood in one vector.

    Raises: RuntimeError if it is NaN or infinite and error_if_nonfinite.
    """
    norms = [norm(x.detach(), norm_type, None, False) for x in tensors]
    if not norms:
        return fl.tensor(0.0)
    total = norm(fl.stack([x.to(norms[0].device) for x in norms]), norm_type, None, False)
    if error_if_nonfinite and not bool(fl.isfinite(total)):
        raise RuntimeError(f"the gradients' norm of order {norm_type} is {total.item()}; error_if_nonfinite=False lets "
                           "it pass")
    return total


@explained
def clip_grad_norm_(
    parameters: fl.Tensor | Iterable[fl.Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> fl.Tensor:
    """Scale all gradients by one factor so that together they are at most max_norm long.

    Returns: the norm that they had.

    >>> x = fl.tensor([0.0, 0.0], requires_grad=True)
    >>> x.grad = fl.tensor([3.0, 4.0])
    >>> clip_grad_norm_(x, 1.0).item(), [round(g, 4) for g in x.grad.tolist()]
    (5.0, [0.6, 0.8])
    """
    if max_norm < 0:
        raise ValueError(f"clip_grad_norm_: max_norm is {max_norm} and cannot be negative: signs would change")
    given = [parameters] if isinstance(parameters, fl.Tensor) else list(parameters)
    total = get_total_norm([gradient for _, gradient in _with_gradients(given)], norm_type, error_if_nonfinite)
    clip_grads_with_norm_(given, max_norm, total)
    return total


def clip_grads_with_norm_(
    parameters: fl.Tensor | Iterable[fl.Tensor], max_norm: float, total_norm: fl.Tensor
) -> None:
    """Scale all gradients by max_norm / total_norm where that is below 1: for a norm that was computed before."""
    factor = fl.minimum(max_norm / (total_norm + 1e-6), 1.0)
    with fl.no_grad():
        for x, gradient in _with_gradients(parameters):
            x.grad = gradient * factor.to(x.device).to(x.dtype)


@explained
def clip_grad_value_(parameters: fl.Tensor | Iterable[fl.Tensor], clip_value: float) -> None:
    """Keep each element of the gradients between -clip_value and clip_value."""
    if clip_value < 0:
        raise ValueError(f"clip_grad_value_: clip_value is {clip_value} and cannot be negative")
    with fl.no_grad():
        for x, gradient in _with_gradients(parameters):
            x.grad = fl.clip(gradient, -clip_value, clip_value)


def _with_gradients(parameters: fl.Tensor | Iterable[fl.Tensor]) -> list[tuple[fl.Tensor, fl.Tensor]]:
    given = [parameters] if isinstance(parameters, fl.Tensor) else list(parameters)
    return [(x, x.grad.detach()) for x in given if x.grad is not None]
