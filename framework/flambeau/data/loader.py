"""DataLoader: batches of a dataset, loaded ahead by threads or by processes, in an order that can be taken up again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, islice
from typing import Any, Literal

import flambeau as fl
from flambeau import scopes
from flambeau.arguments import Explained
from flambeau.data.collate import default_collate
from flambeau.data.datasets import IterableDataset
from flambeau.data.samplers import BatchSampler, RandomSampler, SequentialSampler
from flambeau.data.workers import Processes, Work, WorkerInfo, set_worker_info
from flambeau.random import Generator

Collate = Callable[[list[Any]], Any]


class DataLoader(Explained):
    """Batches of a dataset: `for x, y in DataLoader(data, batch_size=32, shuffle=True, seed=0)`.

    dataset: a Dataset or anything else with a length and examples by number, or an IterableDataset.
    num_workers: 0 loads in place; otherwise so many threads, or processes with workers="processes", each
    prefetch_factor batches ahead. Batches come in the same order for any number and kind of workers. With `seed`, or
    one drawn from `generator` (or after fl.manual_seed), epoch k has the same shuffling in every run. state_dict() in
    the middle of an epoch, and load_state_dict() in a new loader, go on with the batch that would have come next.

    Raises: what the dataset raises; RuntimeError if a process dies; TypeError if the dataset cannot be sent to one;
    TimeoutError if a batch takes longer than `timeout` seconds (0: as long as it takes).

    >>> from flambeau.data import TensorDataset
    >>> [x.tolist() for x, in DataLoader(TensorDataset(fl.arange(5)), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[list[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Collate | None = None,
        drop_last: bool = False,
        timeout: float = 0.0,
        worker_init_fn: Callable[[int], Any] | None = None,
        *,
        generator: Generator | None = None,
        prefetch_factor: int = 2,
        seed: int | None = None,
        workers: Literal["threads", "processes"] = "threads",
    ) -> None:
        if workers not in ("threads", "processes"):
            raise ValueError(f'DataLoader: workers is {workers!r}; it is "threads" or "processes"')
        if num_workers < 0 or prefetch_factor < 1 or timeout < 0:
            raise ValueError(f"DataLoader: num_workers {num_workers}, prefetch_factor {prefetch_factor} and timeout "
                             f"{timeout}: none is negative, and the second at least 1")
        streams = isinstance(dataset, IterableDataset)
        if streams and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader: an IterableDataset has an order of its own; shuffle and samplers do not "
                             "apply")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: the sampler is the order; shuffle=True does not go with it")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last")
        self.dataset = dataset
        self.num_workers = num_workers
        self.workers = workers
        self.collate_fn = collate_fn or default_collate
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.prefetch_factor = prefetch_factor
        if seed is not None and generator is not None:
            raise ValueError("DataLoader: seed and generator exclude each other; the seed is drawn from the generator")
        self.seed = int(fl.random.randint(0, 2**31, generator=generator).item()) if seed is None else seed
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.batch_sampler: Iterable[list[int]] | None = None
        self.sampler: Iterable[int] | None = None
        self._shuffle: RandomSampler | None = None  # the order where it is this loader's own and follows from its seed
        if not streams:
            self.sampler = sampler
            if batch_sampler is None:
                if shuffle:
                    self.sampler = self._shuffle = RandomSampler(dataset, seed=self.seed)
                elif sampler is None:
                    self.sampler = SequentialSampler(dataset)
                batch_sampler = BatchSampler(self.sampler or (), batch_size, drop_last)
            self.batch_sampler = batch_sampler
        else:
            BatchSampler((), batch_size)  # raises if the size is none
        self._epoch = 0
        self._given = 0
        self._opened = False  # whether the epoch that these two numbers tell was begun by an iteration

    def __len__(self) -> int:
        if not isinstance(self.batch_sampler, Sized):
            raise TypeError("DataLoader: this dataset or sampler does not say how long it is")
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Any]:
        if self._opened:  # and left before its end
            self._epoch, self._given = self._epoch + 1, 0
        self._opened = True
        for owner in (self.sampler, self.batch_sampler):
            if hasattr(owner, "set_epoch"):
                owner.set_epoch(self._epoch)  # type: ignore[union-attr]  # it has one
        return self._epoch_of(self._given)

    def _epoch_of(self, skipped: int) -> Iterator[Any]:
        batches = self._streamed(skipped) if self.batch_sampler is None else self._indexed(skipped)
        while True:
            with scopes.part("DataLoader.next"):
                batch = next(batches, _END)
            if batch is _END:
                break
            self._given += 1
            yield batch
        self._epoch, self._given, self._opened = self._epoch + 1, 0, False

    def state_dict(self) -> dict[str, int]:
        """The epoch, how many of its batches were given, and the seed.

        >>> from flambeau.data import TensorDataset
        >>> loader = DataLoader(TensorDataset(fl.arange(6)), batch_size=2)
        >>> first = next(iter(loader))
        >>> other = DataLoader(TensorDataset(fl.arange(6)), batch_size=2)
        >>> other.load_state_dict(loader.state_dict())
        >>> [x.tolist() for x, in other]
        [[2, 3], [4, 5]]
        """
        return {"epoch": self._epoch, "given": self._given, "seed": self.seed}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Let the next iteration go on where the saved one stood. An IterableDataset is read up to there."""
        if not isinstance(state_dict, dict) or not {"epoch", "given", "seed"} <= set(state_dict):
            raise ValueError("load_state_dict: a loader's state has the entries epoch, given and seed")
        self._epoch, self._given, self.seed = (int(state_dict[name]) for name in ("epoch", "given", "seed"))
        if self._shuffle is not None:
            self._shuffle.seed = self.seed
        self._opened = False

    # ---- examples by number ----

    def _indexed(self, skipped: int) -> Iterator[Any]:
        orders = islice(iter(self.batch_sampler or ()), skipped, None)
        load = LoadByNumber(self.collate_fn)
        if self.num_workers == 0:
            return (load(self.dataset, order) for order in orders)
        if self.workers == "threads":
            return self._in_threads(lambda order: load(self.dataset, order), orders, self.num_workers)
        return self._in_processes(Work(self.dataset, load, the_dataset, self.worker_init_fn), orders)

    def _in_threads(
        self, load: Callable[[Any], Any], orders: Iterator[Any], threads: int
    ) -> Iterator[Any]:
        numbers = count()

        def begin() -> None:
            number = next(numbers)
            set_worker_info(WorkerInfo(number, threads, self.seed + number, self.dataset))
            if self.worker_init_fn is not None:
                self.worker_init_fn(number)

        pool = ThreadPoolExecutor(threads, thread_name_prefix="flambeau-data", initializer=begin)
        waiting: deque[Future[Any]] = deque()
        try:
            for order in islice(orders, threads * self.prefetch_factor):
                waiting.append(pool.submit(load, order))
            while waiting:
                batch = self._waited(waiting.popleft())
                if batch is _END:
                    return
                waiting.extend(pool.submit(load, order) for order in islice(orders, 1))
                yield batch
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _waited(self, future: Future[Any]) -> Any:
        try:
            return future.result(self.timeout or None)
        except TimeoutError as error:
            if future.done():
                raise  # the dataset's own
            raise TimeoutError(f"DataLoader: no batch came in {self.timeout} s; raise timeout, or find what the "
                               "dataset waits for") from error

    def _in_processes(self, work: Work, orders: Iterator[Any]) -> Iterator[Any]:
        processes = Processes(work, self.num_workers, self.seed + self._epoch * self.num_workers, self.timeout)
        try:
            turns: deque[int] = deque()
            numbers = count()
            for order in islice(orders, self.num_workers * self.prefetch_factor):
                turns.append(next(numbers) % self.num_workers)
                processes.give(turns[-1], order)
            while turns:
                batch = processes.take(turns.popleft())
                for order in islice(orders, 1):
                    turns.append(next(numbers) % self.num_workers)
                    processes.give(turns[-1], order)
                yield batch
        finally:
            processes.close()

    # ---- examples one after the other ----

    def _streamed(self, skipped: int) -> Iterator[Any]:
        load = LoadNext(self.collate_fn, self.batch_size, self.drop_last)
        if self.num_workers and self.workers == "processes":
            return self._streams_in_processes(load, skipped)
        examples = iter(self.dataset)
        batches = iter(lambda: load(examples, None), _END)
        if self.num_workers:  # one after the other: more threads than one could not help
            batches = self._in_threads(lambda _: load(examples, None), iter(lambda: 0, 1), 1)
        return islice(batches, skipped, None)

    def _streams_in_processes(self, load: LoadNext, skipped: int) -> Iterator[Any]:
        """Each worker reads its own copy; batches are taken from them in turn until all have ended."""
        work = Work(self.dataset, LoadOrNothing(load), the_iterator, self.worker_init_fn)
        processes = Processes(work, self.num_workers, self.seed + self._epoch * self.num_workers, self.timeout)
        try:
            turns = deque(range(self.num_workers))
            for number in turns:
                for _ in range(self.prefetch_factor):
                    processes.give(number, 0)
            while turns:
                number = turns.popleft()
                answer = processes.take(number)
                if answer == ():
                    continue
                processes.give(number, 0)
                turns.append(number)
                if skipped:
                    skipped -= 1
                else:
                    yield answer[0]
        finally:
            processes.close()


class _End:
    """What comes when nothing more does."""


_END = _End()


class LoadByNumber:
    """The batch of some examples of a dataset."""

    def __init__(self, collate: Collate) -> None:
        self.collate = collate

    def __call__(self, dataset: Any, indices: list[int]) -> Any:
        with scopes.part("DataLoader.load"):
            return self.collate([dataset[index] for index in indices])


class LoadNext:
    """The batch of the next examples of an iterator; the end if there are none."""

    def __init__(self, collate: Collate, batch_size: int, drop_last: bool) -> None:
        self.collate = collate
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __call__(self, examples: Iterator[Any], order: object) -> Any:
        with scopes.part("DataLoader.load"):
            found = list(islice(examples, self.batch_size))
            if not found or (self.drop_last and len(found) < self.batch_size):
                return _END
            return self.collate(found)


class LoadOrNothing:
    """A batch as a tuple of one, and the end as an empty tuple: what can be told apart behind a pipe."""

    def __init__(self, load: LoadNext) -> None:
        self.load = load

    def __call__(self, examples: Iterator[Any], order: object) -> tuple[Any, ...]:
        batch = self.load(examples, order)
        return () if isinstance(batch, _End) else (batch,)


def the_dataset(dataset: Any) -> Any:
    """What is read from by number."""
    return dataset


def the_iterator(dataset: Any) -> Iterator[Any]:
    """What is read from one after the other."""
    return iter(dataset)
