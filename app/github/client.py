"""Asks GitHub through PyGithub, once: what went wrong is told apart, and who waits for how long is the caller's matter.

PyGithub makes the addresses, renews the tokens of Apps and holds the connection; it is loaded by whoever reads, not by
every process. Its own waiting is switched off: a job that waits stands in rows, where a sleeping thread says nothing.
No answer is read without end (`app.github.bounding`).
The token goes to the own host of the interface alone: an answer that leads elsewhere is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.clock import Clock
from app.connections import GitHubReader
from app.github.shapes import NonsenseError

if TYPE_CHECKING:
    from github import Auth, Github

TIMEOUT_S = 30
RESERVE = 100
SECONDARY = timedelta(seconds=60)
LONGEST_WAIT = timedelta(hours=2)
_NEXT = re.compile(r'<([^<>]+)>; rel="next"')
# GraphQL gives up after ten seconds in words, a gateway before it with these: a smaller page may do.
_TOO_MUCH = ("timedout", "timeout", "something went wrong", "resource limits")


class GitHubError(Exception):
    """Something that GitHub did or did not do, in a sentence."""


class WaitError(GitHubError):
    """GitHub wants us to come back later."""

    def __init__(self, sentence: str, wait: timedelta) -> None:
        super().__init__(sentence)
        self.wait_s = min(max(wait, timedelta(seconds=1)), LONGEST_WAIT).total_seconds()


class AwayError(GitHubError):
    """No answer, or none that one can use; the same question may be answered a little later."""


class TooMuchError(AwayError):
    """The question may have been too large."""


class CursorError(GitHubError):
    """The place where we were is no place any more; begin anew."""


class NeedsPersonError(GitHubError):
    """Nothing helps but somebody: the token is refused, or there is no such repository for it."""


class NotShownError(NeedsPersonError):
    """GitHub shows nothing there: it is private now, or gone."""


@dataclass(frozen=True)
class Answer:
    """A page of REST: None where nothing has changed, its ETag, and the address of the next page ("": none)."""

    data: Any | None
    etag: str = ""
    following: str = ""


@dataclass
class Client:
    """Reads one repository. `requests` and `points` count what it cost."""

    reader: GitHubReader
    full_name: str
    clock: Clock
    requests: int = 0
    points: int = 0
    _github: Github | None = field(default=None, repr=False)
    _resting: WaitError | None = field(default=None, repr=False)

    def ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a GraphQL question. What is not there any more is None in it. Raises: GitHubError, NonsenseError."""
        owner, name = self.full_name.split("/")
        given = {"owner": owner, "name": name} if "$owner" in query else {}
        status, headers, text = self._send("POST", None, body={"query": query, "variables": {**given, **variables}})
        if status >= 500:
            raise TooMuchError(f"{self._host} answered {status}")
        self._refuse(status, headers, text)
        found = _parsed(text, dict)
        self._look_at_errors(found, headers)
        data = found.get("data")
        if not isinstance(data, dict):
            raise NonsenseError(f"{self._host} answered a question with neither data nor an error")
        self._spend(data.get("rateLimit"), headers)
        return data

    def read(self, path: str, parameters: Mapping[str, Any] | None = None, *, etag: str = "") -> Answer:
        """A page of REST below this repository, or at the address of a `following` one. Raises: as `ask`."""
        url = path if "://" in path else f"/repos/{self.full_name}{path}"
        known = {"If-None-Match": etag} if etag else {}
        status, headers, text = self._send("GET", url, parameters=parameters, headers=known)
        if status == 304:
            return Answer(None, etag)
        if status >= 500:
            raise AwayError(f"{self._host} answered {status}")
        self._refuse(status, headers, text)
        left = headers.get("x-ratelimit-remaining", "")
        self.points += 1
        found = _NEXT.search(headers.get("link", ""))
        answer = Answer(_parsed(text, object), headers.get("etag", ""), found[1] if found else "")
        if _whole(left) == 0:
            self._resting = self._until_reset(headers)
        return answer

    def find(self, path: str) -> Any | None:
        """A single thing below this repository, or None if there is none. Raises: as `ask`."""
        status, headers, text = self._send("GET", f"/repos/{self.full_name}{path}")
        if status >= 500:
            raise AwayError(f"{self._host} answered {status}")
        self.points += 1
        if status == 401:
            # So GitHub hides a release that is a draft again. Where it is the token that it refuses, it says so here.
            self.read("")
        if status in (401, 404, 410):
            return None
        self._refuse(status, headers, text)
        return _parsed(text, dict)

    @property
    def _host(self) -> str:
        return urlsplit(self.reader.api).hostname or "GitHub"

    @property
    def _ours(self) -> str:
        """As what we come, in sentences."""
        return "App" if self.reader.app_id else "token"

    @property
    def _anew(self) -> str:
        """What helps where these credentials do not, in sentences."""
        variable = f"FLAMBEAU_GITHUB_{'APP_KEY' if self.reader.app_id else 'TOKEN'}"
        if self.reader.secret_file:
            return f"put a new one into the file that {variable}_FILE names, and reading goes on within minutes"
        return f"name a file with a new one in {variable}_FILE and start the portal again; reading goes on by itself"

    def _send(
        self, verb: str, url: str | None, *, parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None, body: Any = None,
    ) -> tuple[int, dict[str, str], str]:  # fmt: skip
        from github import GithubException
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        from app.github.bounding import TooLongError

        self._rest()
        try:
            requester = self._session().requester
            self.requests += 1
            status, found, text = requester.requestJson(
                verb, url or requester.graphql_url, dict(parameters or {}), dict(headers or {}), body
            )
        except GithubException as error:
            # Asking for an App's token may fail as anything else may.
            status, found = error.status, {str(key).lower(): str(one) for key, one in (error.headers or {}).items()}
            if status >= 500:
                raise AwayError(f"{self._host} answered {status}") from None
            try:
                self._refuse(status, found, json.dumps(error.data or {}))
            except NotShownError as no_app:
                raise NeedsPersonError(str(no_app)) from None  # the App is not installed there, which says no more
            raise NeedsPersonError(f"{self._host} does not let this App read {self.full_name}") from None
        except TooLongError as error:
            raise TooMuchError(f"{self._host} {error}") from None
        except (RequestException, HTTPError, OSError) as error:
            raise AwayError(f"{self._host} cannot be reached ({type(error).__name__})") from None
        except RuntimeError:
            raise NeedsPersonError(f"{self._host} sends us to another address, which is not followed; correct "
                                   "FLAMBEAU_GITHUB_URL") from None  # fmt: skip
        return status, {key: str(one) for key, one in found.items()}, text

    def _session(self) -> Github:
        from github import Github

        from app.github.bounding import bound_every_answer

        if self._github is None:
            bound_every_answer()
            options: dict[str, Any] = {"base_url": self.reader.api, "timeout": TIMEOUT_S, "retry": 0,
                                       "seconds_between_requests": None, "user_agent": "flambeau"}  # fmt: skip
            self._github = Github(auth=self._auth(options), per_page=100, **options)
        return self._github

    def _auth(self, options: Mapping[str, Any]) -> Auth.Auth:
        from github import Auth, GithubIntegration
        from jwt import PyJWTError

        if not self.reader.app_id:
            return Auth.Token(self.reader.token.get_secret_value())
        app = Auth.AppAuth(self.reader.app_id, self.reader.app_key.get_secret_value())
        owner, name = self.full_name.split("/")
        integration = GithubIntegration(auth=app, **options)
        try:
            return app.get_installation_auth(integration.get_repo_installation(owner, name).id)
        except PyJWTError:
            raise NeedsPersonError("FLAMBEAU_GITHUB_APP_KEY holds no key that signs, such as the App's private key "
                                   f"as GitHub gives it (PEM); {self._anew}") from None  # fmt: skip

    def _rest(self) -> None:
        """Once, say that the hour is used up; whoever waited asks anew with a client of its own."""
        resting, self._resting = self._resting, None
        if resting is not None:
            raise resting

    def _spend(self, said: Any, headers: Mapping[str, str]) -> None:
        if not isinstance(said, dict) or not isinstance(said.get("cost"), int):
            return
        self.points += said["cost"]
        left = said.get("remaining")
        if isinstance(left, int) and left < RESERVE:
            self._resting = self._until_reset(headers)

    def _until_reset(self, headers: Mapping[str, str]) -> WaitError:
        now = self._now(headers)
        reset = _whole(headers.get("x-ratelimit-reset", ""))
        at = now + timedelta(minutes=10) if reset is None else datetime.fromtimestamp(reset, UTC)
        return WaitError(f"the hour's budget at {self._host} is used up; goes on at {at:%H:%M} UTC", at - now)

    def _now(self, headers: Mapping[str, str]) -> datetime:
        """GitHub's own time, by which it counts; ours where it does not say."""
        try:
            return parsedate_to_datetime(headers["date"]).astimezone(UTC)
        except (KeyError, ValueError, TypeError, OverflowError):
            return self.clock.now()

    def _refuse(self, status: int, headers: Mapping[str, str], text: str) -> None:
        """Raise what a status below 500 means, unless it is well."""
        if 200 <= status < 300:
            return
        said = _message(text)
        if status == 401:
            what = "key of the App" if self.reader.app_id else "token"
            raise NeedsPersonError(f"{self._host} does not accept the portal's {what} any more; {self._anew}")
        if status in (403, 429):
            after = headers.get("retry-after", "")
            if (pause := _whole(after)) is not None:
                raise WaitError(f"{self._host} asks for a pause of {pause} s", timedelta(seconds=pause))
            if headers.get("x-ratelimit-remaining") == "0":
                raise self._until_reset(headers)
            if status == 429 or "secondary rate limit" in said.lower():
                raise WaitError(f"{self._host} asks for a pause", SECONDARY)
            raise self._refused(said)
        if status in (404, 410, 451):
            access = "install the App there" if self.reader.app_id else "give the token access"
            raise NotShownError(f"there is no {self.full_name} at {self._host} that the portal's {self._ours} may "
                                f"read; correct the name, or {access}")  # fmt: skip
        raise AwayError(f"{self._host} answered {status} ({said})")

    def _refused(self, said: str) -> NeedsPersonError:
        return NeedsPersonError(f"{self._host} refuses to show {self.full_name} to the portal's {self._ours} ({said})")

    def _look_at_errors(self, found: dict[str, Any], headers: Mapping[str, str]) -> None:
        errors = found.get("errors")
        if not isinstance(errors, list):
            return
        for error in (one for one in errors if isinstance(one, dict)):
            kind, said = str(error.get("type", "")), str(error.get("message", ""))[:300]
            path = error.get("path")
            if kind in ("RATE_LIMITED", "RATE_LIMIT"):
                raise self._until_reset(headers)
            if kind == "INVALID_CURSOR_ARGUMENTS":
                raise CursorError(f"{self._host} does not know our place any more")
            if kind == "NOT_FOUND" and path != ["repository"]:
                continue
            if kind == "NOT_FOUND":
                self._refuse(404, headers, "")
            if kind in ("FORBIDDEN", "INSUFFICIENT_SCOPES"):
                raise self._refused(said)
            if not kind or any(word in said.lower() for word in _TOO_MUCH):
                raise TooMuchError(f"{self._host} gave up on a question ({said})")
            raise AwayError(f"{self._host} answered {kind} ({said})")


def _whole(text: str) -> int | None:
    """A number of seconds in a header; None for what is none, or reaches beyond all clocks.

    >>> _whole("60"), _whole("-1"), _whole("\u00b2"), _whole("9" * 12)
    (60, None, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _parsed(text: str, kind: type) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise NonsenseError(f"GitHub answered with what is no JSON ({text[:60]!r})") from None
    if not isinstance(found, kind):
        raise NonsenseError(f"GitHub answered with {type(found).__name__} where an object was asked for")
    return found


def _message(text: str) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return "without a word"
    said = found.get("message") if isinstance(found, dict) else None
    return " ".join(str(said).split())[:200] if said else "without a word"
