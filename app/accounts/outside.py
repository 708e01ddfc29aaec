"""Requests to issuers: bounded in time and size, encrypted, never redirected, carrying nothing of this machine's."""

from __future__ import annotations

import json
import time
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from app.accounts.rules import IssuerError, clean
from app.connections import Issuer, is_safe_address

CONNECT_S, READ_S, ALL_S = 5.0, 10.0, 20.0
MOST_BYTES = 512 * 1024


class _Bounded(HTTPAdapter):
    """Refuses what is unsafe or without end; everything that Authlib sends goes through here."""

    def send(self, request: requests.PreparedRequest, *_args: Any, **options: Any) -> requests.Response:
        url = str(request.url)
        host = _host(url)
        if not is_safe_address(url):
            raise IssuerError(f"{host} is not reached by https")
        request.headers["Accept-Encoding"] = "identity"
        verify, cert = options.get("verify", True), options.get("cert")
        try:
            answer = super().send(request, stream=True, timeout=(CONNECT_S, READ_S), verify=verify, cert=cert,
                                  proxies=get_environ_proxies(url))  # fmt: skip
            answer._content = _read(answer, host)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise IssuerError(f"{host} cannot be reached ({type(error).__name__})") from None
        if 300 <= answer.status_code < 400:
            raise IssuerError(f"{host} sends us elsewhere, which we do not follow")
        return answer


def _read(answer: requests.Response, host: str) -> bytes:
    until, found = time.monotonic() + ALL_S, bytearray()
    while piece := answer.raw.read1(65536, decode_content=False):
        found += piece
        if len(found) > MOST_BYTES:
            raise IssuerError(f"{host} answers with more than {MOST_BYTES // 1024} kB")
        if time.monotonic() > until:
            raise IssuerError(f"{host} takes longer than {ALL_S:.0f} s to answer")
    answer.close()
    return bytes(found)


def client(issuer: Issuer, redirect_uri: str, *, scope: str, auth_method: str) -> OAuth2Session:
    """Authlib's client for one sign-in: authorization code with PKCE S256."""
    made = OAuth2Session(
        issuer.client_id,
        issuer.client_secret.get_secret_value(),
        scope=scope,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        token_endpoint_auth_method=auth_method,
    )
    return _bound(made)


def exchange(session: Any, url: str, name: str, *, code: str, verifier: str) -> dict[str, Any]:
    """The token that a code is good for, once. Raises: IssuerError."""
    try:
        token = session.fetch_token(url, code=code, code_verifier=verifier, grant_type="authorization_code")
    except OAuthError as error:
        raise IssuerError(f"{name} refused the code ({clean(error.error, 60)})") from None
    except (requests.RequestException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise IssuerError(f"{name} answered the code with nonsense ({type(error).__name__})") from None
    is_bearer = isinstance(token, dict) and str(token.get("token_type", "")).casefold() == "bearer"
    if not is_bearer or not isinstance(token.get("access_token"), str):
        raise IssuerError(f"{name} gave no token for the code")
    return dict(token)


def get(url: str) -> Any:
    """The JSON of a public document."""
    with _bound(requests.Session()) as session:
        return parsed(ask(session, url))


def ask(session: Any, url: str, **headers: str) -> requests.Response:
    """The answer to a question, with the session's token if it has one. Raises: IssuerError."""
    try:
        answer: requests.Response = session.get(url, headers={"Accept": "application/json", **headers})
    except (OAuthError, requests.RequestException, ValueError) as error:
        # An address that is none, or a token that no header can hold or that has ended already.
        raise IssuerError(f"{_host(url)} cannot be asked ({type(error).__name__})") from None
    return answer


def parsed(answer: requests.Response) -> Any:
    """What an answer says, if it is a good one. Raises: IssuerError."""
    host = _host(str(answer.url))
    if answer.status_code != 200:
        raise IssuerError(f"{host} answers with {answer.status_code}")
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        raise IssuerError(f"{host} answers with something that is no JSON") from None


def _host(url: str) -> str:
    return url.split("/")[2]


def _bound(session: Any) -> Any:
    # No .netrc, no cookies kept, and proxies only as the environment says for this very address.
    session.trust_env = False
    session.mount("https://", _Bounded())
    session.mount("http://", _Bounded())
    return session
