"""One rival's process: `python -m tests.speed.worker RIVAL THREADS` answers on standard input, JSON by JSON.

`prepare RIVAL ROW` sets a row up and says seconds a call; `sample RIVAL ROW` runs it and says seconds a call; `drop`
forgets what was set up. RIVAL may name means that need no process of their own (channels_last, compile, fused).
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings

from tests.speed.rivals import library_of
from tests.speed.rows import Work
from tests.speed.works import ROWS

SAMPLE_S = 0.02  # one sample lasts at least this long
WARM_S = 0.1  # work that takes longer needs no untimed call before a sample


def main() -> int:
    rival, threads = sys.argv[1], int(sys.argv[2])
    if rival == "jax":  # its pool has as many threads as processors that it may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    try:
        library = library_of(rival, threads)
    except ImportError as error:
        _say(error=f"{error}")
        return 0
    _say(version=library.version())
    prepared: dict[tuple[str, str], tuple[Work, float, int]] = {}
    for line in sys.stdin:
        command, *words = line.split()
        if command == "prepare":
            try:
                work = ROWS[words[1]].work(library_of(words[0], threads))
                call_s, times = _calibrated(work)
            except (ImportError, AttributeError, NotImplementedError, RuntimeError) as error:
                _say(error=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
                continue
            prepared[words[0], words[1]] = (work, call_s, times)
            _say(seconds=call_s)
        elif command == "sample":
            work, call_s, times = prepared[words[0], words[1]]
            if call_s < WARM_S:
                work()  # the memory and the processors that the rival before it used become ours again
            _say(seconds=run_times(work, times) / times)
        elif command == "drop":
            prepared.clear()
            _say()
        elif command == "version":
            _say(version=library.version())
    return 0


def run_times(work: Work, times: int) -> float:
    """Seconds for so many calls."""
    calls = range(times)
    start = time.perf_counter()
    for _ in calls:
        work()
    return time.perf_counter() - start


def _calibrated(work: Work) -> tuple[float, int]:
    """Seconds a call, and how many calls make a sample. The first calls, which may compile, do not count."""
    work()
    seconds, times = run_times(work, 1), 1
    if seconds < WARM_S:
        run_times(work, 2)
        while (seconds := run_times(work, times)) < SAMPLE_S:
            times *= 2
    return seconds / times, times


def _say(**answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # rivals' own advice is not a part of the protocol
    sys.exit(main())
