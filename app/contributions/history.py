"""Reads what `git log -z` prints, chunk by chunk, into commits; pure, so that odd histories can be tested as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_FIELDS = ("%H", "%P", "%an", "%ae", "%at", "%cn", "%ce", "%ct", "%B")
# Nothing that git stores in a commit holds a NUL, so NULs part the fields whatever a message says.
LOG_FORMAT = "commit " + "%x00".join(_FIELDS)
_MESSAGE_LIMIT = 256 << 10
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
    lines_counted: bool

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


class LogReader:
    """Feed it the output of `git log -z --raw [--numstat] --format=LOG_FORMAT`; it gives whole commits back."""

    def __init__(self) -> None:
        self._rest = b""
        self._record: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[LogEntry]:
        """Commits that are complete: the next one has begun."""
        tokens = (self._rest + chunk).split(b"\0")
        self._rest = tokens.pop()
        record = self._record
        for token in tokens:
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
    return len(record) > len(_FIELDS) and record[-1].lstrip(b"\n").startswith(b":") and _is_raw(record, len(record) - 1)


def _is_raw(record: list[bytes], position: int) -> bool:
    """True if the token there is a `:modes` token rather than a path that begins with a colon."""
    index = len(_FIELDS)
    while index < position:
        index += 2 if record[index].lstrip(b"\n").startswith(b":") else 1
    return index == position


def _entry(record: list[bytes]) -> LogEntry:
    sha, parents, author, author_email, authored, committer, committer_email, committed, message = record[:9]
    statuses: dict[bytes, str] = {}
    counts: dict[bytes, tuple[int | None, int | None]] = {}
    index, end = len(_FIELDS), len(record)
    while index < end:
        token = record[index].lstrip(b"\n")
        if token.startswith(b":") and index + 1 < end:
            statuses[record[index + 1]] = chr(token[token.rindex(b" ") + 1])
            index += 2
            continue
        parts = token.split(b"\t", 2)
        if len(parts) == 3:
            counts[parts[2]] = (_number(parts[0]), _number(parts[1]))
        index += 1
    changes = tuple(
        PathChange(path_of(path), status, *counts.get(path, (None, None))) for path, status in statuses.items()
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
        lines_counted=bool(counts) or not statuses,
    )


def _number(raw: bytes) -> int | None:
    try:
        return int(raw)
    except ValueError:
        return None
