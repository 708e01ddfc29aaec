"""Rows of a table by their numbers."""

from __future__ import annotations

import flambeau as fl
from flambeau import _core
from flambeau.nn.functional.distance import norm

_embedding = _core.ops["embedding"]


def embedding(
    input: fl.Tensor,
    weight: fl.Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> fl.Tensor:
    """The rows of weight (rows, features) at the indices `input` (...): (..., features).

    The row padding_idx gets no gradient; equal indices add up theirs, always in the same order, divided by how many
    they are with scale_grad_by_freq. Rows that are read and longer than max_norm, in the norm of order norm_type, are
    shortened to it in the table first. `sparse` is taken as from PyTorch; the gradient is a whole table all the same.
    Raises: IndexError for an index outside of 0 to rows - 1.

    >>> embedding(fl.tensor([2, 0]), fl.tensor([[1.0], [2.0], [3.0]])).tolist()
    [[3.0], [1.0]]
    """
    if max_norm is not None:
        _shorten(input, weight, max_norm, norm_type)
    if padding_idx is None:
        found = _embedding(weight, input)
    else:
        rows = weight.shape[0]
        if not -rows <= padding_idx < rows:
            raise ValueError(f"embedding: padding_idx is {padding_idx}, and weight has {rows} rows")
        found = _embedding(weight, input, padding_idx % rows)
    if scale_grad_by_freq and found.requires_grad:
        ones = fl.ones((input.size, 1), dtype=weight.dtype, device=weight.device)
        counts = _core.ops["take_grad"](ones, fl.reshape(input, (-1,)), 0, weight.shape[0])
        share = 1.0 / _embedding(counts, input)
        found.register_hook(lambda gradient: gradient * share)
    return found


@fl.no_grad()
def _shorten(input: fl.Tensor, weight: fl.Tensor, max_norm: float, norm_type: float) -> None:
    """Write the rows at these indices back, no longer than max_norm."""
    if max_norm < 0:
        raise ValueError(f"embedding: max_norm is {max_norm} and cannot be negative")
    read = fl.unique_values(fl.reshape(input, (-1,)))
    rows = _embedding(weight.detach(), read)
    lengths = norm(rows, norm_type, 1, True)
    weight[read] = fl.where(lengths > max_norm, rows * (max_norm / (lengths + 1e-7)), rows)
