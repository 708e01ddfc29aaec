"""Examples put together into a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flambeau as fl


def default_collate(batch: Sequence[Any]) -> Any:
    """Tensors and arrays stacked, numbers as a tensor, words as a list; in dicts, tuples and lists part by part.

    Python's floats become float32, as everywhere here.

    >>> default_collate([{"x": fl.tensor([1.0]), "y": 0}, {"x": fl.tensor([2.0]), "y": 1}])
    {'x': tensor([[1.0],
            [2.0]]), 'y': tensor([0, 1])}
    """
    first = batch[0]
    if isinstance(first, fl.Tensor):
        return fl.stack(list(batch))
    if isinstance(first, bool | int | float):
        return fl.tensor(list(batch))
    if isinstance(first, str | bytes):
        return list(batch)
    if type(first).__module__ == "numpy":
        import numpy

        return fl.tensor(numpy.stack(list(batch)))
    if isinstance(first, Mapping):
        return {key: default_collate([example[key] for example in batch]) for key in first}
    if isinstance(first, tuple | list):
        if any(len(example) != len(first) for example in batch):
            raise ValueError(f"collate: the examples have {sorted({len(example) for example in batch})} parts; each "
                             "must have as many, or pass a collate_fn of your own")
        parts = [default_collate(part) for part in zip(*batch, strict=True)]
        if hasattr(first, "_fields"):
            return type(first)(*parts)
        return tuple(parts) if isinstance(first, tuple) else parts
    raise TypeError(f"collate: an example holds a {type(first).__name__}; tensors, arrays, numbers, words, dicts, "
                    "tuples and lists are understood; pass a collate_fn of your own")
