"""What was made once, as files that every process of this portal reads: a folder of the home that nobody else opens.

A file is named by the digest of its place and begins with the digest of what it rests on. It appears whole or not at
all. Nothing in it is run: a line of JSON, and the bytes of a page or of an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

OLDEST_S = 3600.0
_TIDY_EVERY_S = 10.0
_PREFIX = "draft-"
_LONGEST_HEAD = 64 * 1024


@dataclass(frozen=True)
class Kept:
    """Something found: words about it, and its bytes."""

    words: dict[str, str]
    body: bytes


class Shelf:
    """A folder of at most so many files and bytes, a little more between two tidyings.

    What is older than `oldest_s` is taken away: when the next one is put there, a process begins, or by the hourly job.
    `made_by` tells the program that puts it there; another one finds nothing of it. Files are signed with `secret`: one
    that was broken, moved or written by somebody else is nothing.
    """

    def __init__(self, folder: Path, *, most: int = 400, most_bytes: int = 96 * 1024 * 1024, oldest_s: float = OLDEST_S,
                 made_by: Hashable = None, secret: bytes = b"") -> None:  # fmt: skip
        self.folder, self.most, self.most_bytes, self.oldest_s = folder, most, most_bytes, oldest_s
        self.made_by, self._secret = made_by, secret
        self._tidied = 0.0
        self._lock = threading.Lock()

    def find(self, place: Hashable, under: Hashable, *, fresh_s: float,
             wanted: Callable[[dict[str, str]], bool] | None = None) -> Kept | None:  # fmt: skip
        """What lies at this place and rests on this, both told by their `repr`, if its words are `wanted`.

        Whoever finds it older than `fresh_s` gets nothing and makes it anew; meanwhile others are given the old one.
        """
        path = self._path(place)
        try:
            with path.open("rb") as file:
                age = time.time() - os.fstat(file.fileno()).st_mtime
                head = json.loads(file.readline(_LONGEST_HEAD))
                if head["under"] != self._standing(under) or (wanted and not wanted(head["words"])):
                    return None
                body = file.read()
            if not hmac.compare_digest(head["signed"], self._signature(path, head["under"], head["words"], body)):
                return None
            if not 0 <= age < fresh_s:
                os.utime(path)
                return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return Kept(head["words"], body)

    def keep(self, place: Hashable, under: Hashable, kept: Kept) -> None:
        """Put it there for every process; on a full disk it is not kept, and that is all."""
        standing = self._standing(under)
        signed = self._signature(self._path(place), standing, kept.words, kept.body)
        head = json.dumps({"under": standing, "words": kept.words, "signed": signed}).encode()
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            descriptor, draft = tempfile.mkstemp(dir=self.folder, prefix=_PREFIX)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(head + b"\n" + kept.body)
                os.replace(draft, self._path(place))
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(draft)
                raise
            self.tidy()

    def tidy(self) -> int:
        """Take away what is old, and the oldest where there is too much, now and then; gives how many went."""
        with self._lock:
            now = time.monotonic()
            if self._tidied and now - self._tidied < _TIDY_EVERY_S:
                return 0
            self._tidied = now
        found = []
        for path in self.folder.glob("*"):
            with contextlib.suppress(OSError):  # another process tidies, too
                of_file = path.stat()
                found.append((of_file.st_mtime, of_file.st_size, path))
        gone = 0
        left, room, oldest = self.most, self.most_bytes, time.time() - self.oldest_s
        for at, size, path in sorted(found, reverse=True):
            left, room = left - 1, room - size
            if left < 0 or room < 0 or at < oldest:
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def _path(self, place: Hashable) -> Path:
        return self.folder / _digest(place)

    def _standing(self, under: Hashable) -> str:
        return _digest((under, self.made_by))

    def _signature(self, path: Path, standing: str, words: dict[str, str], body: bytes) -> str:
        head = json.dumps([path.name, standing, words], sort_keys=True).encode()
        return hmac.digest(self._secret, hashlib.sha256(head).digest() + body, "sha256").hex()


def _digest(value: Hashable) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()
