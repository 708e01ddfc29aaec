"""The double of GitHub on a port of its own: tokens, hourly budgets, ETags, Link headers, renames, faults on demand."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import urlencode

from werkzeug.exceptions import ClientDisconnected
from werkzeug.http import http_date
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.doubles.github import graphql, rest
from tests.doubles.github.described import example, refused
from tests.doubles.github.state import Account, Now, Repository, Thing

TOKEN = "github_pat_of_the_double"
DEEPEST = 100  # pages; beyond, GitHub wants its own Link headers followed


@dataclass(frozen=True)
class Fault:
    """An answer that GitHub gives instead of what it should: status, body and headers. `drops`: it hangs up."""

    status: int = 502
    body: str | bytes | Iterable[bytes] = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    headers: tuple[tuple[str, str], ...] = ()
    only: str = ""
    drops: bool = False


@dataclass(frozen=True)
class Asked:
    """One request, as the double counted it."""

    method: str
    path: str
    status: int
    points: int
    token: str


@dataclass
class Budget:
    """So many points an hour, by the double's clock."""

    limit: int
    used: int = 0
    resets_at: datetime | None = None

    def look(self, now: datetime) -> tuple[int, datetime]:
        """What is left, and until when."""
        if self.resets_at is None or now >= self.resets_at:
            self.used, self.resets_at = 0, now + timedelta(hours=1)
        return self.limit - self.used, self.resets_at


@dataclass
class GitHub:
    """What it remembers, what it was asked, and what is to go wrong next."""

    now: Now
    url: str = ""
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    repositories: list[Repository] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    core: Budget = field(default_factory=lambda: Budget(5000))
    points: Budget = field(default_factory=lambda: Budget(5000))
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    installations: dict[int, str] = field(default_factory=dict)
    checks: bool = True
    before: Callable[[Request], None] = lambda _request: None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1001))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def account(self, login: str, kind: str = "User") -> Account:
        """Somebody, made when first named."""
        return self.accounts.setdefault(login, Account(next(self._numbers), login, kind))

    def repository(self, full_name: str) -> Repository:
        """A new repository."""
        owner, name = full_name.split("/")
        made = Repository(next(self._numbers), owner, name, self.now, self._numbers)
        self.repositories.append(made)
        return made

    def find(self, full_name: str) -> Repository | None:
        """A repository by a name that it has, or had and nobody else has now."""
        wanted = full_name.lower()
        found = [one for one in self.repositories if one.full_name.lower() == wanted]
        found += [one for one in self.repositories if wanted in one.former]
        return found[0] if found else None

    def fails(self, *faults: Fault) -> None:
        """The next answers are these instead."""
        self.faults += faults

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        """One request."""
        request = Request(environ)
        with self._lock:
            self.before(request)
            try:
                response = self._fault(request) or self._answer(request)
            except ClientDisconnected:
                response = Response(status=400)  # whoever asked died in the middle of it, and hears no answer
            except Exception:
                self.refusals.append(traceback.format_exc())
                raise
        return response(environ, start)

    def _fault(self, request: Request) -> Response | None:
        for fault in self.faults:
            if fault.only in request.path:
                self.faults.remove(fault)
                if fault.drops:
                    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                self._note(request, fault.status, 0)
                answer = Response(fault.body, fault.status, dict(fault.headers), content_type="application/json")
                return self._dated(answer)
        return None

    def _answer(self, request: Request) -> Response:
        token = self._token(request)
        is_graphql = request.path == "/api/graphql"
        budget = self.points if is_graphql else self.core
        if token not in self.tokens and not request.path.endswith(("/installation", "/access_tokens")):
            return self._json(request, _said("Bad credentials", 401), 401)
        left, _ = budget.look(self.now())
        if left <= 0:
            said = f"API rate limit exceeded for user ID {self.account('reader').number}."
            if is_graphql:
                return self._json(request, {"errors": [{"type": "RATE_LIMITED", "message": said}]}, 200, budget)
            return self._json(request, _said(said, 403), 403, budget)
        return self._graphql(request) if is_graphql else self._rest(request)

    def _graphql(self, request: Request) -> Response:
        root = graphql.Root(self.find, self._thing, lambda: self.points.look(self.now()))
        found = graphql.answer(json.loads(request.get_data()), root)
        self.refusals += found.refused
        self.points.used += found.points
        return self._json(request, found.data, 200, self.points, points=found.points)

    def _thing(self, node: str) -> Thing | None:
        return next((one.nodes[node] for one in self.repositories if node in one.nodes), None)

    def _rest(self, request: Request) -> Response:
        path = request.path.removeprefix("/api/v3")
        query = dict(request.args)
        status, found, headers = self._found(path, query, request)
        data = json.dumps(found).encode()
        etag = f'W/"{hashlib.sha256(data + self._token(request).encode()).hexdigest()}"'
        if status == 200 and request.headers.get("If-None-Match") == etag:
            status, data = 304, b""
        if self.checks and status != 304:
            described = self._described(path)
            self.refusals += refused(request.method, described, query, request.get_data(), status, data, headers)
        if status != 304:
            self.core.used += 1
        answer = self._json(request, None, status, self.core, points=int(status != 304), data=data)
        answer.headers.extend({**headers, "ETag": etag})
        return answer

    def _described(self, path: str) -> str:
        """GitHub leads renamed repositories to an address that its description does not have."""
        if path.startswith("/repositories/"):
            _, _, number, *rest_of = path.split("/")
            found = next(one for one in self.repositories if one.number == int(number))
            return "/".join(["/repos", found.full_name, *rest_of])
        return path

    def _found(self, path: str, query: dict[str, str], request: Request) -> tuple[int, Any, dict[str, str]]:
        parts = self._described(path).strip("/").split("/")
        if parts[0] == "app" and parts[-1] == "access_tokens":
            return self._installed(int(parts[2]), request)
        repository = self.find("/".join(parts[1:3]))
        if repository is None:
            return 404, _said("Not Found", 404), {}
        if path.startswith("/repos/") and repository.full_name.lower() != "/".join(parts[1:3]).lower():
            to = "/".join([f"{self.url}/api/v3/repositories/{repository.number}", *parts[3:]])
            onward = to + (f"?{urlencode(query)}" if query else "")
            return 301, {**_said("Moved Permanently", 301), "url": to}, {"Location": onward}
        what = "/".join(parts[3:])
        if what == "":
            return 200, rest.repository(repository), {}
        if what == "installation":
            number = next((n for n, owner in self.installations.items() if owner == repository.owner), None)
            if number is None:
                return 404, _said("Not Found", 404), {}
            return 200, example("installation") | {"id": number, "app_id": 1}, {}
        if what.startswith("pulls/comments/"):
            found = next((one for one in repository.lines() if one.number == int(parts[-1])), None)
            return (404, _said("Not Found", 404), {}) if found is None else (200, rest.line_alone(found), {})
        if what.startswith("pulls/") and parts[-1].isdigit():
            thing = repository.things.get(int(parts[-1]))
            return (200, rest.pull_alone(thing), {}) if thing and thing.is_pull else (404, _said("Not Found", 404), {})
        if what.startswith("releases/"):
            return self._release(repository, int(parts[-1]))
        return self._listed(repository, what, query, path)

    def _release(self, repository: Repository, number: int) -> tuple[int, Any, dict[str, str]]:
        """Of a draft whoever may not push hears what the description says, "Unauthorized"."""
        found = next((one for one in repository.releases if one.number == number), None)
        if found is None:
            return 404, _said("Not Found", 404), {}
        if found.published_at is None:
            return 401, _said("Requires authentication", 401), {}
        return 200, rest.release(found), {}

    def _listed(
        self, repository: Repository, what: str, query: dict[str, str], path: str
    ) -> tuple[int, Any, dict[str, str]]:
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        if page > DEEPEST:
            return 422, _said("Pagination with the page parameter is not supported for large datasets", 422), {}
        every: list[Any]
        render: Callable[[Any], dict[str, Any]]
        if what in ("pulls", "issues"):
            assert (query["state"], query["sort"], query["direction"]) == ("all", "updated", "desc")
            render = rest.pull if what == "pulls" else rest.issue
            every = list(repository.newest(pulls=True))
            if what == "issues":
                every = sorted([*every, *repository.newest(pulls=False)], key=lambda one: one.updated_at, reverse=True)
        elif what == "pulls/comments":
            assert (query["sort"], query["direction"]) in (("updated", "asc"), ("created", "asc"))
            since = datetime.fromisoformat(query["since"]) if "since" in query else None
            every, render = repository.lines(since), rest.line
            if query["sort"] == "created":
                every = sorted(every, key=lambda one: (one.at, one.number))
        elif what == "releases":
            every, render = repository.releases, rest.release
        else:
            raise LookupError(f"the double answers no {what}")
        start = (page - 1) * size
        headers = {}
        if start + size < len(every):
            following = urlencode({**query, "per_page": size, "page": page + 1})
            headers["Link"] = f'<{self.url}/api/v3{path}?{following}>; rel="next"'
        return 200, [render(one) for one in every[start : start + size]], headers

    def _installed(self, number: int, request: Request) -> tuple[int, Any, dict[str, str]]:
        if number not in self.installations or self._token(request).count(".") != 2:
            return 401, _said("A JSON web token could not be decoded", 401), {}
        token = f"ghs_{next(self._numbers)}"
        self.tokens.add(token)
        ends = self.now() + timedelta(hours=1)
        return 201, {"token": token, "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
                     "permissions": {"issues": "read"}, "repository_selection": "selected"}, {}  # fmt: skip

    def _token(self, request: Request) -> str:
        return request.headers.get("Authorization", "").partition(" ")[2]

    def _json(
        self, request: Request, value: Any, status: int, budget: Budget | None = None, *, points: int = 0,
        data: bytes | None = None,
    ) -> Response:  # fmt: skip
        body = json.dumps(value) if data is None else data
        answer = Response(body, status, content_type="application/json; charset=utf-8")
        if budget is not None:
            left, resets_at = budget.look(self.now())
            answer.headers.extend({"X-RateLimit-Limit": str(budget.limit), "X-RateLimit-Remaining": str(max(left, 0)),
                                   "X-RateLimit-Reset": str(int(resets_at.timestamp())),
                                   "X-RateLimit-Resource": "graphql" if budget is self.points else "core"})  # fmt: skip
        self._note(request, status, points)
        return self._dated(answer)

    def _dated(self, answer: Response) -> Response:
        answer.headers["Date"] = http_date(self.now())
        return answer

    def _note(self, request: Request, status: int, points: int) -> None:
        path = request.full_path.rstrip("?").removeprefix("/api/v3")
        self.asked.append(Asked(request.method, path, status, points, self._token(request)))


def _said(message: str, status: int) -> dict[str, Any]:
    """An error as GitHub words it."""
    return {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}


class _Quiet(WSGIRequestHandler):
    """Says nothing of each request, which `GitHub.asked` has."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Without a date of the machine: the double has a clock of its own."""
        self.send_response_only(code, message)


@contextmanager
def running(now: Now) -> Iterator[GitHub]:
    """The double on a port of its own, by the test's clock; afterwards nothing of it may have been refused."""
    github = GitHub(now)
    server = make_server("127.0.0.1", 0, github, threaded=True, request_handler=_Quiet)
    github.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="github")
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
