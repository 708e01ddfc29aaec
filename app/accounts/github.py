"""Signing in at a GitHub: OAuth 2.0, then two questions to its interface. Who it is, is the number, not the login."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from app.accounts.outside import ask, client, exchange, parsed
from app.accounts.rules import IssuerError, Vouched, clean
from app.connections import NOREPLY, Issuer
from app.mail import is_address

_SCOPE = "read:user user:email"
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "flambeau"}
MOST_ADDRESSES = 30


class GitHub:
    """One GitHub: the public one, or a company's own."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer

    def address(self, redirect_uri: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in. GitHub knows no nonce: state and PKCE bind its answer."""
        url = f"{self.issuer.issuer}/login/oauth/authorize"
        made = self._client(redirect_uri).create_authorization_url(url, state=state, code_verifier=verifier)
        return str(made[0])

    def vouched(self, redirect_uri: str, *, code: str, nonce: str, verifier: str, said_issuer: str | None) -> Vouched:
        """Who came back with a code. Raises: IssuerError when any part of the answer does not hold."""
        if said_issuer is not None and said_issuer not in (self.issuer.issuer, f"{self.issuer.issuer}/login/oauth"):
            raise IssuerError(f"the answer is not {self.issuer.name}'s")
        session = self._client(redirect_uri)
        exchange(
            session, f"{self.issuer.issuer}/login/oauth/access_token", self.issuer.name, code=code, verifier=verifier
        )
        user = parsed(ask(session, f"{self.issuer.api}/user", **_HEADERS))
        emails = ask(session, f"{self.issuer.api}/user/emails", **_HEADERS)
        # Whoever did not allow us to read the addresses signs in without any.
        listed = parsed(emails) if emails.status_code == 200 else []
        return self._vouched(user, listed)

    def _vouched(self, user: Any, listed: Any) -> Vouched:
        number = user.get("id") if isinstance(user, dict) else None
        login = clean(user.get("login"), 100) if isinstance(user, dict) else ""
        if not isinstance(number, int) or isinstance(number, bool) or number <= 0 or not login:
            raise IssuerError(f"{self.issuer.name} did not say who it is")
        verified = [one["email"] for one in listed if isinstance(one, dict) and one.get("verified") is True
                    and isinstance(one.get("email"), str)] if isinstance(listed, list) else []  # fmt: skip
        addresses = [one for one in verified if is_address(one) and self.issuer.vouches_for(one)]
        noreply = f"{number}+{login}@{NOREPLY}{urlsplit(self.issuer.issuer).hostname}"
        return Vouched(
            self.issuer.issuer, str(number), login, clean(user.get("name")) or login, noreply,
            tuple(addresses[:MOST_ADDRESSES]),
        )  # fmt: skip

    def _client(self, redirect_uri: str) -> Any:
        return client(self.issuer, redirect_uri, scope=_SCOPE, auth_method="client_secret_post")
