"""Reads what `git log -z` prints, chunk by chunk, into commits, so that odd histories can be tested as bytes."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

_FIELDS = ("%H", "%P", "%an", "%ae", "%at", "%cn", "%ce", "%ct", "%B")
# Nothing that git stores in a commit holds a NUL, so NULs part the fields whatever a message says.
LOG_FORMAT = "commit " + "%x00".join(_FIELDS)
LINES_FORMAT = "commit %H"
_MESSAGE_LIMIT = 256 << 10
_TOKEN_LIMIT = 4 << 20
_NAME_LIMIT = 300


@dataclass(frozen=True, slots=True)
class PathChange:
    """One changed path: A added, M modified, D deleted, T type changed; lines None where not counted (binary too)."""

    path: str
    status: str
    added: int | None = None
    deleted: int | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A commit as written: names and addresses before any mailmap, times in seconds since 1970 (None if unreadable)."""

    sha: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    authored_s: int | None
    committer_name: str
    committer_email: str
    committed_s: int | None
    message: str
    changes: tuple[PathChange, ...]

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1


def text_of(raw: bytes) -> str:
    """Names and messages as text: UTF-8, else Latin-1 (what old histories mostly are); NULs become U+FFFD.

    >>> text_of("José".encode()), text_of("José".encode("latin-1"))
    ('José', 'José')
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def path_of(raw: bytes) -> str:
    r"""A path as text; bytes that are not UTF-8 stay readable and distinct.

    >>> path_of("données.txt".encode()), path_of(b"donn\xe9es.txt")
    ('données.txt', 'donn\\xe9es.txt')
    """
    return raw.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class LineCounts:
    """Lines added to and deleted from each path by a commit, None for binary ones; no `paths` if not countable."""

    sha: str
    paths: list[tuple[str, int | None, int | None]] | None


class Listing(Sequence[str]):
    """Hashes as git lists them, kept in a file: a long history takes no memory.

    >>> listing = Listing([b"aa\\nbb\\nc", b"c\\n"])
    >>> len(listing), listing[1], listing[1:], list(listing)
    (3, 'bb', ['bb', 'cc'], ['aa', 'bb', 'cc'])
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the listing goes
        weakref.finalize(self, self._file.close)
        for chunk in chunks:
            self._file.write(chunk)
        size = self._file.tell()
        self._file.seek(0)
        self._width = len(self._file.readline()) or 1
        self._count = size // self._width

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, int):
            return self._read(range(self._count)[place], 1)[0]
        start, stop, step = place.indices(self._count)
        return self._read(start, max(stop - start, 0))[::step]

    def _read(self, start: int, count: int) -> list[str]:
        self._file.seek(start * self._width)
        return self._file.read(count * self._width).decode("ascii").split()


class _Tokens:
    """Parts what git writes at its NULs. A token without end (a message of megabytes) is cut, not kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        tokens = chunk.split(b"\0")
        if len(tokens) == 1:
            self._keep(chunk)
            return []
        self._keep(tokens[0])
        tokens[0] = b"".join(self._parts)
        self._parts, self._size = [], 0
        self._keep(tokens.pop())
        return tokens

    def _keep(self, part: bytes) -> None:
        if part and self._size < _TOKEN_LIMIT:
            self._parts.append(part)
            self._size += len(part)


class LineReader:
    """Feed it the output of `git log -z --numstat --format=LINES_FORMAT`; it gives whole commits back."""

    def __init__(self) -> None:
        self._tokens = _Tokens()
        self._current: LineCounts | None = None

    def feed(self, chunk: bytes) -> Iterator[LineCounts]:
        """Commits that are complete: the next one has begun."""
        for token in self._tokens.feed(chunk):
            if token.startswith(b"commit "):
                yield from self.finish()
                self._current = LineCounts(token[7:].decode("ascii"), [])
            elif self._current is not None and self._current.paths is not None:
                added, deleted, path = token.lstrip(b"\n").split(b"\t", 2)
                self._current.paths.append((path_of(path), _number(added), _number(deleted)))

    def finish(self) -> Iterator[LineCounts]:
        """The last commit, once git ended well."""
        if self._current is not None:
            yield self._current
        self._current = None


class LogReader:
    """Feed it the output of `git log -z --raw --format=LOG_FORMAT`; it gives whole commits back."""

    def __init__(self) -> None:
        self._tokens = _Tokens()
        self._record: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[LogEntry]:
        """Commits that are complete: the next one has begun."""
        record = self._record
        for token in self._tokens.feed(chunk):
            # A message cannot begin a record: the first nine tokens of a record are its header whatever they hold,
            # and a path is taken together with the `:modes` token before it.
            if len(record) >= len(_FIELDS) and token.startswith(b"commit ") and not _awaits_path(record):
                yield _entry(record)
                record = []
            record.append(token)
        self._record = record

    def finish(self) -> Iterator[LogEntry]:
        """The last commit, once git ended well (a commit cut short by a failure is never given)."""
        if self._record:
            yield _entry(self._record)
        self._record = []


def _awaits_path(record: list[bytes]) -> bool:
    """True if the record's last token is a `:modes` token: those and paths take turns after the header."""
    return (len(record) - len(_FIELDS)) % 2 == 1


def _entry(record: list[bytes]) -> LogEntry:
    sha, parents, author, author_email, authored, committer, committer_email, committed, message = record[:9]
    changes = tuple(
        PathChange(path_of(path), chr(modes[modes.rindex(b" ") + 1]))
        for modes, path in zip(record[9::2], record[10::2], strict=True)
    )
    return LogEntry(
        sha=sha.removeprefix(b"commit ").decode("ascii"),
        parents=tuple(parents.decode("ascii").split()),
        author_name=text_of(author)[:_NAME_LIMIT],
        author_email=text_of(author_email)[:_NAME_LIMIT],
        authored_s=_number(authored),
        committer_name=text_of(committer)[:_NAME_LIMIT],
        committer_email=text_of(committer_email)[:_NAME_LIMIT],
        committed_s=_number(committed),
        message=text_of(message)[:_MESSAGE_LIMIT],
        changes=changes,
    )


def _number(raw: bytes) -> int | None:
    try:
        return int(raw)
    except ValueError:
        return None
