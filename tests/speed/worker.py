"""One rival in a process of its own: `python -m tests.speed.worker RIVAL THREADS` answers on standard input.

`prepare NAME` sets a row up and says how many calls make one sample; `sample` runs one and says seconds a call.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.speed import network_rows

Work = Callable[[], object]
SAMPLE_S = 0.02  # one sample lasts at least this long
# OpenBLAS threads spin for some 100 ms after their work, OpenMP for some ms: until those of the rival before sleep, a
# sample would have one processor less.
QUIET_S = 0.15


def flambeau_rows(threads: int) -> dict[str, Callable[[], Work]]:
    """Ours. The arrays of the large rows are made by NumPy, the same in every rival."""
    import flambeau as fl
    import flambeau.nn.functional
    import numpy as np

    fl.set_num_threads(threads)

    def given(*shape: int, seed: int = 0) -> Any:
        return fl.asarray(np.random.default_rng(seed).random(shape, dtype=np.float32))

    def small_add() -> Work:
        a, b = given(100), given(100, seed=1)
        return lambda: a + b

    def small_backward() -> Work:
        a, b, c = (fl.tensor(np.asarray(given(100, seed=i).numpy()), requires_grad=True) for i in range(3))
        relu = fl.nn.functional.relu

        def step() -> None:
            a.grad = b.grad = c.grad = None
            fl.sum(relu(a * b + c)).backward()

        return step

    def add_10m() -> Work:
        x, y = given(10_000_000), given(10_000_000, seed=1)
        return lambda: x + y

    def exp_10m() -> Work:
        x = given(10_000_000)
        return lambda: fl.exp(x)

    def matmul_1024() -> Work:
        x, y = given(1024, 1024), given(1024, 1024, seed=1)
        return lambda: x @ y

    def digits_step() -> Work:
        from flambeau import nn, optim

        net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
        optimizer = optim.AdamW(net.parameters(), lr=3e-3)
        loss_of = nn.CrossEntropyLoss()
        images = given(128, 64)
        classes = fl.asarray(np.random.default_rng(1).integers(0, 10, 128))

        def step() -> None:
            optimizer.zero_grad()
            loss_of(net(images), classes).backward()
            optimizer.step()

        return step

    rows = (small_add, small_backward, add_10m, exp_10m, matmul_1024, digits_step)
    return {row.__name__: row for row in rows} | network_rows.flambeau_rows(fl, np)


def torch_rows(threads: int) -> dict[str, Callable[[], Work]]:
    """PyTorch eager, as its users write it."""
    import numpy as np
    import torch

    torch.set_num_threads(threads)

    def given(*shape: int, seed: int = 0) -> Any:
        return torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))

    def small_add() -> Work:
        a, b = given(100), given(100, seed=1)
        return lambda: a + b

    def small_backward() -> Work:
        a, b, c = (given(100, seed=i).requires_grad_() for i in range(3))

        def step() -> None:
            a.grad = b.grad = c.grad = None
            torch.relu(a * b + c).sum().backward()

        return step

    def add_10m() -> Work:
        x, y = given(10_000_000), given(10_000_000, seed=1)
        return lambda: x + y

    def exp_10m() -> Work:
        x = given(10_000_000)
        return lambda: torch.exp(x)

    def matmul_1024() -> Work:
        x, y = given(1024, 1024), given(1024, 1024, seed=1)
        return lambda: x @ y

    def digits_step() -> Work:
        from torch import nn, optim

        net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
        optimizer = optim.AdamW(net.parameters(), lr=3e-3)
        loss_of = nn.CrossEntropyLoss()
        images = given(128, 64)
        classes = torch.from_numpy(np.random.default_rng(1).integers(0, 10, 128))

        def step() -> None:
            optimizer.zero_grad()
            loss_of(net(images), classes).backward()
            optimizer.step()

        return step

    rows = (small_add, small_backward, add_10m, exp_10m, matmul_1024, digits_step)
    return {row.__name__: row for row in rows} | network_rows.torch_rows(torch, np)


def numpy_rows(_threads: int) -> dict[str, Callable[[], Work]]:
    """NumPy; its threads are set by the environment."""
    import numpy as np

    def given(*shape: int, seed: int = 0) -> Any:
        return np.random.default_rng(seed).random(shape, dtype=np.float32)

    def small_add() -> Work:
        a, b = given(100), given(100, seed=1)
        return lambda: a + b

    def add_10m() -> Work:
        x, y = given(10_000_000), given(10_000_000, seed=1)
        return lambda: x + y

    def exp_10m() -> Work:
        x = given(10_000_000)
        return lambda: np.exp(x)

    def matmul_1024() -> Work:
        x, y = given(1024, 1024), given(1024, 1024, seed=1)
        return lambda: x @ y

    return {row.__name__: row for row in (small_add, add_10m, exp_10m, matmul_1024)}


def version_of(rival: str) -> str:
    """The rival's version, and for ours the device's driver in words (level of instructions, GEMM)."""
    if rival == "numpy":
        import numpy as np

        return np.__version__
    if rival.startswith("torch"):
        import torch

        return torch.__version__
    import flambeau as fl

    (cpu,) = [device for device in fl.devices() if device.name == "cpu"]
    return f"{fl.__version__}, {cpu.driver}"


def run_times(work: Work, times: int) -> float:
    """Seconds for so many calls."""
    calls = range(times)
    start = time.perf_counter()
    for _ in calls:
        work()
    return time.perf_counter() - start


def main() -> int:
    rival, threads = sys.argv[1], int(sys.argv[2])
    maker = numpy_rows if rival == "numpy" else torch_rows if rival.startswith("torch") else flambeau_rows
    work: Work | None = None
    times = 1
    try:
        rows = maker(threads)
    except ImportError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 0
    print(json.dumps({"version": version_of(rival)}), flush=True)
    for line in sys.stdin:
        command, _, name = line.strip().partition(" ")
        if command == "prepare":
            try:
                work = rows[name]()
                run_times(work, 3)
                times = 1
                while run_times(work, times) < SAMPLE_S:
                    times *= 2
                answer: dict[str, object] = {"times": times}
            except (ImportError, AttributeError) as error:
                work, answer = None, {"error": str(error)}
        elif command == "sample" and work is not None:
            time.sleep(QUIET_S)
            work()  # untimed: the memory and the processors that the rival before it used become ours again
            answer = {"seconds": run_times(work, times) / times}
        elif command == "version":
            answer = {"version": version_of(rival)}
        else:
            break
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
