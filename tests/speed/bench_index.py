"""Requests a second of our index beside pypiserver: the same wheels, the same two kinds of request, interleaved."""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

from app.db import Database
from app.index import queries
from app.settings import Settings, session_key
from app.store import Store
from tests.app.index import samples

ROOT = Path(__file__).resolve().parents[2]
FILES, THREADS, JSON = 50, 4, "application/vnd.pypi.simple.v1+json"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, and with `--json FILE` keep the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=400, help="a round, for each server and kind")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder) / "wheels"
        wheels.mkdir()
        for number in range(FILES):
            samples.wheel(wheels, version=f"0.1.{number}")
        result = _measure(Path(folder), wheels, options.rounds, options.requests)
    for kind, row in result["kinds"].items():
        low, high = row["ratio_interval"]
        print(f"{kind:14s} ours {row['ours']:8.0f}/s   pypiserver {row['pypiserver']:8.0f}/s   "
              f"ratio {row['ratio']:.2f} [{low:.2f}, {high:.2f}]")  # fmt: skip
    print(f"load average at the start {result['load']:.1f}, {os.cpu_count()} cores, {options.rounds} rounds")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))
    return 0


def _measure(folder: Path, wheels: Path, rounds: int, requests: int) -> dict[str, object]:
    ours, theirs = _free_port(), _free_port()
    servers = [_start_ours(folder, wheels, ours), _start_pypiserver(wheels, theirs)]
    load = os.getloadavg()[0]
    try:
        name = next(iter(sorted(wheels.iterdir()))).name
        listed = json.loads(_get(ours, "/simple/flambeau/", JSON))
        url = next(file["url"] for file in listed["files"] if file["filename"] == name)
        kinds = {"project page": ("/simple/flambeau/", "/simple/flambeau/"), "wheel": (url, f"/packages/{name}")}
        rates: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
        for number in range(rounds):
            for kind, (mine, other) in kinds.items():
                pair = [(ours, mine), (theirs, other)]
                order = pair if number % 2 == 0 else pair[::-1]
                found = {port: _rate(port, path, requests) for port, path in order}
                rates[kind].append((found[ours], found[theirs]))
    finally:
        for server in servers:
            server.terminate()
            server.wait()
    return {"load": load, "rounds": rounds, "kinds": {kind: _summary(pairs) for kind, pairs in rates.items()}}


def _summary(pairs: list[tuple[float, float]]) -> dict[str, object]:
    ratios = [mine / other for mine, other in pairs]
    chance = random.Random(0)
    drawn = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(2000))
    return {
        "ours": statistics.median(mine for mine, _ in pairs),
        "pypiserver": statistics.median(other for _, other in pairs),
        "ratio": statistics.median(ratios), "ratio_interval": [drawn[50], drawn[1949]], "pairs": pairs,
    }  # fmt: skip


def _rate(port: int, path: str, requests: int) -> float:
    def ask(count: int) -> None:
        for _ in range(count):
            _get(port, path, "text/html")

    threads = [threading.Thread(target=ask, args=(requests // THREADS,)) for _ in range(THREADS)]
    return requests / _timed(threads)


def _timed(threads: list[threading.Thread]) -> float:
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def _get(port: int, path: str, accept: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} on port {port} answered {answer.status}")
        return data
    finally:
        connection.close()


def _start_ours(folder: Path, wheels: Path, port: int) -> subprocess.Popen[bytes]:
    home = folder / "home"
    home.mkdir(mode=0o700)
    settings = Settings(home=home, database_url=f"sqlite:///{home / 'flambeau.db'}", session_key=session_key(home))
    db = Database(settings.database_url)
    db.upgrade()
    with db.write() as session:
        for path in sorted(wheels.iterdir()):
            queries.publish(session, Store(settings.folder("artefacts")), path, path.name)
    db.close()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "8",
               "--log-level", "error", "--no-control-socket", "wsgi:create_app()"]  # fmt: skip
    environment = os.environ | {"FLAMBEAU_HOME": str(home), "PORT": str(port)}
    return _started(command, port, environment)


def _start_pypiserver(wheels: Path, port: int) -> subprocess.Popen[bytes]:
    serve = "import sys, pypiserver; from gunicorn.app.wsgiapp import run; sys.exit(run())"
    command = [sys.executable, "-c", serve, "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "8",
               "--log-level", "error", "--no-control-socket", f"pypiserver:app(roots=[{str(wheels)!r}])"]  # fmt: skip
    return _started(command, port, dict(os.environ))


def _started(command: list[str], port: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(150):
        time.sleep(0.2)
        try:
            _get(port, "/simple/", "text/html")
            return process
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"{command[:4]} ended at once with {process.returncode}") from None
    raise RuntimeError(f"nothing answers on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
