"""What an installation decides for itself, read once from the environment and never changed afterwards."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from flask import current_app
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from app.connections import GitHubReader, Issuer, MailServer, hook_secrets_from, issuers_from, mail_from, reader_from

ROOT = Path(__file__).resolve().parent.parent


class SettingsError(Exception):
    """The environment asks for something that cannot be had; the message says what and the way out."""


class Settings(BaseModel):
    """Everything that differs between two installations.

    `home` holds all that is not code: database, clones, logs, artefacts, the session key. `is_local` marks what this
    portal builds as one machine's own; `lease_s` is how long a worker or runner may be silent before another goes on.
    `clone_limit_gb`, `commit_limit` and `free_disk_gb`: what one repository that is counted may take; `drafts_mb`: what
    all files together may that were given and are not applied yet. `proposed_days`: for how long the commits of a pull
    request from elsewhere are kept once it is closed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    database_url: str = Field(repr=False)
    session_key: SecretStr
    port: int = Field(default=8000, ge=1, le=65535)
    base_url: str = "http://127.0.0.1:8000"
    name: str = "Flambeau"
    governance_dir: Path = ROOT / "governance"
    upstream_index: str | None = None
    repository: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    behind_proxy: bool = False
    synthetic: bool = False
    log_json: bool = True
    is_local: bool = False
    lease_s: float = Field(default=30.0, gt=0, le=3600)
    clone_limit_gb: float = Field(default=20.0, gt=0)
    commit_limit: int = Field(default=5_000_000, ge=1)
    free_disk_gb: float = Field(default=1.0, ge=0)
    drafts_mb: float = Field(default=100.0, gt=0)
    proposed_days: int = Field(default=180, ge=1, le=36_500)
    issuers: tuple[Issuer, ...] = ()
    mail: MailServer | None = None
    github_hook_secrets: tuple[SecretStr, ...] = ()
    github: GitHubReader | None = None

    @field_validator("base_url")
    @classmethod
    def _base_url_is_a_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{value!r} is no web address; write it like https://portal.example.org")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _database_is_one_we_know(cls, value: str) -> str:
        value = value.replace("postgres://", "postgresql://", 1) if value.startswith("postgres://") else value
        if not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            scheme = value.split(":", 1)[0]
            raise ValueError(f"DATABASE_URL begins with {scheme!r}; it must be sqlite:///FILE or postgresql://...")
        return value

    @property
    def is_https(self) -> bool:
        """Whether people reach the portal over TLS; cookies are then marked Secure."""
        return self.base_url.startswith("https://")

    @property
    def hosts(self) -> list[str]:
        """Host names that a request may name; any other is refused."""
        own = urlsplit(self.base_url).hostname or "localhost"
        return sorted({own, "127.0.0.1", "localhost", "[::1]", *self.trusted_hosts})

    def folder(self, name: str) -> Path:
        """A folder below `home`, made if it is not there yet: `settings.folder("clones")`."""
        path = self.home / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Settings:
        """Settings from FLAMBEAU_* variables, DATABASE_URL and PORT; makes `home` and its session key.

        Raises: SettingsError with every problem at once.
        """
        home = Path(env.get("FLAMBEAU_HOME") or "var").absolute()
        port = env.get("PORT") or "8000"
        _make_home(home)
        missing: list[str] = []
        values: dict[str, object] = {
            "home": home,
            "database_url": env.get("DATABASE_URL") or f"sqlite:///{home / 'flambeau.db'}",
            "session_key": session_key(home),
            "port": port,
            "base_url": env.get("FLAMBEAU_BASE_URL") or f"http://127.0.0.1:{port}",
            "trusted_hosts": tuple(h.strip() for h in env.get("FLAMBEAU_TRUSTED_HOSTS", "").split(",") if h.strip()),
            "issuers": issuers_from(env, missing),
            "mail": mail_from(env, missing),
            "github_hook_secrets": hook_secrets_from(env, missing),
            "github": reader_from(env, missing),
        }
        optional = {
            "name": "FLAMBEAU_NAME",
            "governance_dir": "FLAMBEAU_GOVERNANCE",
            "upstream_index": "FLAMBEAU_UPSTREAM_INDEX",
            "repository": "REPO",
            "behind_proxy": "FLAMBEAU_BEHIND_PROXY",
            "synthetic": "FLAMBEAU_SYNTHETIC",
            "log_json": "FLAMBEAU_LOG_JSON",
            "is_local": "FLAMBEAU_LOCAL",
            "lease_s": "FLAMBEAU_LEASE_S",
            "clone_limit_gb": "FLAMBEAU_CLONE_LIMIT_GB",
            "commit_limit": "FLAMBEAU_COMMIT_LIMIT",
            "free_disk_gb": "FLAMBEAU_FREE_DISK_GB",
            "drafts_mb": "FLAMBEAU_DRAFTS_MB",
            "proposed_days": "FLAMBEAU_PROPOSED_DAYS",
        }
        values.update({field: env[variable] for field, variable in optional.items() if env.get(variable)})
        lines = [f"  {text}" for text in missing]
        try:
            made = cls.model_validate(values)
        except ValidationError as error:
            lines += [f"  {'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_input=False)]
        if lines:
            raise SettingsError("The environment does not give usable settings:\n" + "\n".join(lines))
        return made


def current_settings() -> Settings:
    """The settings of the running application."""
    settings: Settings = current_app.extensions["flambeau"].settings
    return settings


def session_key(home: Path) -> str:
    """The random key that signs cookies, made at first use with mode 0600; two processes that race get the same."""
    path = home / "session.key"
    if not path.exists():
        descriptor, draft = tempfile.mkstemp(dir=home, prefix=".session.key.")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
            # A hard link appears whole or not at all; whoever comes second reads the first one's key.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            os.unlink(draft)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return path.read_text().strip()


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The folder {home} cannot be made ({error.strerror}); set FLAMBEAU_HOME to a folder you may write."
        ) from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise SettingsError(f"The folder {home} is not writable; set FLAMBEAU_HOME to a folder you may write.")
