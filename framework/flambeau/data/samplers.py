"""Samplers: in which order the examples of a dataset come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Generic, TypeVar

import flambeau as fl
from flambeau.random import Generator

Index = TypeVar("Index", covariant=True)


class Sampler(ABC, Generic[Index]):
    """The base of samplers, for types alone: whatever gives numbers in its `__iter__` orders a DataLoader."""

    @abstractmethod
    def __iter__(self) -> Iterator[Index]:
        """The numbers of examples in their order, or lists of them."""


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... to the last.

    >>> list(SequentialSampler([7, 8]))
    [0, 1]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class _Epochs(Sampler[int]):
    """Random orders that follow from a seed and the number of the epoch alone: an epoch can be gone into again."""

    def __init__(self, seed: int | None, generator: Generator | None) -> None:
        source = generator or fl.random.default_generator
        self.seed = int(source.randint(0, 2**31).item()) if seed is None else seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration have the order of this epoch."""
        self.epoch = epoch

    def _generator(self) -> Generator:
        generator = Generator().manual_seed(self.seed + (self.epoch << 32))
        self.epoch += 1
        return generator


class RandomSampler(_Epochs):
    """All numbers in random order, another one each time; or num_samples of them, with replacement if asked.

    The order follows from the seed and how often it was asked for; without a seed one is drawn from the generator.

    >>> sampler = RandomSampler(range(5), seed=1)
    >>> first, second = list(sampler), list(sampler)
    >>> sorted(first), first != second, list(RandomSampler(range(5), seed=1)) == first
    ([0, 1, 2, 3, 4], True, True)
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed, generator)
        self.data_source = data_source
        self.replacement = replacement
        self.num_samples = len(data_source) if num_samples is None else num_samples
        if self.num_samples < 0 or (not replacement and self.num_samples > len(data_source)):
            raise ValueError(f"RandomSampler: num_samples is {num_samples} of {len(data_source)} examples; more than "
                             "all need replacement=True")

    def __iter__(self) -> Iterator[int]:
        generator, size = self._generator(), len(self.data_source)
        if self.replacement:
            return iter(generator.randint(0, size, self.num_samples).tolist())
        return iter(generator.permutation(size).tolist()[: self.num_samples])

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(_Epochs):
    """These numbers in random order."""

    def __init__(
        self, indices: Sequence[int], generator: Generator | None = None, *, seed: int | None = None
    ) -> None:
        super().__init__(seed, generator)
        self.indices = indices

    def __iter__(self) -> Iterator[int]:
        return iter([self.indices[i] for i in self._generator().permutation(len(self.indices)).tolist()])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(_Epochs):
    """num_samples numbers, each with a probability in proportion to its weight."""

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed, generator)
        self.weights = [float(weight) for weight in weights]
        self.num_samples = num_samples
        self.replacement = replacement
        positive = sum(weight > 0 for weight in self.weights)
        if not all(0 <= weight < float("inf") for weight in self.weights) or not positive:
            raise ValueError("WeightedRandomSampler: weights must be finite, none negative and one above 0")
        if num_samples < 0 or (not replacement and num_samples > positive):
            raise ValueError(f"WeightedRandomSampler: num_samples is {num_samples} and {positive} weights are above 0; "
                             "more than these need replacement=True")

    def __iter__(self) -> Iterator[int]:
        weights = fl.tensor(self.weights, dtype=fl.float64)
        return iter(self._generator().multinomial(weights, self.num_samples, self.replacement).tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of batch_size numbers of a sampler; the last may be shorter unless drop_last.

    >>> list(BatchSampler(range(5), 2))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"BatchSampler: batch_size is {batch_size!r}; it is a positive integer")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        if not isinstance(self.sampler, Sized):
            raise TypeError(f"BatchSampler: {type(self.sampler).__name__} has no length")
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + bool(rest and not self.drop_last)
