"""Starts git, the one place that does: hardened, limited in time and output, and never given a name as an option.

Every call runs without hooks, without the machine's and the user's git configuration, without a terminal, over a
short list of protocols. References reach git only as full hashes or as `refs/heads/NAME`, so that no name can be
taken for an option, a tag or an abbreviated hash.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from app.contributions.sources import PROTOCOLS, GitError, Target
from app.wording import plain

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BAD_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^/|/$|\.$|\.lock$|^-|/\.|^\.")
_CHUNK = 1 << 20
_WATCH_EVERY_S = 0.2
_OVERRIDES = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null", "core.quotePath=true",
    "gc.auto=0", "maintenance.auto=false", "submodule.recurse=false", "fetch.recurseSubmodules=false",
    "protocol.allow=never", "protocol.https.allow=always", "protocol.http.allow=always", "protocol.file.allow=always",
    "pack.threads=1", "core.bigFileThreshold=100m", "core.packedGitWindowSize=16m", "core.packedGitLimit=64m",
    "log.showRoot=true", "log.showSignature=false", "diff.renames=false", "diff.algorithm=myers", "color.ui=false",
)  # fmt: skip


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


def reference(name: str) -> str:
    if is_hash(name):
        return name
    if not is_branch_name(name):
        raise GitError(f"{name!r} is neither a branch name nor a full commit hash")
    return f"refs/heads/{name}"


class Cut:
    """Remembers whether an output was cut at its limit."""

    happened = False


@dataclass(frozen=True)
class Manner:
    """How a call of git differs from the usual: a configuration file, settings, protocols, and what it keeps open."""

    file: str = os.devnull
    settings: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    keep_open: tuple[int, ...] = ()


USUAL = Manner(protocols=PROTOCOLS)
# Before it git leaves http.curloptResolve unread, and would look a name up once more by itself.
PINS_SINCE = (2, 37)
Watch = Callable[[str], str | None]


@contextmanager
def manner_of(target: Target, *, keep_open: tuple[int, ...] = ()) -> Iterator[Manner]:
    """How git may reach a source: no further than it was resolved, a folder even if another user owns it."""
    if target.settings and version() < PINS_SINCE:
        here, wanted = ".".join(map(str, version())), ".".join(map(str, PINS_SINCE))
        raise GitError(f"git {here} cannot be held to the addresses that were looked at; install git {wanted} or newer")
    if not target.is_folder:
        yield Manner(settings=target.settings, protocols=target.protocols, keep_open=keep_open)
        return
    location = target.location
    with tempfile.NamedTemporaryFile("w", suffix=".gitconfig") as file:
        quoted = location.replace("\\", "\\\\").replace('"', '\\"')
        file.write(f'[safe]\n\tdirectory = "{quoted}"\n\tdirectory = "{quoted}/.git"\n')
        file.flush()
        yield Manner(file.name, target.settings, target.protocols, keep_open)


@cache
def version() -> tuple[int, ...]:
    """Which git is installed here, as far as two numbers tell.

    >>> len(version())
    2
    """
    found = re.search(rb"(\d+)\.(\d+)", run(["version"]))
    if found is None:
        raise GitError("git does not say which version it is; install it anew (Debian: apt install git)")
    return int(found[1]), int(found[2])


def _environment(manner: Manner) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY",
            "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy") if name in os.environ}  # fmt: skip
    return kept | {
        "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": manner.file,
        "GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/false", "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(manner.protocols), "GIT_PROTOCOL_FROM_USER": "0", "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
    }  # fmt: skip


def run(
    arguments: list[str], *, path: Path | None = None, given: bytes = b"", timeout_s: float = 120,
    limit_bytes: int = 64 << 20, manner: Manner = USUAL, cut: Cut | None = None, watch: Watch | None = None,
) -> bytes:  # fmt: skip
    return b"".join(stream(arguments, path=path, given=given, timeout_s=timeout_s, limit_bytes=limit_bytes,
                            manner=manner, cut=cut, watch=watch))  # fmt: skip


def stream(
    arguments: list[str], *, path: Path | None = None, given: bytes = b"", timeout_s: float,
    limit_bytes: int | None = None, manner: Manner = USUAL, cut: Cut | None = None, watch: Watch | None = None,
) -> Iterator[bytes]:  # fmt: skip
    """Yield what git writes, as it comes; GitError with git's own words if it fails, lasts or writes too long.

    `watch` is asked several times a second with git's last words; a sentence from it ends git and is the error.
    """
    overrides = [part for value in (*_OVERRIDES, *manner.settings) for part in ("-c", value)]
    where = [f"--git-dir={path}"] if path else []
    with tempfile.TemporaryFile() as stdin:
        stdin.write(given)
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                ["git", "--no-pager", *overrides, *where, *arguments], env=_environment(manner), cwd="/",
                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                pass_fds=manner.keep_open,
            )  # fmt: skip
        except FileNotFoundError:
            raise GitError("git is not installed on this machine; install it (Debian: apt install git)") from None
    complaint = _Tail(_pipe(process.stderr))
    guard = _Guard(process, timeout_s, complaint, watch)
    out = _pipe(process.stdout)
    _widen(out)
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
        guard.stop()
        words = complaint.text()
    if guard.trouble is not None:
        raise guard.trouble
    if guard.verdict is not None:
        raise GitError(guard.verdict or f"git {arguments[0]} reached its time-out of {timeout_s:g} s")
    if status:
        raise GitError(f"git {arguments[0]} ended with status {status}: {words or 'no message'}")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise GitError("git was started without a pipe to read from")
    return pipe


def _widen(pipe: IO[bytes]) -> None:
    """Let git write a megabyte ahead, where the system has a way to say so: it then works while we do."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe.fileno(), getattr(fcntl, "F_SETPIPE_SZ", 1031), _CHUNK)


class _Tail:
    """Reads a pipe to its end in a thread of its own and keeps the last few lines."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._kept, self._pipe = b"", pipe
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := self._pipe.read1(4096):  # type: ignore[attr-defined] # a pipe is a BufferedReader
            self._kept = (self._kept + chunk)[-4096:]

    def last(self) -> str:
        """The line being written: with --progress, how far git is."""
        lines = self._lines()
        return lines[-1] if lines else ""

    def text(self) -> str:
        """What git complained of at the end, without control characters: a server may have written it."""
        self._thread.join(timeout=5)
        self._pipe.close()
        lines = self._lines()
        grave = [line for line in lines if line.startswith(("fatal:", "error:"))]
        return " ".join((grave or lines[-3:])[:2])[:500]

    def _lines(self) -> list[str]:
        lines = re.split(r"[\r\n]+", self._kept.decode("utf-8", "replace"))
        return [plain(line).strip() for line in lines if line.strip()]


class _Guard:
    """Ends git when its time is over, or when whoever watches says so; `verdict` is why ("" for the time)."""

    def __init__(
        self, process: subprocess.Popen[bytes], timeout_s: float, complaint: _Tail, watch: Watch | None
    ) -> None:
        self.verdict: str | None = None
        self.trouble: BaseException | None = None
        self._process, self._complaint, self._watch = process, complaint, watch
        self._deadline = time.monotonic() + timeout_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while (left := self._deadline - time.monotonic()) > 0:
            if self._done.wait(min(left, _WATCH_EVERY_S) if self._watch else left):
                return
            try:
                said = self._watch(self._complaint.last()) if self._watch else None
            except BaseException as trouble:  # raised again where git was asked, which waits for its output
                self.trouble = trouble
                break
            if said is not None:
                self.verdict = said
                break
        else:
            self.verdict = ""
        _end(self._process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill git and the helpers that it started (they share its session)."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
