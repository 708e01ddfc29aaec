"""Python threads walk backward at once: gradients of what they share all arrive, and nothing is let go twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import flambeau as fl
import pytest

THREADS, ROUNDS = 4, 25


def at_once(work: Callable[[int], object]) -> list[object]:
    """What `work(number)` gives in each of the threads, all begun together."""
    together = Barrier(THREADS)

    def begin(number: int) -> object:
        together.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


@pytest.mark.parametrize("size", [10, 200_000])
def test_gradients_that_threads_add_to_one_leaf_all_arrive(size: int) -> None:
    weight = fl.ones(size)
    weight.requires_grad = True

    def work(number: int) -> None:
        for _ in range(ROUNDS):
            fl.sum(weight * float(number + 1)).backward()
            assert weight.grad is not None  # read while others add to it

    at_once(work)
    expected = ROUNDS * sum(range(1, THREADS + 1))
    assert float(fl.min(weight.grad)) == float(fl.max(weight.grad)) == expected


def test_of_threads_that_walk_one_graph_one_walks_and_the_others_are_told() -> None:
    for _ in range(ROUNDS):
        x = fl.ones(1000)
        x.requires_grad = True
        shared = fl.exp(x)

        def work(number: int, shared: fl.Tensor = shared) -> str:
            try:
                fl.sum(shared).backward()
            except RuntimeError as error:
                return str(error)
            return "walked"

        answers = at_once(work)
        refusals = [one for one in answers if one != "walked"]
        assert answers.count("walked") == 1
        assert all("walked before" in str(one) for one in refusals)
