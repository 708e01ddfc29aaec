"""The log of a running job: written to disk at once, sent to the portal by offset, together with the heartbeat."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from .portal import LeaseLostError, Portal, RefusedError

_MOST_A_SEND = 256 << 10


class Logbook:
    """Append from the main thread; a thread of its own sends and keeps the lease alive.

    After an answer that says so, `is_cancelled` is true: `lost` if the job is no longer ours, else the portal's wish.
    """

    def __init__(self, portal: Portal, job_path: str, file: Path, *, lease_s: float) -> None:
        self._portal, self._job_path, self._file = portal, job_path, file
        self._every_s = max(0.2, lease_s / 4)
        self._sent = 0
        self._closing = threading.Event()
        self._news = threading.Event()
        self._out = file.open("ab", buffering=0)
        self._written = file.stat().st_size
        self.is_cancelled = False
        self.lost = ""
        self._progress: tuple[float, str] = (0.0, "")
        self._thread = threading.Thread(target=self._work, name="logbook", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Keep these bytes and send them soon."""
        self._out.write(data)
        self._written += len(data)
        self._news.set()

    def say(self, text: str) -> None:
        """A line of the runner's own."""
        self.write(f"[runner] {text}\n".encode())

    def progress(self, share: float, text: str) -> None:
        """What the portal shows beside the job, with the next heartbeat."""
        self._progress = (share, text)
        self._news.set()

    def close(self) -> None:
        """Send the rest, then stop."""
        self._closing.set()
        self._news.set()
        self._thread.join()
        self._out.close()

    def _work(self) -> None:
        next_beat = time.monotonic()
        try:
            while True:
                self._news.wait(max(0.05, min(1.0, next_beat - time.monotonic())))
                self._news.clear()
                closing = self._closing.is_set()
                self._send_log(everything=closing)
                if time.monotonic() >= next_beat:
                    share, text = self._progress
                    answer = self._portal.ask("POST", f"{self._job_path}/heartbeat", {"progress": share, "text": text})
                    self.is_cancelled = self.is_cancelled or bool(answer["cancel"])
                    next_beat = time.monotonic() + self._every_s
                if closing:
                    return
                self._closing.wait(0.3)
        except (LeaseLostError, RefusedError, ConnectionError) as error:
            self.lost = str(error) or "the lease is gone"
            self.is_cancelled = True

    def _send_log(self, *, everything: bool) -> None:
        while self._sent < self._written:
            with self._file.open("rb") as file:
                file.seek(self._sent)
                chunk = file.read(_MOST_A_SEND)
            answer = self._portal.ask("PUT", f"{self._job_path}/log?offset={self._sent}", body=chunk)
            self._sent = int(answer["next"])
            if answer.get("full"):
                self._sent = self._written
            if not everything:
                return
