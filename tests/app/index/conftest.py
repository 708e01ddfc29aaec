"""The portal on a real port, and an upstream index beside it that offers higher versions of everything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask import Flask, Response, send_file
from werkzeug.serving import BaseWSGIServer, make_server

from app import create_app
from app.clock import SystemClock
from app.index import queries
from app.settings import Settings
from app.store import Store
from tests.app.index import samples


@dataclass
class Upstream:
    """Another index, which would like people to install its flambeau 99.0; it remembers who was asked for."""

    folder: Path
    asked: list[str] = field(default_factory=list)

    def app(self) -> Flask:
        upstream = Flask("upstream")

        @upstream.get("/simple/<name>/")
        def project(name: str) -> Response:
            self.asked.append(name)
            found = sorted(self.folder.glob(f"{name}-*.whl"))
            return Response(
                "".join(f'<a href="/files/{one.name}">{one.name}</a>' for one in found), mimetype="text/html"
            )

        @upstream.get("/files/<name>")
        def file(name: str) -> Response:
            return send_file(self.folder / name)

        return upstream


@dataclass
class Index:
    """Where pip and uv are sent, and what the upstream was asked for."""

    url: str
    upstream: Upstream


@pytest.fixture
def index(settings: Settings, db, tmp_path: Path) -> Iterator[Index]:
    """Our index with flambeau 0.1.0, in front of an upstream with flambeau 99.0 and helper 1.0."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    samples.wheel(theirs, version="99.0", files={"hostile.py": b"raise SystemExit('taken over')\n"})
    samples.wheel(theirs, name="helper", version="1.0")
    path = samples.wheel(ours, told=samples.metadata().rstrip() + "\nRequires-Dist: helper\n\n")
    with db.write() as session:
        queries.publish(session, Store(settings.folder("artefacts")), path, path.name)
    upstream = Upstream(theirs)
    first = _serve(upstream.app())
    there = f"http://127.0.0.1:{first.server_port}/simple/"
    app = create_app(settings.model_copy(update={"upstream_index": there}), clock=SystemClock(), db=db)
    second = _serve(app)
    yield Index(f"http://127.0.0.1:{second.server_port}", upstream)
    for server in (first, second):
        server.shutdown()
        server.server_close()


def _serve(app: Flask) -> BaseWSGIServer:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server
