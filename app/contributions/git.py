"""Starts git, the one place that does: hardened, limited in time and output, and never given a name as an option.

Every call runs without hooks, without the machine's and the user's git configuration, without a terminal, over a
short list of protocols. References reach git only as full hashes or as `refs/heads/NAME`, so that no name can be
taken for an option, a tag or an abbreviated hash.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

PROTOCOLS = ("https", "http", "file")
_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BAD_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^/|/$|\.$|\.lock$|^-|/\.|^\.")
_CHUNK = 1 << 20
_OVERRIDES = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null", "core.quotePath=true",
    "gc.auto=0", "maintenance.auto=false", "submodule.recurse=false", "fetch.recurseSubmodules=false",
    "protocol.allow=never", "protocol.https.allow=always", "protocol.http.allow=always", "protocol.file.allow=always",
    "log.showRoot=true", "log.showSignature=false", "diff.renames=false", "diff.algorithm=myers", "color.ui=false",
)  # fmt: skip


class GitError(Exception):
    """What git could not do, in a sentence with the way out."""


def is_hash(text: str) -> bool:
    """True for a full SHA-1 or SHA-256 name.

    >>> is_hash("d3" * 20), is_hash("d3d3d3d"), is_hash("--all")
    (True, False, False)
    """
    return _HASH.fullmatch(text) is not None


def is_branch_name(name: str) -> bool:
    """True for what git accepts as a branch (`git check-ref-format --branch`) and cannot read as an option.

    >>> is_branch_name("fix/one"), is_branch_name("--output=x"), is_branch_name("a..b"), is_branch_name("HEAD")
    (True, False, False, False)
    """
    return bool(name) and name not in ("HEAD", "@") and len(name) < 500 and not _BAD_IN_REF.search(name)


def check_source(source: str) -> str:
    """The path (made absolute) or address as git may be given it; GitError where it is neither.

    >>> check_source("https://example.org/a.git")
    'https://example.org/a.git'
    """
    text = source.strip()
    if not text or text.startswith("-") or any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise GitError(f"{source!r} is no address of a repository; give a folder or an https address")
    if "::" in text.split("/", 1)[0] or re.match(r"[\w.-]+@[\w.-]+:", text):
        raise GitError(f"{text!r} is reached by a protocol that is switched off; give a folder or an https address")
    if "://" not in text:
        return str(Path(text).expanduser().resolve())
    parts = urlsplit(text)
    if parts.scheme not in PROTOCOLS:
        allowed = ", ".join(PROTOCOLS)
        raise GitError(f"{text!r} uses {parts.scheme}://, but only {allowed} are allowed; give an https address")
    if parts.username or parts.password:
        raise GitError("an address with a user name or a password would show it on public pages; give one without")
    return text


def reference(name: str) -> str:
    if is_hash(name):
        return name
    if not is_branch_name(name):
        raise GitError(f"{name!r} is neither a branch name nor a full commit hash")
    return f"refs/heads/{name}"


class Cut:
    """Remembers whether an output was cut at its limit."""

    happened = False


@contextmanager
def trust(location: str) -> Iterator[str]:
    """A configuration file that lets git read this one folder even if another user owns it: staff named it."""
    if "://" in location:
        yield os.devnull
        return
    with tempfile.NamedTemporaryFile("w", suffix=".gitconfig") as file:
        quoted = location.replace("\\", "\\\\").replace('"', '\\"')
        file.write(f'[safe]\n\tdirectory = "{quoted}"\n\tdirectory = "{quoted}/.git"\n')
        file.flush()
        yield file.name


def _environment(settings: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY",
            "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy") if name in os.environ}  # fmt: skip
    return kept | {
        "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": settings,
        "GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/false", "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS), "GIT_PROTOCOL_FROM_USER": "0", "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
    }  # fmt: skip


def run(
    arguments: list[str], *, path: Path | None = None, given: bytes = b"", timeout_s: float = 120,
    limit_bytes: int = 64 << 20, settings: str = os.devnull, cut: Cut | None = None,
) -> bytes:  # fmt: skip
    return b"".join(stream(arguments, path=path, given=given, timeout_s=timeout_s, limit_bytes=limit_bytes,
                            settings=settings, cut=cut))  # fmt: skip


def stream(
    arguments: list[str], *, path: Path | None = None, given: bytes = b"", timeout_s: float,
    limit_bytes: int | None = None, settings: str = os.devnull, cut: Cut | None = None,
) -> Iterator[bytes]:  # fmt: skip
    """Yield what git writes, as it comes; GitError with git's own words if it fails, lasts or writes too long."""
    overrides = [part for value in _OVERRIDES for part in ("-c", value)]
    where = [f"--git-dir={path}"] if path else []
    with tempfile.TemporaryFile() as stdin:
        stdin.write(given)
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                ["git", "--no-pager", *overrides, *where, *arguments], env=_environment(settings), cwd="/",
                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            raise GitError("git is not installed on this machine; install it (Debian: apt install git)") from None
    complaint = _Tail(_pipe(process.stderr))
    late = threading.Event()
    clock = threading.Timer(timeout_s, _end_late, (process, late))
    clock.daemon = True
    clock.start()
    out = _pipe(process.stdout)
    written, whole = 0, False
    try:
        while chunk := out.read1(_CHUNK):  # type: ignore[attr-defined] # a pipe is a BufferedReader
            written += len(chunk)
            if limit_bytes is not None and written > limit_bytes:
                if cut is None:
                    raise GitError(f"git {arguments[0]} wrote more than {limit_bytes:,} bytes and was stopped")
                cut.happened = True
                yield chunk[: len(chunk) - (written - limit_bytes)]
                return
            yield chunk
        whole = True
    finally:
        if not whole:
            _end(process)
        out.close()
        status = process.wait()
        clock.cancel()
        words = complaint.text()
    if late.is_set():
        raise GitError(f"git {arguments[0]} reached its time-out of {timeout_s:g} s")
    if status:
        raise GitError(f"git {arguments[0]} ended with status {status}: {words or 'no message'}")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise GitError("git was started without a pipe to read from")
    return pipe


class _Tail:
    """Reads a pipe to its end in a thread of its own and keeps the last few lines."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._kept, self._pipe = b"", pipe
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := self._pipe.read1(4096):  # type: ignore[attr-defined] # a pipe is a BufferedReader
            self._kept = (self._kept + chunk)[-4096:]

    def text(self) -> str:
        self._thread.join(timeout=5)
        self._pipe.close()
        lines = [line.strip() for line in self._kept.decode("utf-8", "replace").splitlines() if line.strip()]
        grave = [line for line in lines if line.startswith(("fatal:", "error:"))]
        return " ".join((grave or lines[-3:])[:2])[:500]


def _end_late(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill git and the helpers that it started (they share its session)."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
