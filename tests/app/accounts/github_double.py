"""GitHub's sign-in as its documentation has it: authorize, access_token (form in, JSON out), /user and /user/emails."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

CLIENT, SECRET = "Iv1.8a61f9b3a7aba766", "a-secret-of-the-portal-and-github"


@dataclass
class GitHubDouble:
    """What it knows and what it was asked. A code is good once, for its client, address and verifier."""

    url: str
    redirect_uri: str
    user: dict[str, Any] = field(default_factory=lambda: {"login": "ada", "id": 583231, "name": "Ada Lovelace"})
    emails: Any = field(
        default_factory=lambda: [
            {"email": "ada@acme.com", "verified": True, "primary": True, "visibility": "private"},
            {"email": "not-verified@acme.com", "verified": False, "primary": False, "visibility": None},
            {"email": "583231+ada@users.noreply.github.com", "verified": True, "primary": False, "visibility": None},
        ]
    )
    asks: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    answers: dict[str, Response] = field(default_factory=dict)

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        """One request of a browser or of the portal."""
        request = Request(environ)
        routes = {"/login/oauth/authorize": self._authorize, "/login/oauth/access_token": self._token,
                  "/api/v3/user": self._user, "/api/v3/user/emails": self._emails}  # fmt: skip
        answer = self.answers.get(request.path) or routes.get(request.path, lambda _request: Response("", 404))(request)
        return answer(environ, start)

    def _authorize(self, request: Request) -> Response:
        said = request.args
        if self.asks and "yes" not in said:
            page = f'<!doctype html><title>GitHub</title><a id="yes" href="{request.full_path}&yes=1">Authorize'
            return Response(page, content_type="text/html")
        assert said["client_id"] == CLIENT
        assert said["redirect_uri"] == self.redirect_uri
        assert said["code_challenge_method"] == "S256"
        code = secrets.token_hex(10)
        self.codes[code] = {"challenge": said["code_challenge"], "redirect_uri": said["redirect_uri"]}
        return Response(
            "", 302, headers={"Location": f"{self.redirect_uri}?{urlencode({'code': code, 'state': said['state']})}"}
        )

    def _token(self, request: Request) -> Response:
        said = request.form
        known = self.codes.pop(said.get("code", ""), None)
        verifier = hashlib.sha256(said.get("code_verifier", "").encode()).digest()
        if (said.get("client_id"), said.get("client_secret")) != (CLIENT, SECRET):
            return self._refused("incorrect_client_credentials")
        if known is None or base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() != known["challenge"]:
            return self._refused("bad_verification_code")
        if said.get("redirect_uri") != known["redirect_uri"]:
            return self._refused("redirect_uri_mismatch")
        assert request.headers["Accept"] == "application/json"
        token = f"gho_{secrets.token_hex(18)}"
        self.tokens.add(token)
        return _json({"access_token": token, "scope": "read:user,user:email", "token_type": "bearer"})

    def _refused(self, error: str) -> Response:
        return _json(
            {"error": error, "error_description": "As GitHub says it, with status 200.", "error_uri": "https://docs"}
        )

    def _user(self, request: Request) -> Response:
        return self._known(request, self.user)

    def _emails(self, request: Request) -> Response:
        return self._known(request, self.emails)

    def _known(self, request: Request, answer: Any) -> Response:
        kind, _space, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or token not in self.tokens or "User-Agent" not in request.headers:
            return _json({"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}, 401)
        return _json(answer)


def _json(data: Any, status: int = 200) -> Response:
    return Response(json.dumps(data), status, content_type="application/json; charset=utf-8")


@contextmanager
def running(redirect_uri: str) -> Iterator[GitHubDouble]:
    """The double on a port of its own."""
    made: list[GitHubDouble] = []
    server = make_server("127.0.0.1", 0, lambda environ, start: made[0](environ, start), threaded=True)
    made.append(GitHubDouble(f"http://127.0.0.1:{server.server_port}", redirect_uri))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="github")
    thread.start()
    yield made[0]
    server.shutdown()
    thread.join()
    server.server_close()
