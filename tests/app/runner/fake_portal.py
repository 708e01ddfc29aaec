"""A portal of one job, in memory: what the runner's protocol promises, without a database."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def source_archive(files: dict[str, str]) -> bytes:
    """A tar.gz of these files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return data.getvalue()


@dataclass
class FakePortal:
    """One job to give away, and what came back. `answers_before_trouble` lets it fail for a while."""

    steps: list[dict[str, Any]]
    source: bytes = field(default_factory=lambda: source_archive({"hello.txt": "hello\n"}))
    limits: dict[str, float] = field(default_factory=dict)
    done: dict[str, Any] = field(default_factory=dict)
    stamps: list[dict[str, str]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    log: bytes = b""
    recorded: dict[str, Any] = field(default_factory=dict)
    finished: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    cancel: bool = False
    trusted: bool = False
    leased: int = 0
    failures: int = 0

    def __enter__(self) -> FakePortal:
        portal = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self, status: int, value: Any = None, data: bytes | None = None) -> None:
                body = data if data is not None else b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                portal.serve(self, "GET", b"")

            def do_POST(self) -> None:
                portal.serve(self, "POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def do_PUT(self) -> None:
                portal.serve(self, "PUT", self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def task(self) -> dict[str, Any]:
        return {
            "commit": "c" * 40, "source_sha256": hashlib.sha256(self.source).hexdigest(), "stamps": self.stamps,
            "inputs": [], "done": self.done, "environment": {"SOURCE_DATE_EPOCH": "1700000000"},
            "trusted": self.trusted,
            "limits": {"time_s": 60, "memory_bytes": 1 << 30, "processes": 64, "log_bytes": 1 << 20, **self.limits},
            "steps": [{"produces": [], **step} for step in self.steps],
        }  # fmt: skip

    def serve(self, handler: Any, method: str, body: bytes) -> None:
        if self.failures and not handler.path.endswith("/lease"):
            self.failures -= 1
            return handler._answer(502, data=b"away")
        parts = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        token = handler.headers["Authorization"]
        if parts.path == "/api/runner/v1/lease":
            if token != "Bearer registration":
                return handler._answer(401, {"detail": "no runner of this portal has that token"})
            self.leased += 1
            if self.leased > 1:
                return handler._answer(204)
            return handler._answer(200, {"job": "j_1", "token": "job-token", "lease_s": 2, "task": self.task()})
        if token != "Bearer job-token":
            return handler._answer(401, {"detail": "not your job"})
        action = parts.path.removeprefix("/api/runner/v1/jobs/j_1/")
        if action == "heartbeat":
            return handler._answer(200, {"cancel": self.cancel})
        if action == "log":
            offset = int(query["offset"])
            self.log = self.log[:offset] + body
            return handler._answer(200, {"next": len(self.log)})
        if action == "source":
            return handler._answer(200, data=self.source)
        if action == "artefacts" and method == "PUT":
            sha256 = hashlib.sha256(body).hexdigest()
            self.files[sha256] = body
            self.names.append(query["filename"])
            return handler._answer(200, {"sha256": sha256, "size_bytes": len(body)})
        if action.startswith("artefacts/"):
            return handler._answer(200, data=self.files[action.removeprefix("artefacts/")])
        if action.startswith("steps/"):
            self.recorded[action.removeprefix("steps/")] = json.loads(body)
            return handler._answer(200, {})
        if action == "finish":
            self.finished.append(json.loads(body))
            return handler._answer(200, {})
        return handler._answer(404, {"detail": "no such thing"})


def wheel_like(pattern: str, *, least: int = 1) -> dict[str, Any]:
    """What a step says that it hands over."""
    return {"pattern": pattern, "kind": "other", "least": least, "most": 4, "most_bytes": 1 << 20}
