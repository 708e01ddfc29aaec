"""Datasets: what has examples by number, or gives them one after the other."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import flambeau as fl
from flambeau.random import Generator

Example = TypeVar("Example", covariant=True)


class Dataset(Generic[Example]):
    """Examples by number: a subclass defines `__getitem__(index)` and `__len__()`."""

    def __getitem__(self, index: int) -> Example:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__(index)")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} defines no __len__(); IterableDataset needs none")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Generic[Example]):
    """Examples one after the other: a subclass defines `__iter__()`.

    In a process of its own each worker goes through all of it: share the work by get_worker_info().
    """

    def __iter__(self) -> Iterator[Example]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__()")


class TensorDataset(Dataset[tuple[fl.Tensor, ...]]):
    """Rows of tensors whose first sizes are equal.

    >>> TensorDataset(fl.tensor([1, 2]), fl.tensor([3, 4]))[1]
    (tensor(2), tensor(4))
    """

    def __init__(self, *tensors: fl.Tensor) -> None:
        if not tensors or any(not x.ndim or x.shape[0] != tensors[0].shape[0] for x in tensors):
            raise fl.ShapeError(f"TensorDataset: the tensors are {', '.join(str(tuple(x.shape)) for x in tensors)}; "
                                "there must be some, and their first sizes equal")
        self.tensors = tensors

    def __getitem__(self, index: int) -> tuple[fl.Tensor, ...]:
        return tuple(x[index] for x in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class Subset(Dataset[Any]):
    """The examples with these numbers.

    >>> Subset(TensorDataset(fl.tensor([1, 2, 3])), [2, 0])[0]
    (tensor(3),)
    """

    def __init__(self, dataset: Dataset[Any], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[Any]):
    """Datasets one after the other.

    >>> both = ConcatDataset([TensorDataset(fl.tensor([1, 2])), TensorDataset(fl.tensor([3]))])
    >>> len(both), both[-1]
    (3, (tensor(3),))
    """

    def __init__(self, datasets: Sequence[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: there are no datasets")
        self.ends: list[int] = []
        for dataset in self.datasets:
            self.ends.append((self.ends[-1] if self.ends else 0) + len(dataset))

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} examples")
        index %= len(self)
        number = bisect_right(self.ends, index)
        return self.datasets[number][index - (self.ends[number - 1] if number else 0)]

    def __len__(self) -> int:
        return self.ends[-1]


def random_split(
    dataset: Dataset[Any], lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset]:
    """Parts that share no example, of these lengths, or of these shares if they sum to 1.

    >>> [len(part) for part in random_split(TensorDataset(fl.arange(10)), [0.75, 0.25])]
    [8, 2]
    """
    size = len(dataset)
    counts = [int(x) for x in lengths]
    if all(isinstance(x, int) for x in lengths) and sum(counts) == size and min(counts, default=0) >= 0:
        pass
    elif min(lengths, default=-1.0) >= 0 and math.isclose(sum(lengths), 1.0):
        counts = [math.floor(size * share) for share in lengths]
        for number in range(size - sum(counts)):  # what rounding left goes to the first parts, one each
            counts[number % len(counts)] += 1
    else:
        raise ValueError(f"random_split: lengths are {list(lengths)}; they must sum to {size}, or as shares to 1")
    order = (generator or fl.random.default_generator).permutation(size).tolist()
    starts = [sum(counts[:i]) for i in range(len(counts))]
    return [Subset(dataset, order[start : start + count]) for start, count in zip(starts, counts, strict=True)]
