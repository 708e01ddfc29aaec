"""Datasets, samplers and the loader: the same batches from threads and processes, taken up again, and no hanging."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import data

Pair = namedtuple("Pair", ["x", "y"])


class Squares(data.Dataset[Any]):
    """Numbers with their squares; what goes wrong at which of them is told by name."""

    def __init__(self, size: int = 10, fault: str = "", at: int = 5) -> None:
        self.size = size
        self.fault = fault
        self.at = at

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == self.at:
            if self.fault == "raise":
                raise KeyError("no example five")
            if self.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fault == "wait":
                time.sleep(3)
        return {"x": fl.tensor([float(index), index**2]), "y": index, "name": f"n{index}"}


class Counting(data.IterableDataset[int]):
    """0 to 6; workers in processes share them."""

    def __iter__(self) -> Iterator[int]:
        info = data.get_worker_info()
        yield from range(7) if info is None or info.num_workers == 1 else range(info.id, 7, info.num_workers)


def numbers(loader: data.DataLoader) -> list[list[int]]:
    return [batch["y"].tolist() for batch in loader]


KINDS: list[dict[str, Any]] = [{}, {"num_workers": 3}]
PROCESSES: dict[str, Any] = {"num_workers": 2, "workers": "processes"}


@pytest.mark.parametrize("kind", KINDS)
def test_batches_come_in_order_for_any_number_of_workers(kind: dict[str, Any]) -> None:
    loader = data.DataLoader(Squares(), batch_size=4, **kind)
    batches = list(loader)
    assert len(loader) == 3
    assert batches[0]["x"].tolist() == [[0.0, 0.0], [1.0, 1.0], [2.0, 4.0], [3.0, 9.0]]
    assert batches[2]["name"] == ["n8", "n9"]
    assert len(data.DataLoader(Squares(), batch_size=4, drop_last=True, **kind)) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_shuffling_follows_from_the_seed_and_the_epoch(kind: dict[str, Any]) -> None:
    loaders = [data.DataLoader(Squares(), batch_size=3, shuffle=True, seed=4, **kind) for _ in range(2)]
    epochs = [[numbers(loader) for _ in range(2)] for loader in loaders]
    assert epochs[0] == epochs[1]
    assert epochs[0][0] != epochs[0][1]
    assert sorted(index for batch in epochs[0][1] for index in batch) == list(range(10))
    next(iter(loaders[0]))
    assert next(iter(loaders[0]))["y"].tolist() != epochs[0][0][0]  # an epoch that was left is not begun again
    fl.manual_seed(1)
    first = numbers(data.DataLoader(Squares(), shuffle=True))
    fl.manual_seed(1)
    assert numbers(data.DataLoader(Squares(), shuffle=True)) == first


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [1, 3, 4, 6])
def test_a_new_loader_goes_on_where_another_stood(kind: dict[str, Any], stop: int) -> None:
    whole = data.DataLoader(Squares(), batch_size=3, shuffle=True, seed=4)
    expected = [batch for _ in range(2) for batch in numbers(whole)]
    loader = data.DataLoader(Squares(), batch_size=3, shuffle=True, seed=4, **kind)
    given: list[list[int]] = []
    while len(given) < stop:
        for batch in loader:
            given.append(batch["y"].tolist())
            if len(given) == stop:
                break
    other = data.DataLoader(Squares(), batch_size=3, shuffle=True, seed=9, **kind)
    other.load_state_dict(loader.state_dict())
    while len(given) < 8:
        given += numbers(other)
    assert given[:8] == expected


def test_going_on_leaves_the_seed_of_a_sampler_of_one_s_own() -> None:
    whole = numbers(data.DataLoader(Squares(), sampler=data.RandomSampler(Squares(), seed=5), seed=1))
    first, second = (data.DataLoader(Squares(), sampler=data.RandomSampler(Squares(), seed=5), seed=1) for _ in "ab")
    begun = iter(first)
    given = [next(begun)["y"].tolist() for _ in range(3)]
    second.load_state_dict(first.state_dict())
    assert given + numbers(second) == whole


def test_a_stream_goes_on_and_threads_keep_its_order() -> None:
    for kind in KINDS:
        loader = data.DataLoader(Counting(), batch_size=3, **kind)
        assert [batch.tolist() for batch in loader] == [[0, 1, 2], [3, 4, 5], [6]]
        assert [batch.tolist() for batch in loader] == [[0, 1, 2], [3, 4, 5], [6]]
        loader.load_state_dict({"epoch": 0, "given": 1, "seed": 0})
        assert [batch.tolist() for batch in loader] == [[3, 4, 5], [6]]
    with pytest.raises(TypeError, match="how long it is"):
        len(loader)


@pytest.mark.slow
def test_processes_give_the_same_batches_and_take_tensors_along() -> None:
    rows = data.TensorDataset(fl.tensor(np.arange(20.0).reshape(10, 2)), fl.arange(10), fl.zeros((10, 0)))
    loaders = [data.DataLoader(rows, batch_size=4, shuffle=True, seed=2, **kind) for kind in ({}, PROCESSES)]
    for here, there in zip(*loaders, strict=True):
        assert [x.tolist() for x in here] == [x.tolist() for x in there]
        assert [x.dtype for x in here] == [x.dtype for x in there]
    streams = data.DataLoader(Counting(), batch_size=2, **PROCESSES)
    assert sorted(number for batch in streams for number in batch.tolist()) == list(range(7))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("raise", KeyError, "no example five"),
        ("kill", RuntimeError, r"worker 0 .* was killed by SIGKILL"),
        ("wait", TimeoutError, "gave no batch in 1.5 s"),
    ],
)
def test_what_goes_wrong_in_a_process_is_told_and_nothing_hangs(
    fault: str, error: type[Exception], message: str
) -> None:
    loader = data.DataLoader(Squares(fault=fault), batch_size=2, timeout=0.0 if fault != "wait" else 1.5, **PROCESSES)
    if fault == "wait":
        loader = data.DataLoader(Squares(fault=fault, at=0), batch_size=2, timeout=1.5, **PROCESSES)
    start = time.monotonic()
    with pytest.raises(error, match=message):
        list(loader)
    assert time.monotonic() - start < 60


def test_what_cannot_be_sent_to_a_process_is_told_before_one_starts() -> None:
    rows = Squares()
    rows.transform = lambda x: x  # type: ignore[attr-defined]  # the mistake under test
    with pytest.raises(TypeError, match=r'cannot be sent to a process: .* or use workers="threads"'):
        next(iter(data.DataLoader(rows, **PROCESSES)))
    with pytest.raises(TypeError, match="tensors are not pickled"):
        __import__("pickle").dumps(fl.ones(2))


def test_an_error_in_a_thread_comes_out_where_its_batch_would() -> None:
    loader = iter(data.DataLoader(Squares(fault="raise"), batch_size=2, num_workers=2))
    assert [next(loader)["y"].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(KeyError, match="no example five"):
        next(loader)
    with pytest.raises(TimeoutError, match=r"no batch came in 0.05 s"):
        next(iter(data.DataLoader(Squares(fault="wait", at=0), num_workers=1, timeout=0.05)))


def test_workers_know_who_they_are() -> None:
    seen: list[int] = []
    loader = data.DataLoader(
        Squares(), num_workers=2, worker_init_fn=seen.append, collate_fn=lambda batch: data.get_worker_info()
    )
    infos = list(loader)
    assert {info.num_workers for info in infos} == {2}
    assert {info.id for info in infos} <= set(seen) <= {0, 1}
    assert data.get_worker_info() is None


def test_examples_of_every_form_become_batches() -> None:
    batch = data.default_collate([(Pair(np.ones(2), 1.5), [True, b"a"]), (Pair(np.zeros(2), 2.5), [False, b"b"])])
    assert batch[0].x.tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert (batch[0].y.tolist(), batch[0].y.dtype) == ([1.5, 2.5], fl.float32)
    assert (batch[1][0].tolist(), batch[1][1]) == ([True, False], [b"a", b"b"])
    with pytest.raises(TypeError, match="holds a set"):
        data.default_collate([{1}, {2}])
    with pytest.raises(ValueError, match="as many"):
        data.default_collate([(1, 2), (1,)])


def test_parts_share_nothing_and_have_the_sizes_asked_for() -> None:
    rows = data.TensorDataset(fl.arange(11))
    fl.manual_seed(0)
    for lengths, sizes in (([5, 6], [5, 6]), ([0.5, 0.25, 0.25], [6, 3, 2])):
        parts = data.random_split(rows, lengths)
        assert [len(part) for part in parts] == sizes
        assert sorted(part[i][0].item() for part in parts for i in range(len(part))) == list(range(11))
    both = rows + data.Subset(rows, [3])
    assert (len(both), both[11][0].item(), both[-1][0].item()) == (12, 3, 3)


def test_samplers_draw_what_they_should() -> None:
    counts = Counter(data.WeightedRandomSampler([0.0, 1.0, 3.0], 4000, seed=1))
    assert set(counts) == {1, 2}
    assert abs(counts[2] / 4000 - 0.75) < 0.03
    assert sorted(data.WeightedRandomSampler([1.0, 0.0, 5.0], 2, replacement=False, seed=1)) == [0, 2]
    assert sorted(data.SubsetRandomSampler([4, 2], seed=0)) == [2, 4]
    assert len(list(data.RandomSampler(range(3), replacement=True, num_samples=9, seed=0))) == 9
    sampler = data.RandomSampler(range(6), seed=3)
    orders = [list(sampler) for _ in range(2)]
    sampler.set_epoch(0)
    assert list(sampler) == orders[0]
    assert list(data.DataLoader(data.TensorDataset(fl.arange(4)), batch_sampler=[[3], [0, 1]]))[1][0].tolist() == [0, 1]


ROWS = data.TensorDataset(fl.arange(4))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: data.DataLoader(ROWS, batch_size=0), "a positive integer"),
        (lambda: data.DataLoader(Counting(), batch_size=0), "a positive integer"),
        (lambda: data.DataLoader(ROWS, workers="fibres"), "workers is 'fibres'"),
        (lambda: data.DataLoader(ROWS, num_workers=-1), "none is negative"),
        (lambda: data.DataLoader(Counting(), shuffle=True), "an order of its own"),
        (lambda: data.DataLoader(ROWS, sampler=[1], shuffle=True), "the sampler is the order"),
        (lambda: data.DataLoader(ROWS, batch_sampler=[[1]], drop_last=True), "batch_sampler excludes"),
        (lambda: data.DataLoader(ROWS).load_state_dict({}), "entries epoch, given and seed"),
        (lambda: data.TensorDataset(fl.arange(3), fl.arange(4)), "first sizes equal"),
        (lambda: data.ConcatDataset([]), "no datasets"),
        (lambda: data.ConcatDataset([ROWS])[4], "out of range for 4"),
        (lambda: data.random_split(ROWS, [1, 2]), "must sum to 4"),
        (lambda: data.RandomSampler(range(3), num_samples=4), "replacement=True"),
        (lambda: data.WeightedRandomSampler([-1.0], 1), "none negative"),
        (lambda: data.WeightedRandomSampler([1.0, 0.0], 2, replacement=False), "replacement=True"),
        (lambda: len(data.BatchSampler(iter([1]), 1)), "has no length"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises((ValueError, IndexError, TypeError), match=message):
        wrong()


def test_a_dataset_without_methods_says_what_to_write() -> None:
    with pytest.raises(NotImplementedError, match="defines no __getitem__"):
        data.Dataset()[0]
    with pytest.raises(NotImplementedError, match="defines no __len__"):
        len(data.Dataset())
    with pytest.raises(NotImplementedError, match="defines no __iter__"):
        iter(data.IterableDataset())
