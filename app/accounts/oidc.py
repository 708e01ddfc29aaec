"""OpenID Connect: discovery, the address to go to, and an ID token checked in every part (Core 1.0, 3.1.3.7)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.accounts.outside import ask, client, exchange, get, parsed
from app.accounts.rules import IssuerError, Vouched, clean
from app.connections import Issuer, is_safe_address
from app.mail import is_address

# Signatures by the issuer's private key. Never `none`, and never HS*, where our own secret would be the key.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_S = 60
KEPT_S = 3600.0
AGAIN_S = 30.0
_SCOPE = "openid profile email"


@dataclass
class Oidc:
    """One issuer. What it published is kept for an hour; its keys are asked for again when it signs with a new one."""

    issuer: Issuer
    _published: dict[str, Any] = field(default_factory=dict)
    _keys: KeySet | None = None
    _asked_at: float = 0.0
    _keys_at: float = 0.0

    def address(self, redirect_uri: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in. Raises: IssuerError."""
        made = self._client(redirect_uri).create_authorization_url(
            self._endpoint("authorization_endpoint"), state=state, nonce=nonce, code_verifier=verifier
        )
        return str(made[0])

    def vouched(self, redirect_uri: str, *, code: str, nonce: str, verifier: str, said_issuer: str | None) -> Vouched:
        """Who came back with a code. Raises: IssuerError when any part of the answer does not hold."""
        self._is_the_issuer(said_issuer)
        session = self._client(redirect_uri)
        token = exchange(session, self._endpoint("token_endpoint"), self.issuer.name, code=code, verifier=verifier)
        claims = self._checked(token, nonce)
        if "email" not in claims and "userinfo_endpoint" in self._document():
            more = parsed(ask(session, self._endpoint("userinfo_endpoint")))
            if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
                raise IssuerError(f"{self.issuer.name} tells about somebody else than it signed for")
            claims = {**more, **claims}
        return self._vouched(claims)

    def _vouched(self, claims: dict[str, Any]) -> Vouched:
        email = claims.get("email")
        is_verified = claims.get("email_verified") is True and isinstance(email, str) and is_address(email)
        name = clean(claims.get("name"))
        shown = clean(claims.get("preferred_username")) or clean(email) or name or str(claims["sub"])
        addresses = (str(email),) if is_verified and self.issuer.vouches_for(str(email)) else ()
        return Vouched(self.issuer.issuer, str(claims["sub"]), shown, name, addresses=addresses)

    def _checked(self, token: dict[str, Any], nonce: str) -> dict[str, Any]:
        text = token.get("id_token")
        if not isinstance(text, str):
            raise IssuerError(f"{self.issuer.name} sent no ID token")
        try:
            found = self._decoded(text)
            expected = {"iss": {"essential": True, "values": [self.issuer.issuer]},
                        "aud": {"essential": True, "value": self.issuer.client_id}}  # fmt: skip
            params = {"nonce": nonce, "client_id": self.issuer.client_id, "access_token": token.get("access_token")}
            claims = CodeIDToken(found.claims, found.header, expected, params)
            claims.validate(now=int(time.time()), leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise IssuerError(f"{self.issuer.name}'s ID token does not hold ({type(error).__name__})") from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
            raise IssuerError(f"{self.issuer.name}'s ID token names nobody")
        return dict(claims)

    def _decoded(self, text: str) -> jwt.Token:
        try:
            return jwt.decode(text, self._keyset(KEPT_S), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            # Perhaps a new key: ask once more, but not at every forged token.
            if time.monotonic() - self._keys_at < AGAIN_S:
                raise
            return jwt.decode(text, self._keyset(AGAIN_S), algorithms=ALGORITHMS)

    def _keyset(self, oldest: float) -> KeySet:
        if self._keys is None or time.monotonic() - self._keys_at > oldest:
            found = get(self._endpoint("jwks_uri"))
            listed = found.get("keys") if isinstance(found, dict) else None
            if not isinstance(listed, list):
                raise IssuerError(f"{self.issuer.name} published no keys")
            usable = [one for one in listed if isinstance(one, dict) and one.get("kty") in ("RSA", "EC", "OKP")
                      and one.get("use", "sig") == "sig"]  # fmt: skip
            self._keys, self._keys_at = KeySet.import_key_set({"keys": usable}), time.monotonic()
        return self._keys

    def _document(self) -> dict[str, Any]:
        if not self._published or time.monotonic() - self._asked_at > KEPT_S:
            found = get(f"{self.issuer.issuer.rstrip('/')}/.well-known/openid-configuration")
            if not isinstance(found, dict) or found.get("issuer") != self.issuer.issuer:
                raise IssuerError(f"{self.issuer.name} does not call itself {self.issuer.issuer}; correct the setting")
            self._published, self._asked_at = found, time.monotonic()
        return self._published

    def _endpoint(self, name: str) -> str:
        url = self._document().get(name)
        if not isinstance(url, str) or not is_safe_address(url):
            raise IssuerError(f"{self.issuer.name} published no safe {name}")
        return url

    def _is_the_issuer(self, said: str | None) -> None:
        """RFC 9207: an answer that another issuer gave, or that hides who gave it, is not taken."""
        must_say = self._document().get("authorization_response_iss_parameter_supported") is True
        if (said is None and must_say) or (said is not None and said != self.issuer.issuer):
            raise IssuerError(f"the answer is not {self.issuer.name}'s")

    def _client(self, redirect_uri: str) -> Any:
        offered = self._document().get("token_endpoint_auth_methods_supported")
        knows_basic = not isinstance(offered, list) or not offered or "client_secret_basic" in offered
        method = "client_secret_basic" if knows_basic else "client_secret_post"
        return client(self.issuer, redirect_uri, scope=_SCOPE, auth_method=method)
