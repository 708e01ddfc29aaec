"""The portal's processes: started together, started again when they die, ended together."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from app.serving.checks import CannotServe

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
MOST_DEATHS, IN_S = 5, 60.0
LOG_BYTES = 8 << 20
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class _Child:
    name: str
    command: list[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)


class Family:
    """Child processes with their logs in a folder. Leaving the block ends them all."""

    def __init__(self, logs: Path, *, most_deaths: int = MOST_DEATHS) -> None:
        self._logs = logs
        self._most_deaths = most_deaths
        self._children: list[_Child] = []

    def __enter__(self) -> Family:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for child in reversed(self._children):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        end = time.monotonic() + 10
        for child in self._children:
            if child.process is not None:
                try:
                    child.process.wait(max(0.1, end - time.monotonic()))
                except subprocess.TimeoutExpired:
                    child.process.kill()
                    child.process.wait()

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        """Start a child; its output goes to `<name>.log`."""
        child = _Child(name, command, dict(environment))
        self._children.append(child)
        self._spawn(child)

    def process_of(self, name: str) -> subprocess.Popen[bytes]:
        """The process of a child."""
        process = next(child.process for child in self._children if child.name == name)
        assert process is not None  # noqa: S101 - started in start()
        return process

    def watch(self, *, until: Callable[[], bool], every_s: float = 0.5) -> None:
        """Keep everyone alive until `until()` says so.

        Raises: CannotServe if a child dies again and again, with the end of its log.
        """
        while not until():
            for child in self._children:
                self._revive(child)
            time.sleep(every_s)

    def wait_until_answers(self, url: str, *, timeout_s: float) -> None:
        """Wait for the first good answer. Raises: CannotServe with the end of the web log."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            for child in self._children:
                self._revive(child)
            time.sleep(0.1)
        raise CannotServe(f"the portal did not answer at {url} within {timeout_s:g} s:\n{self._tail('web')}")

    def _revive(self, child: _Child) -> None:
        if child.process is None or child.process.poll() is None:
            return
        now = time.monotonic()
        child.deaths = [*(at for at in child.deaths if now - at < IN_S), now]
        if len(child.deaths) >= self._most_deaths:
            raise CannotServe(f"the {child.name} ends again and again; its last words:\n{self._tail(child.name)}")
        self._spawn(child)

    def _spawn(self, child: _Child) -> None:
        path = self._logs / f"{child.name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            os.replace(path, path.with_suffix(".log.old"))
        with path.open("ab") as log:
            child.process = subprocess.Popen(
                child.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=dict(child.environment), cwd=_ROOT, start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip

    def _tail(self, name: str) -> str:
        try:
            return (self._logs / f"{name}.log").read_text(errors="replace")[-2000:]
        except OSError:
            return "(no log)"


def _end_with_parent() -> None:
    """Even a killed `make serve` leaves nobody behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
