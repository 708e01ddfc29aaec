"""Speak with the portal: JSON and files over HTTP, with retries while it is away."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import time
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

_BLOCK = 1 << 16


class LeaseLostError(Exception):
    """The job is no longer ours (lease ran out, cancelled, finished elsewhere): stop without another word."""


class RefusedError(Exception):
    """The portal refused what we sent, with its sentence; trying again would not help."""


class Portal:
    """One portal, spoken to with one token. Each request is a connection of its own, so threads may share it.

    `is_stopped` ends the waiting between retries; the portal may be away as long as it likes.
    """

    def __init__(self, url: str, token: str, *, is_stopped: Callable[[], bool] = lambda: False) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"the portal's address must look like http://host:port, not {url!r}")
        self._https = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._base = parts.path.rstrip("/")
        self._token = token
        self._is_stopped = is_stopped

    def stop_when(self, is_stopped: Callable[[], bool]) -> None:
        """From now on, also give up waiting for the portal when this says so."""
        before = self._is_stopped
        self._is_stopped = lambda: before() or is_stopped()

    def ask(
        self, method: str, path: str, value: object = None, *, body: bytes | Path | None = None, once: bool = False
    ) -> Any:
        """The JSON answer (None for 204). `value` is sent as JSON, `body` as it is; `once` does not retry."""
        content = json.dumps(value).encode() if body is None and value is not None else body
        kind = "application/octet-stream" if body is not None else "application/json"
        status, _, data = self._send(method, path, content, {"Content-Type": kind}, once=once)
        if status == 204:
            return None
        return json.loads(data)

    def download(self, path: str, target: Path, sha256: str) -> None:
        """Write the file at `path` to `target`; its SHA-256 must be the one announced."""
        with target.open("wb") as file:
            self._send("GET", path, None, {}, into=file)
        with target.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
        if got != sha256:
            raise RefusedError(f"{path}: the file received has SHA-256 {got}, announced was {sha256}")

    def _send(
        self,
        method: str,
        path: str,
        content: bytes | Path | None,
        headers: Mapping[str, str],
        *,
        into: IO[bytes] | None = None,
        once: bool = False,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        pause_s = 0.2
        while True:
            try:
                status, answered, data = self._send_once(method, path, content, headers, into)
            except (OSError, http.client.HTTPException):
                status, answered, data = 503, http.client.HTTPMessage(), b"no connection"
            if status < 400:
                return status, answered, data
            if status in {401, 404, 409, 410}:
                raise LeaseLostError(_sentence(data) or f"{method} {path}: {status}")
            if status < 500 and status != 429:
                raise RefusedError(_sentence(data) or f"{method} {path}: {status}")
            if once or self._is_stopped():
                raise ConnectionError(f"the portal did not answer {method} {path} ({status})")
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)

    def _send_once(
        self,
        method: str,
        path: str,
        content: bytes | Path | None,
        headers: Mapping[str, str],
        into: IO[bytes] | None,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        make = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
        connection = make(self._host, self._port, timeout=60)
        sent = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **headers}
        try:
            if isinstance(content, Path):
                sent["Content-Length"] = str(content.stat().st_size)
                with content.open("rb") as file, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    # A portal that refuses a file may hang up before it has read it: its answer says why.
                    connection.request(method, self._base + path, file, sent)
            else:
                connection.request(method, self._base + path, content, sent)
            answer = connection.getresponse()
            if into is not None and answer.status == 200:
                into.seek(0)
                into.truncate()
                while block := answer.read(_BLOCK):
                    into.write(block)
                return 200, answer.headers, b""
            return answer.status, answer.headers, answer.read(1 << 24)
        finally:
            connection.close()


def _sentence(data: bytes) -> str:
    try:
        value = json.loads(data)
    except ValueError:
        return ""
    return str(value.get("detail", "")) if isinstance(value, dict) else ""
