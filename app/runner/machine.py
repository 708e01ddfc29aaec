"""What this machine gives to a build: its Python, its pip's settings, its isolation, and which places are closed."""

from __future__ import annotations

import ast
import configparser
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# Secrets that people keep in their home folder; a build behind walls finds these places empty.
_PRIVATE_PLACES = (
    ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".pypirc", ".git-credentials",
    ".config/gh", ".config/gcloud", ".config/git", ".cargo/credentials.toml", ".npmrc", ".pgpass",
)  # fmt: skip
# What a build needs to reach the package index through this machine's network, and nothing else of the environment.
_PASSED_ON = (
    "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip


def base_python() -> str:
    """The interpreter outside any virtual environment: builds make environments of their own from it."""
    return str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())


def private_places(extra: list[Path]) -> list[Path]:
    """Files and folders that a build must not see."""
    home = Path.home()
    return [*extra, *(home / place for place in _PRIVATE_PLACES if (home / place).exists())]


def pip_settings() -> str:
    """The machine's own pip settings (files and environment) as one pip.conf; a build has no other home to read."""
    settings = configparser.RawConfigParser()
    for line in _pip("config", "list").splitlines():
        key, _, quoted = line.partition("=")
        section, _, name = key.strip().rpartition(".")
        try:
            value = ast.literal_eval(quoted)
        except (ValueError, SyntaxError):
            continue
        section = "global" if section == ":env:" else section
        if section in {"global", "install", "download", "wheel"} and name not in {"user", "target", "prefix"}:
            if not settings.has_section(section):
                settings.add_section(section)
            settings.set(section, name, "\n".join(str(value).split()) if isinstance(value, str) else str(value))
    text = io.StringIO()
    settings.write(text)
    return text.getvalue()


def pip_cache() -> Path | None:
    """Where this machine's pip keeps what it downloaded, if it does."""
    place = _pip("cache", "dir").strip()
    return Path(place) if place else None


def compiler_cache() -> Path | None:
    """Where ccache keeps objects, if whoever started the runner named a folder for it."""
    place = os.environ.get("CCACHE_DIR", "")
    return Path(place) if place else None


def _pip(*arguments: str) -> str:
    """What the machine's pip answers. Debian's Python has none of its own: then that of this runner's environment."""
    for python in dict.fromkeys((base_python(), sys.executable)):
        try:
            done = subprocess.run(
                [python, "-m", "pip", *arguments], capture_output=True, text=True, check=False, timeout=60
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return done.stdout
    return ""


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """A build's whole environment: fixed values, the way to the network, and what the portal and the runner give."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore",
        "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1), **passed, **given,
    }  # fmt: skip
