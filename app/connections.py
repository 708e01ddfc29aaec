"""What the portal connects to so that people can sign in: issuers and a mail server, as the environment names them.

Secrets come from variables or files and stay in memory: they are in no table, no log and no printed settings.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

GITHUB = "https://github.com"
NOREPLY = "users.noreply."
SHORTEST_SECRET = 16
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_OIDC = re.compile(
    r"FLAMBEAU_OIDC_([A-Z][A-Z0-9]{0,19})_(?:ISSUER|CLIENT_ID|CLIENT_SECRET|CLIENT_SECRET_FILE|NAME|DOMAINS)"
)


def is_safe_address(url: str) -> bool:
    """Whether what is sent there cannot be read on the way: https, or this very machine.

    >>> is_safe_address("https://id.example.org"), is_safe_address("http://id.example.org")
    (True, False)
    """
    parts = _parts(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


class Issuer(BaseModel):
    """Somebody who vouches for people: a GitHub, or an OpenID Connect issuer.

    `domains` are those of which the issuer's word about a verified address counts; `*` is all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    kind: Literal["github", "oidc"]
    name: str = Field(min_length=1, max_length=60)
    issuer: str
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    domains: tuple[str, ...] = ()

    @field_validator("issuer")
    @classmethod
    def _nobody_listens(cls, value: str, info: ValidationInfo) -> str:
        key = info.data["key"]
        variable = "FLAMBEAU_GITHUB_URL" if key == "github" else f"FLAMBEAU_OIDC_{key.upper()}_ISSUER"
        return _plain_address(value, variable)

    @property
    def api(self) -> str:
        """Where a GitHub answers about whoever signed in."""
        return _api_of(self.issuer)

    def vouches_for(self, address: str) -> bool:
        """Whether its word that this address was verified counts."""
        domain = address.rpartition("@")[2].casefold()
        # What a GitHub writes into commits for an account is proved by that account's number alone.
        return not domain.startswith(NOREPLY) and ("*" in self.domains or domain in self.domains)


class GitHubReader(BaseModel):
    """A GitHub that is read, as a token's owner or as a GitHub App: pull requests, issues and releases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = GITHUB
    token: SecretStr = SecretStr("")
    app_id: str = ""
    app_key: SecretStr = SecretStr("")
    secret_file: str = ""

    @field_validator("issuer")
    @classmethod
    def _nobody_listens(cls, value: str) -> str:
        return _plain_address(value, "FLAMBEAU_GITHUB_URL")

    @property
    def api(self) -> str:
        """Where its interfaces are."""
        return _api_of(self.issuer)

    def renewed(self) -> GitHubReader:
        """The same with the token or key that its file holds by now; as it is where that cannot be read."""
        try:
            found = Path(self.secret_file).read_text(encoding="utf-8").strip() if self.secret_file else ""
        except (OSError, UnicodeDecodeError):
            return self
        if not found or (not self.app_id and not _is_one_word(found)):
            return self
        return self.model_copy(update={"app_key" if self.app_id else "token": SecretStr(found)})

    def mark(self, key: SecretStr) -> str:
        """What tells these credentials from others and gives nothing of them away: sealed with the portal's own key."""
        told = "\n".join((self.issuer, self.app_id, self.app_key.get_secret_value(), self.token.get_secret_value()))
        return hmac.new(key.get_secret_value().encode(), b"github\n" + told.encode(), hashlib.sha256).hexdigest()[:32]


class MailServer(BaseModel):
    """The server that takes our mail. Unencrypted only on this very machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int = Field(ge=1, le=65535)
    security: Literal["tls", "starttls", "plain"]
    user: str = ""
    password: SecretStr = SecretStr("")
    sender: str
    timeout_s: float = 20.0
    links_an_hour: int = Field(default=300, ge=1)

    @field_validator("user", "password")
    @classmethod
    def _can_be_sent(cls, value: str | SecretStr) -> str | SecretStr:
        if not (value if isinstance(value, str) else value.get_secret_value()).isascii():
            raise ValueError("the mail server's user and password must be ASCII: smtplib sends nothing else")
        return value

    @field_validator("sender")
    @classmethod
    def _sender_is_an_address(cls, value: str) -> str:
        if "\n" in value or "\r" in value or not re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(value)[1]):
            raise ValueError(f"FLAMBEAU_MAIL_FROM is {value!r}; write it like Flambeau <portal@example.org>")
        return value


def issuers_from(env: Mapping[str, str], problems: list[str]) -> tuple[dict[str, object], ...]:
    """The issuers that variables name, GitHub first; what is missing is added to the problems."""
    found: list[dict[str, object]] = []
    if env.get("FLAMBEAU_GITHUB_CLIENT_ID"):
        issuer = (env.get("FLAMBEAU_GITHUB_URL") or GITHUB).rstrip("/")
        name = "GitHub" if issuer == GITHUB else f"GitHub at {_parts(issuer).hostname}"
        found.append({"key": "github", "kind": "github", "issuer": issuer,
                      **_client(env, "FLAMBEAU_GITHUB", name, "*", problems)})  # fmt: skip
    named = {name: _OIDC.fullmatch(name) for name in env if name.startswith("FLAMBEAU_OIDC_") and env[name]}
    problems += [f"{name} is not known; a KEY is a capital letter, then capital letters and digits (docs/portal.md)"
                 for name, match in named.items() if match is None]  # fmt: skip
    for key in sorted({match[1] for match in named.values() if match}):
        prefix = f"FLAMBEAU_OIDC_{key}"
        issuer = env.get(f"{prefix}_ISSUER", "")
        if not issuer:
            problems.append(f"{prefix}_ISSUER is missing; write the issuer's address as its discovery document has it")
            continue
        if key == "GITHUB":
            problems.append(f"{prefix}_ISSUER: GitHub is no OpenID Connect issuer; use FLAMBEAU_GITHUB_CLIENT_ID")
            continue
        host = _parts(issuer).hostname or key
        found.append({"key": key.lower(), "kind": "oidc", "issuer": issuer,
                      **_client(env, prefix, host, "", problems)})  # fmt: skip
    return tuple(found)


def reader_from(env: Mapping[str, str], problems: list[str]) -> dict[str, object] | None:
    """How a GitHub is read, as variables say, or None: then nothing of it is."""
    token = _secret(env, "FLAMBEAU_GITHUB_TOKEN", problems, needed=False)
    app_id = env.get("FLAMBEAU_GITHUB_APP_ID", "")
    key = _secret(env, "FLAMBEAU_GITHUB_APP_KEY", problems, needed=bool(app_id))
    if not token.get_secret_value() and not app_id:
        return None
    if token.get_secret_value() and app_id:
        problems.append("FLAMBEAU_GITHUB_TOKEN and FLAMBEAU_GITHUB_APP_ID are both set; keep one of them")
    if token.get_secret_value() and not _is_one_word(token.get_secret_value()):
        problems.append("FLAMBEAU_GITHUB_TOKEN holds more than a token; write the token alone into its file")
    return {"issuer": (env.get("FLAMBEAU_GITHUB_URL") or GITHUB).rstrip("/"), "token": token, "app_id": app_id,
            "app_key": key,
            "secret_file": env.get(f"FLAMBEAU_GITHUB_{'APP_KEY' if app_id else 'TOKEN'}_FILE", "")}  # fmt: skip


def mail_from(env: Mapping[str, str], problems: list[str]) -> dict[str, object] | None:
    """The mail server that variables name, or None."""
    address = env.get("FLAMBEAU_MAIL_SERVER", "")
    if not address:
        return None
    parts = _parts(address)
    kinds = {"smtps": ("tls", 465), "smtp+starttls": ("starttls", 587), "smtp": ("plain", 25)}
    if parts.scheme not in kinds or not parts.hostname or parts.password:
        shown = address.rpartition("@")[2]
        problems.append(f"FLAMBEAU_MAIL_SERVER ends in {shown!r}; write smtps://HOST, smtp+starttls://USER@HOST:587 or "
                        "smtp://127.0.0.1, and the password into FLAMBEAU_MAIL_PASSWORD_FILE")  # fmt: skip
        return None
    security, port = kinds[parts.scheme]
    if security == "plain" and parts.hostname not in _LOOPBACK:
        problems.append(
            f"FLAMBEAU_MAIL_SERVER sends mail in clear to {parts.hostname}; use smtps:// or smtp+starttls://"
        )
    if not env.get("FLAMBEAU_MAIL_FROM"):
        problems.append("FLAMBEAU_MAIL_FROM is missing; write it like Flambeau <portal@example.org>")
    try:
        port = parts.port or port
    except ValueError:
        problems.append("FLAMBEAU_MAIL_SERVER has a port that is none; write it like smtps://HOST:465")
    found = {"host": parts.hostname, "port": port, "security": security, "user": unquote(parts.username or ""),
             "password": _secret(env, "FLAMBEAU_MAIL_PASSWORD", problems, needed=bool(parts.username)),
             "sender": env.get("FLAMBEAU_MAIL_FROM", "nobody@localhost")}  # fmt: skip
    if env.get("FLAMBEAU_MAIL_LINKS_AN_HOUR"):
        found["links_an_hour"] = env["FLAMBEAU_MAIL_LINKS_AN_HOUR"]
    return found


def hook_secrets_from(env: Mapping[str, str], problems: list[str]) -> tuple[SecretStr, ...]:
    """The secrets that sign GitHub's webhooks: one, or the new and the old while they are being changed."""
    written = _secret(env, "FLAMBEAU_GITHUB_WEBHOOK_SECRET", problems, needed=False).get_secret_value().split()
    if len(written) > 2:
        problems.append(f"FLAMBEAU_GITHUB_WEBHOOK_SECRET has {len(written)} secrets; give one, or the new and the old")
    if any(len(one) < SHORTEST_SECRET for one in written):
        problems.append(f"FLAMBEAU_GITHUB_WEBHOOK_SECRET is shorter than {SHORTEST_SECRET} letters and can be guessed; "
                        "write what `openssl rand -hex 32` prints into its file")  # fmt: skip
    return tuple(SecretStr(one) for one in written)


def _is_one_word(token: str) -> bool:
    return token.isascii() and not any(one.isspace() for one in token)


def _api_of(issuer: str) -> str:
    return "https://api.github.com" if issuer == GITHUB else f"{issuer}/api/v3"


def _plain_address(url: str, variable: str) -> str:
    parts = _parts(url)
    if not is_safe_address(url) or parts.query or parts.fragment or parts.username:
        shown = url.rpartition("@")[2]
        raise ValueError(f"{variable} ends in {shown!r}; it must be an https address without user or query")
    return url


def _parts(url: str) -> SplitResult:
    """The parts of an address; of a text that is none, such as `https://[`, empty ones."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _client(env: Mapping[str, str], prefix: str, name: str, domains: str, problems: list[str]) -> dict[str, object]:
    client_id = env.get(f"{prefix}_CLIENT_ID", "")
    if not client_id:
        problems.append(f"{prefix}_CLIENT_ID is missing; the issuer gave it when this portal was registered there")
    listed = env.get(f"{prefix}_DOMAINS", domains)
    return {
        "name": env.get(f"{prefix}_NAME") or name,
        "client_id": client_id or "missing",
        "client_secret": _secret(env, f"{prefix}_CLIENT_SECRET", problems, needed=True),
        "domains": tuple(one.strip().casefold() for one in listed.split(",") if one.strip()),
    }


def _secret(env: Mapping[str, str], variable: str, problems: list[str], *, needed: bool) -> SecretStr:
    """A secret from VARIABLE_FILE, or from VARIABLE."""
    path = env.get(f"{variable}_FILE")
    if path:
        try:
            found = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{variable}_FILE: {path} cannot be read ({type(error).__name__})")
            return SecretStr("")
        if not found:
            problems.append(f"{variable}_FILE: {path} is empty; write the secret into it")
        return SecretStr(found)
    if needed and not env.get(variable):
        problems.append(f"{variable}_FILE is missing; write the secret into a file and name it here")
    return SecretStr(env.get(variable, ""))
