"""What must hold before the portal opens, each with a sentence that tells the way out."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.contributions.clones import GitError, ask
from app.governance_files import GovernanceError, read
from app.settings import Settings


class CannotServe(Exception):
    """Why `make serve` ends, and what to do."""


@dataclass(frozen=True)
class Checkout:
    """The working tree that `make serve` was called in."""

    root: Path
    commit: str | None
    branch: str | None
    uncommitted_files: int


def look_at(root: Path) -> Checkout:
    """What git says about the tree; a tree without history has no commit, and so nothing to release."""
    if shutil.which("git") is None:
        raise CannotServe("git is not installed; on Debian: apt-get install git")
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    branch = _git(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=normal") or ""
    return Checkout(root, commit, branch, len(changed.splitlines()))


def check_machine(settings: Settings, checkout: Checkout) -> None:
    """Everything that can be known beforehand. Raises: CannotServe with every problem at once."""
    problems = [
        *_governance_problems(settings),
        *_port_problems(settings),
        *_compiler_problems(),
        *_repository_problems(settings, checkout),
    ]
    if problems:
        listed = "\n  - ".join(problems)
        raise CannotServe(
            problems[0] if len(problems) == 1 else f"{len(problems)} things are in the way:\n  - {listed}"
        )


@contextmanager
def lock_home(settings: Settings) -> Iterator[None]:
    """One `make serve` for one home: the second one says which is the first."""
    path = settings.home / "serve.lock"
    try:
        file = path.open("a+", encoding="ascii")
    except OSError as error:
        raise CannotServe(
            f"{path} cannot be written ({error.strerror}); set FLAMBEAU_HOME to a folder of yours"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            told = file.read().split()
            who, port = (told[0], told[1]) if len(told) == 2 else ("?", "?")
            raise CannotServe(
                f"another `make serve` (process {who}, http://127.0.0.1:{port}) works in {settings.home}; "
                "stop it, or set FLAMBEAU_HOME and PORT to others"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {settings.port}")
        file.flush()
        yield


def _governance_problems(settings: Settings) -> list[str]:
    try:
        read(settings.governance_dir, today=datetime.now(UTC).date()).require()
    except GovernanceError as error:
        return [str(error)]
    return []


def check_port(settings: Settings, *, verb: str) -> None:
    """Whether the port is free. Raises: CannotServe with another one to try."""
    for problem in _port_problems(settings, verb=verb):
        raise CannotServe(problem)


def _port_problems(settings: Settings, *, verb: str = "make serve") -> list[str]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.port))
        except OSError as error:
            return [
                f"port {settings.port} cannot be used ({error.strerror}); choose another: "
                f"PORT={settings.port + 1} {verb}"
            ]
    return []


def _compiler_problems() -> list[str]:
    found = []
    if not any(shutil.which(name) for name in (os.environ.get("CXX") or "c++", "g++", "clang++")):
        found.append("there is no C++ compiler, and the framework is built here; on Debian: apt-get install g++")
    python = getattr(sys, "_base_executable", sys.executable)
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        found.append(f"the headers of {python} are missing; on Debian: apt-get install python3-dev")
    done = subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False, timeout=60)
    if done.returncode != 0:
        found.append(f"{python} cannot make environments; on Debian: apt-get install python3-venv")
    return found


def _repository_problems(settings: Settings, checkout: Checkout) -> list[str]:
    location = settings.repository
    if not location or location == ".":
        return []
    try:
        ask(location)
    except GitError as error:
        return [f"REPO: {error}"]
    return []


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, errors="replace", check=False, timeout=60
    )
    return done.stdout.strip() if done.returncode == 0 else None
