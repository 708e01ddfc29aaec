"""Rows of a table by their numbers."""

from __future__ import annotations

import flambeau as fl
from flambeau import _core

_embedding = _core.ops["embedding"]


def embedding(input: fl.Tensor, weight: fl.Tensor, padding_idx: int | None = None) -> fl.Tensor:
    """The rows of weight (rows, features) at the indices `input` (...): (..., features).

    The row padding_idx gets no gradient; equal indices add up theirs, always in the same order.
    Raises: IndexError for an index outside of 0 to rows - 1.

    >>> embedding(fl.tensor([2, 0]), fl.tensor([[1.0], [2.0], [3.0]])).tolist()
    [[3.0], [1.0]]
    """
    if padding_idx is None:
        return _embedding(weight, input)
    rows = weight.shape[0]
    if not -rows <= padding_idx < rows:
        raise ValueError(f"embedding: padding_idx is {padding_idx}, and weight has {rows} rows")
    return _embedding(weight, input, padding_idx % rows)
