"""Rows are measured: all rivals in turn, round by round, and ours beside a busy process too."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.speed.limits import Limits
from tests.speed.rows import OURS, Measured, Row
from tests.speed.workers import BusyProcess, Worker, process_of

LIMIT_OF = {"float32": "operations_per_s", "bfloat16": "bfloat16_operations_per_s"}


@dataclass(frozen=True)
class Run:
    """What was measured on so many threads; `stopped` if somebody had no patience for the rest."""

    rows: list[Measured]
    limits: dict[str, float]
    versions: dict[str, str]
    stopped: bool


def measure(rows: Iterable[tuple[str, Row]], threads: int, rounds: int, runs: Callable[[str], bool]) -> Run:
    """The rows (each with its group) on so many threads, the machine's limits, and the versions of all who ran.

    `runs` says whether a rival is wanted. After Ctrl-C it gives the rows that were done.
    """
    limits, workers = Limits(), _Workers(threads)
    busy = BusyProcess() if threads > 1 else None
    # Again after every row, and the best counts: a figure of a busy moment is not the machine's limit.
    best = limits.measure(threads)
    found: list[tuple[Row, Measured]] = []
    stopped = False
    try:
        for group, row in rows:
            found.append((row, _measured(row, group, workers, rounds, busy, runs)))
            print(f"{row.title}, {threads} thread{'s' if threads > 1 else ''}: done", file=sys.stderr)  # and kept
            if row.bytes_moved or row.operations or row.elements:
                best = {key: max(value, best[key]) for key, value in limits.measure(threads).items()}
        workers.refresh_versions()
    except KeyboardInterrupt:
        stopped = True
    finally:
        workers.close()
        if busy:
            busy.close()
    measured = []
    for row, result in found:
        rate = best.get(row.limit or ("bytes_per_s" if row.bytes_moved else LIMIT_OF[row.dtype]))
        amount = row.bytes_moved or row.operations or row.elements
        if rate and amount:
            result.limit.update(amount=amount, per_s=rate)
            if row.limit:
                one_by_one = row.limit.startswith("chain")
                allow = "what operations one by one allow" if one_by_one else "what its passes over memory allow"
                result = dataclasses.replace(result, limit_of=allow)
        measured.append(result)
    return Run(measured, {"threads": threads, **best}, workers.versions(), stopped)


class _Workers:
    """The processes, each started when a row first needs it."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._workers: dict[str, Worker] = {}
        self._linger_s = 0.0

    def of(self, rival: str) -> Worker:
        name = process_of(rival)
        if name not in self._workers:
            self._workers[name] = Worker(name, self.threads)
        return self._workers[name]

    def sample(self, rival: str, row: str) -> float | None:
        """Seconds a call, once the threads of whoever came before have gone to sleep."""
        time.sleep(self._linger_s)
        worker = self.of(rival)
        self._linger_s = worker.linger_s
        return worker.sample(rival, row)

    def drop(self) -> None:
        for worker in self._workers.values():
            worker.drop()

    def refresh_versions(self) -> None:
        for worker in self._workers.values():
            worker.refresh_version()

    def versions(self) -> dict[str, str]:
        return {name: worker.version or f"not run: {worker.missing}" for name, worker in self._workers.items()}

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


def _measured(
    row: Row, group: str, workers: _Workers, rounds: int, busy: BusyProcess | None, runs: Callable[[str], bool]
) -> Measured:
    notes: dict[str, str] = {}
    for rival in filter(runs, row.rivals):
        if reason := workers.of(rival).prepare(rival, row.name):
            notes[rival] = reason
    running = [rival for rival in row.rivals if runs(rival) and rival not in notes]
    samples: dict[str, list[float]] = {rival: [] for rival in running}
    beside: list[float] = []
    for turn in range(rounds):
        # Another goes first in each round, so that nobody always follows the same one.
        for i in range(len(running)):
            rival = running[(i + turn) % len(running)]
            seconds = workers.sample(rival, row.name)
            if seconds is None:
                notes[rival] = workers.of(rival).missing
            else:
                samples[rival].append(seconds)
        running = [rival for rival in running if rival not in notes]
        if busy and OURS in running:
            with busy:
                seconds = workers.sample(OURS, row.name)
            beside += [seconds] if seconds is not None else []
    samples = {rival: samples[rival] for rival in running}
    workers.drop()
    return Measured(
        row.name,
        row.title,
        group,
        workers.threads,
        samples,
        row.comparisons,
        busy=beside if OURS in samples else [],
        notes=notes,
    )
