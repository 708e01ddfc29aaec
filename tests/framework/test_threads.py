"""Threads change how long it takes and nothing else."""

import os
import subprocess
import sys
import threading

import flambeau as fl
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def as_many_threads_as_before():
    before = fl.get_num_threads()
    yield
    fl.set_num_threads(before)


def work():
    rng = np.random.default_rng(0)
    x = fl.tensor(rng.standard_normal((300, 700)), dtype=fl.float32, requires_grad=True)
    w = fl.tensor(rng.standard_normal((700, 260)), dtype=fl.float32, requires_grad=True)
    y = fl.tanh(x @ w)
    loss = fl.sum(y * y) + fl.mean(fl.exp(x * 0.1)) + fl.max(y)
    loss.backward()
    return [np.asarray(v.detach()).tobytes() for v in (y, loss, fl.sum(y, axis=0), x.grad, w.grad)]


def test_one_two_three_and_eight_threads_give_the_same_bits():
    results = []
    for count in (1, 2, 3, 8):
        fl.set_num_threads(count)
        assert fl.get_num_threads() == count
        results.append(work())
    assert all(r == results[0] for r in results)


def test_halves_give_the_same_bits_on_any_number_of_threads():
    x = fl.tensor(np.random.default_rng(0).standard_normal(400_001), dtype=fl.bfloat16)
    results = set()
    for count in (1, 2, 3, 8):
        fl.set_num_threads(count)
        results.add(fl.sum(x * x).item())
    assert len(results) == 1


def test_python_threads_work_side_by_side():
    fl.set_num_threads(3)
    expected = work()
    found = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


AFFINITY = """
import os, numpy as np, flambeau as fl
before = set(os.listdir("/proc/self/task"))
fl.set_num_threads(2)
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:2]))
x = fl.asarray(np.ones(4_000_000, np.float32))
for caller in sorted(os.sched_getaffinity(0)):
    allowed = os.sched_getaffinity(0)
    other = allowed - {caller}
    while True:
        fl.exp(x)
        (worker,) = set(os.listdir("/proc/self/task")) - before
        if os.sched_getaffinity(int(worker)) == other:
            break
        os.sched_setaffinity(0, {caller})
        os.sched_setaffinity(0, allowed)
print("kept apart")
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor only")
def test_a_worker_is_kept_off_the_processor_of_its_caller():
    done = subprocess.run([sys.executable, "-c", AFFINITY], capture_output=True, text=True, timeout=60)
    assert done.stdout == "kept apart\n", done.stderr


@pytest.mark.parametrize("count", [0, -1, 5000])
def test_a_silly_number_of_threads_is_refused(count):
    with pytest.raises(ValueError, match="number of threads"):
        fl.set_num_threads(count)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_computes_too():
    fl.set_num_threads(2)
    expected = work()
    child = os.fork()
    if child == 0:
        os._exit(0 if work() == expected else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert work() == expected


FORKS_WHILE_THREADS_WALK = """
import os, signal, threading
import flambeau as fl

fl.fft.fft(fl.ones(5))  # imported here: a fork while a thread imports leaves the child with Python's own lock held
leaves = [fl.tensor([1.0, 2.0], requires_grad=True) for _ in range(4)]
def walk():
    while True:
        for leaf in leaves: fl.sum(leaf * leaf).backward()
def transform():
    size = 1
    while True:
        size = size % 300 + 1
        fl.fft.fft(fl.zeros(size))
for work in (walk, walk, transform): threading.Thread(target=work, daemon=True).start()
for _ in range(200):
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # ends a child that hangs
        for leaf in leaves:
            leaf.grad = None
            fl.sum(leaf * leaf).backward()
        fl.fft.fft(fl.ones(5))
        os._exit(0 if leaves[0].grad.tolist() == [2.0, 4.0] else 1)
    assert os.waitpid(child, 0)[1] == 0, "a child found a lock or a gradient of a thread that it lacks"
os._exit(0)
"""


@pytest.mark.slow
def test_a_child_forked_while_threads_walk_finds_no_lock_held():
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS_WHILE_THREADS_WALK],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
