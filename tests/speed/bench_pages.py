"""How fast the portal's pages come over a generated foundation: each once cold, then by wrk with four connections.

    FLAMBEAU_HOME=var/scale python -m app.demo.scale
    python -m tests.speed.bench_pages --home var/scale [--database-url postgresql://...] [--seconds 3] [--json FILE]

Without `--home` a foundation of `--people` is made in a temporary folder. The pages are the public ones that the
portal's own map of addresses has, each asked of the largest organization, person, repository or module; `--also` asks
them with more arguments ("window=all"). gunicorn runs as gunicorn.conf.py says, two processes of four threads. "First"
is the first request of a page after the processes began, where the worker's job has made pages ready, as it does every
few minutes; "bare" the same where nothing was (whatever the pages before it left in memory); "cold" one in a warm
process (the page was asked before) that was made to forget every page, figure and answer that was kept. "Kept" is
what strangers get; "made" is the same page asked with a session and nobody signed in, "signed in" by a person with no
seat: where its `main` block is everybody's, or was kept for that reader, it is put into a new frame, else all of it is
rendered for each request. "Signed in, first" is such a reader's first request of the page. Weights are of the answer as
it travels, compressed. The reader's session is written into the database, and taken out again at the end.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import logging
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from app import create_app
from app.auth import access_of
from app.contributions import readying
from app.contributions.figures import FIGURES, keeping
from app.contributions.models import Repository, Rollup
from app.contributions.queries.remembering import forget_answers
from app.db import Database
from app.members.models import Organization
from app.people.models import IdentityPerson, Person
from app.people.rules import Role
from app.sessions import end_sessions, start_session
from app.settings import Settings
from tests.speed.forgetful import FORGET
from tests.speed.pages_report import COLD_MS, WEIGHT_BYTES, drawing, markdown, target_ms, verdicts
from tests.speed.shelves import empty_shelves

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = 4
_DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FOUND %f %f %f %d %d %d\\n", latency:percentile(50) / 1000, latency:percentile(95) / 1000,
    latency:percentile(99) / 1000, summary.requests, summary.duration,
    e.status + e.connect + e.read + e.write + e.timeout))
end
"""


@dataclass(frozen=True)
class Spread:
    """Milliseconds under load, and requests a second."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    rate: float


@dataclass(frozen=True)
class Row:
    """What was found of one page."""

    endpoint: str
    path: str
    first_ms: float
    bare_ms: float
    cold_ms: float
    weight: int
    bytes: int
    kept: Spread
    made: Spread
    signed_first_ms: float
    signed: Spread


def main() -> int:
    """Measure, print a table, write what was asked for; 1 where a target is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--database-url")
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each page and way of asking")
    parser.add_argument("--rounds", type=int, help="as the other benches have it: so many seconds")
    parser.add_argument("--only", default="", help="only addresses that contain this")
    parser.add_argument("--also", action="append", default=[], metavar="QUERY", help='as "window=all"')
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("there is no wrk; on Debian: apt-get install wrk")
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        environment = {**os.environ, "FLAMBEAU_HOME": str(home.absolute()), "FLAMBEAU_SYNTHETIC": "yes"}
        if options.database_url:
            environment["DATABASE_URL"] = options.database_url
        if options.home is None:
            command = [sys.executable, "-m", "app.demo.scale", "--people", str(options.people)]
            subprocess.run(command, check=True, env=environment, capture_output=True, cwd=ROOT)
        result = measure(environment, seconds=options.rounds or options.seconds, only=options.only, also=options.also)
    print(markdown(result))
    for path, text in ((options.json, json.dumps(result, indent=1) + "\n"), (options.markdown, markdown(result)),
                       (options.svg, drawing(result))):  # fmt: skip
        if path:
            path.write_text(text)
    return 1 if any(verdicts(row, result["database"]) for row in result["rows"]) else 0


def measure(environment: dict[str, str], *, seconds: float, only: str, also: list[str]) -> dict[str, Any]:
    """Every page, first all of them once, then each under load."""
    settings = Settings.from_environment(environment)
    app = create_app(settings)
    db: Database = app.extensions["flambeau"].db
    paths = {
        f"{path}{'?' if query else ''}{query}": endpoint
        for endpoint, path in pages_of(app) for query in ("", *also) if only in path
    }  # fmt: skip
    cookie = f"{app.config['SESSION_COOKIE_NAME']}={cookie_of(app)}"
    load = os.getloadavg()[0]
    rows = []
    with served({**environment, "WEB_CONCURRENCY": "1"}, "tests.speed.forgetful:create_app()") as address:
        colds = {path: cold(address, path) for path in paths}
    empty_shelves(app)
    with served(environment) as address:
        bares = {path: first(f"{address}{path}")[0] for path in paths}
    ready_s, made_ready = make_ready(app, db)
    with signed_in(app, db) as reader, served(environment) as address:
        firsts = {path: first(f"{address}{path}") for path in paths}
        for path, endpoint in paths.items():
            (first_ms, weight, length), url = firsts[path], f"{address}{path}"
            made = under_load(url, seconds, cookie)
            signed_first_ms, _, _ = first(url, reader)
            row = Row(endpoint, path, first_ms, bares[path], colds[path], weight, length, under_load(url, seconds, ""),
                      made, signed_first_ms, under_load(url, seconds, reader))  # fmt: skip
            rows.append(asdict(row))
            print(f"{path}: first {first_ms:.0f}, bare {row.bare_ms:.0f}, cold {row.cold_ms:.0f}, p95 "
                  f"{row.kept.p95_ms:.0f} / {made.p95_ms:.0f} / {row.signed.p95_ms:.0f} ms",
                  file=sys.stderr, flush=True)  # fmt: skip
    with db.read() as session:
        of = {"rollup rows": session.scalar(sa.select(sa.func.count(Rollup.id))),
              "persons": session.scalar(sa.select(sa.func.count(Person.id))),
              "organizations": session.scalar(sa.select(sa.func.count(Organization.id)))}  # fmt: skip
    db.close()
    return {
        "benchmark": "pages", "database": db.dialect, "of": of, "connections": CONNECTIONS, "seconds": seconds,
        "made_ready": {"pages": made_ready, "seconds": round(ready_s, 1)}, "processes": 2, "threads": 4,
        "processors": os.cpu_count(), "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "targets": {"first_ms": COLD_MS, "p95_ms": target_ms(db.dialect), "weight": WEIGHT_BYTES}, "rows": rows,
    }  # fmt: skip


def make_ready(app: Flask, db: Database) -> tuple[float, int]:
    """What the worker's job does, from nothing: how many seconds it took, and how many pages it asked for."""
    empty_shelves(app)
    forget_answers()
    keeping.forget_figures()
    begun = time.monotonic()
    with db.read() as session:
        addresses = readying.addresses_to_make_ready(app, session, db.clock.now())
    for address in addresses:
        readying.make_page_ready(app, address)
    return time.monotonic() - begun, len(addresses)


def pages_of(app: Flask) -> list[tuple[str, str]]:
    """(endpoint, address) of every public page that is HTML, with values that it answers."""
    db: Database = app.extensions["flambeau"].db
    candidates = values_of(db)
    client = app.test_client()
    found = []
    with app.test_request_context():
        rules = sorted(app.url_map.iter_rules(), key=lambda rule: str(rule))
    for rule in rules:
        if "GET" not in (rule.methods or ()) or rule.endpoint == "static" or access_of(app, rule.endpoint) != "public":
            continue
        names = sorted(rule.arguments)
        for values in itertools.islice(itertools.product(*(candidates.get(name, ()) for name in names)), 60):
            with app.test_request_context():
                path = app.url_map.bind("localhost").build(rule.endpoint, dict(zip(names, values, strict=True)))
            answer = client.get(path)
            if answer.status_code == 200 and answer.mimetype == "text/html":
                found.append((rule.endpoint, path))
                break
    return found


def values_of(db: Database) -> dict[str, list[str]]:
    """What the arguments of addresses may be: the busiest of each kind."""

    def busiest(column: Any, *where: Any) -> Any:
        return (sa.select(column).where(column.is_not(None), *where).group_by(column)
                .order_by(sa.func.count().desc()).limit(1).scalar_subquery())  # fmt: skip

    people = sa.select(IdentityPerson.person_id).where(IdentityPerson.role == Role.PERSON)
    with db.read() as session:
        rows = [
            session.scalar(sa.select(Organization.public_id).where(Organization.id == busiest(Rollup.organization_id))),
            session.scalar(sa.select(Person.public_id).where(
                Person.id == busiest(Rollup.person_id, Rollup.person_id.in_(people)))),
            session.scalar(sa.select(Repository.public_id).where(Repository.id == busiest(Rollup.repository_id))),
        ]  # fmt: skip
        module = session.scalar(sa.select(busiest(Rollup.module_key)))
    names = [str(row) for row in rows if row]
    return {"public_id": names, "organization": names, "person": names, "repository": names,
            "key": [str(module), *FIGURES], "module": [str(module)], "kind": ["html"],
            "year": [str(datetime.now(UTC).year - 1)]}  # fmt: skip


def cookie_of(app: Flask) -> str:
    """The cookie of a browser that has a session and nobody signed in: its pages are made for it."""
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return str(serializer.dumps({"of": secrets.token_hex(8)}))


@contextmanager
def signed_in(app: Flask, db: Database) -> Iterator[str]:
    """The cookie of a person without a seat who is signed in, for so long."""
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    with db.write() as session:
        person = session.scalar(
            sa.select(Person.public_id).where(Person.merged_into_id.is_(None), Person.hidden_at.is_(None))
            .order_by(Person.id.desc()).limit(1)
        )  # fmt: skip
        token = start_session(session, str(person), "test")
    try:
        yield f"{app.config['SESSION_COOKIE_NAME']}={serializer.dumps({'token': token})}"
    finally:
        with db.write() as session:
            end_sessions(session, str(person))


@contextmanager
def served(environment: dict[str, str], what: str = "wsgi:create_app()") -> Iterator[str]:
    """The portal as it is deployed; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inside = {**environment, "PORT": str(port), "FLAMBEAU_BASE_URL": f"http://127.0.0.1:{port}"}
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", what]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, env=inside, stdout=log, stderr=log)
        try:
            address, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
            while not answers(f"{address}/healthz"):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise SystemExit(f"gunicorn does not answer: {log.read()[-800:].decode(errors='replace')}")
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()
            process.wait(20)


def answers(url: str) -> bool:
    """Whether somebody is there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def cold(address: str, path: str) -> float:
    """Milliseconds of a request for which nothing is kept, in a process that knows the page: the median of three."""
    first(f"{address}{path}")
    found = []
    for _ in range(3):
        first(f"{address}{FORGET}")
        found.append(first(f"{address}{path}")[0])
    return statistics.median(found)


def first(url: str, cookie: str = "") -> tuple[float, int, int]:
    """(milliseconds, bytes as they travel, bytes of the page) of one request."""
    headers = {"Accept-Encoding": "gzip", **({"Cookie": cookie} if cookie else {})}
    request = urllib.request.Request(url, headers=headers)
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=120) as answer:
        body, encoding = answer.read(), answer.headers.get("Content-Encoding")
    took = (time.perf_counter() - begun) * 1000
    return took, len(body), len(gzip.decompress(body) if encoding else body)


def under_load(url: str, seconds: float, cookie: str) -> Spread:
    """What wrk says of a page."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_DONE)
        script.flush()
        command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{max(1, round(seconds))}s", "--timeout", "60s",
                   "-H", "Accept-Encoding: gzip", "-s", script.name]  # fmt: skip
        command += ["-H", f"Cookie: {cookie}"] if cookie else []
        done = subprocess.run([*command, url], capture_output=True, text=True, check=True)
    found = re.search(r"FOUND (\S+) (\S+) (\S+) (\d+) (\d+) (\d+)", done.stdout)
    if found is None or int(found[6]):
        raise SystemExit(f"{url} does not answer well under load: {done.stdout}")
    if not int(found[4]):
        return Spread(*[seconds * 1000] * 3, 0.0)  # nothing came in all that time: it took as long at least
    return Spread(float(found[1]), float(found[2]), float(found[3]), round(int(found[4]) / int(found[5]) * 1e6, 1))


if __name__ == "__main__":
    sys.exit(main())
