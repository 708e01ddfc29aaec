"""Run one command of a job behind the walls, watch what it uses, and end its whole process tree."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

_LAUNCH = Path(__file__).with_name("launch.py")
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36


@dataclass(frozen=True)
class Limits:
    """What a step may use. Time is of the wall clock; memory, processes and disk are of the whole tree."""

    time_s: float = 3600
    memory_bytes: int = 8 << 30
    processes: int = 512
    file_bytes: int = 4 << 30
    disk_bytes: int = 16 << 30
    log_bytes: int = 16 << 20

    @classmethod
    def of(cls, values: Mapping[str, float]) -> Limits:
        """The limits that the portal sent; a name that this runner does not know is left out."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})  # type: ignore[arg-type]  # JSON numbers


@dataclass(frozen=True)
class Order:
    """A command with everything it may see."""

    command: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]
    limits: Limits
    writable: Sequence[Path]  # the first is the job's own, and watched for its size
    readable: Sequence[Path] = ()  # stays in sight although a folder above it is hidden
    hide: Sequence[Path] = ()
    namespaces: bool = False


@dataclass
class Outcome:
    """How it ended: `why` is empty when the command itself decided, else the sentence for the log."""

    status: int
    why: str = ""
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    peak_processes: int = 0
    log_bytes: int = field(default=0)

    @property
    def is_good(self) -> bool:
        return self.status == 0 and not self.why


class WallsError(OSError):
    """The kernel refused the walls that were asked for."""


def protect_this_process() -> None:
    """Make the runner unreadable to processes of its own user, and heir of every orphan below it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def namespaces_work(folder: Path) -> str:
    """Empty if the kernel gives this user namespaces, else the reason it gave."""
    order = Order(["/bin/true"], folder, {}, Limits(time_s=20), writable=[folder], namespaces=True)
    try:
        outcome = run(order, on_output=lambda chunk: None, is_cancelled=lambda: False)
    except WallsError as error:
        return str(error)
    return "" if outcome.is_good else f"a trial command ended with {outcome.status} {outcome.why}".strip()


def run(order: Order, *, on_output: Callable[[bytes], None], is_cancelled: Callable[[], bool]) -> Outcome:
    """Run to the end, to a limit or to a cancel; nothing of the tree is alive afterwards.

    Raises: WallsError if the walls could not be built (the command then did not start).
    """
    process, status_pipe = _start(order)
    begun = time.monotonic()
    outcome = Outcome(status=-1)
    try:
        outcome.why = _watch(process, order, begun, outcome, on_output, is_cancelled)
    finally:
        _end(process)
    _drain(process, order, outcome, on_output)
    outcome.status = process.returncode
    outcome.seconds = time.monotonic() - begun
    trouble = status_pipe.read().decode(errors="replace")
    status_pipe.close()
    if trouble:
        raise WallsError(trouble)
    return outcome


def _start(order: Order) -> tuple[subprocess.Popen[bytes], BinaryIO]:
    order_read, order_write = os.pipe()
    status_read, status_write = os.pipe()
    limits = asdict(order.limits) | {"cpu_s": int(order.limits.time_s * (os.cpu_count() or 1)) + 5}
    spec = {
        "command": list(order.command), "cwd": str(order.cwd), "environment": dict(order.environment),
        "limits": {name: int(value) for name, value in limits.items()}, "namespaces": order.namespaces,
        "writable": [str(path) for path in order.writable],
        "readable": [str(path) for path in order.readable], "hide": [str(path) for path in order.hide],
        "parent": os.getpid(),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_LAUNCH), str(order_read), str(status_write)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={}, cwd="/",
        start_new_session=True, pass_fds=(order_read, status_write),
    )  # fmt: skip
    os.close(order_read)
    os.close(status_write)
    with os.fdopen(order_write, "wb") as pipe:
        pipe.write(json.dumps(spec).encode())
    return process, os.fdopen(status_read, "rb")


def _watch(
    process: subprocess.Popen[bytes],
    order: Order,
    begun: float,
    outcome: Outcome,
    on_output: Callable[[bytes], None],
    is_cancelled: Callable[[], bool],
) -> str:
    """Until the command ends ('' is returned) or must be ended (why is returned)."""
    limits = order.limits
    assert process.stdout is not None  # noqa: S101 - for the types
    next_look, next_disk = begun + 0.05, begun + 2.0
    while True:
        if select.select([process.stdout], [], [], 0.1)[0]:
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            outcome.log_bytes += len(chunk)
            if outcome.log_bytes > limits.log_bytes:
                return f"ended: it wrote more than {limits.log_bytes >> 20 or 1} MiB of log"
            on_output(chunk)
            if not chunk and process.poll() is None:
                time.sleep(0.05)  # it closed its output and works on
        if process.poll() is not None:
            return ""
        now = time.monotonic()
        if is_cancelled():
            return "ended: the job was cancelled"
        if now - begun > limits.time_s:
            return f"ended: it took longer than {limits.time_s:g} s"
        if now >= next_look:
            next_look = now + 0.2
            memory, processes = tree_use(process.pid)
            outcome.peak_memory_bytes = max(outcome.peak_memory_bytes, memory)
            outcome.peak_processes = max(outcome.peak_processes, processes)
            if memory > limits.memory_bytes:
                return f"ended: its processes held more than {limits.memory_bytes >> 20} MiB of memory"
            if processes > limits.processes + 4:
                return f"ended: it ran more than {limits.processes} processes"
        if now >= next_disk:
            next_disk = now + 2.0 + 10 * (time.monotonic() - now)
            if disk_use(order.writable[0]) > limits.disk_bytes:
                return f"ended: it filled more than {limits.disk_bytes >> 20} MiB of disk"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of the tree survives: the launcher ends its own; what slipped to us is swept."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for _ in range(200):
        left = [pid for pid in _tree(os.getpid()) if pid != os.getpid()]
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.02)


def _drain(
    process: subprocess.Popen[bytes], order: Order, outcome: Outcome, on_output: Callable[[bytes], None]
) -> None:
    assert process.stdout is not None  # noqa: S101 - for the types
    while select.select([process.stdout], [], [], 0)[0]:
        chunk = os.read(process.stdout.fileno(), 1 << 16)
        if not chunk:
            break
        room = order.limits.log_bytes - outcome.log_bytes
        outcome.log_bytes += len(chunk)
        if room > 0:
            on_output(chunk[:room])
    process.stdout.close()


def _tree(root: int) -> dict[int, int]:
    """Process ids of the root and all below it, each with its resident memory in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    parents: dict[int, tuple[int, int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        parents[int(name)] = (int(fields[1]), int(fields[21]) * page)
    found = {root: parents.get(root, (0, 0))[1]}
    while True:
        more = {pid: memory for pid, (parent, memory) in parents.items() if parent in found and pid not in found}
        if not more:
            return found
        found |= more


def tree_use(root: int) -> tuple[int, int]:
    """(resident bytes, processes) of a process and all below it."""
    tree = _tree(root)
    return sum(tree.values()), len(tree)


def disk_use(folder: Path) -> int:
    """Bytes on disk below a folder; links are not followed."""
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                    except OSError:
                        continue
        except OSError:
            continue
    return total
