"""Files by their SHA-256: written whole or not at all, never changed, and found again by content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_BLOCK = 1 << 18


class TooLargeError(Exception):
    """More bytes came than are allowed."""


@dataclass(frozen=True)
class Stored:
    """A file in the store."""

    sha256: str
    size_bytes: int
    path: Path


@dataclass(frozen=True)
class Store:
    """A folder of files named by their content, `ab/abcdef...`.

    >>> import tempfile
    >>> store = Store(Path(tempfile.mkdtemp()))
    >>> first, again = store.put([b"x"], most_bytes=9), store.put([b"x"], most_bytes=9)
    >>> first == again, store.path(first.sha256).read_bytes()
    (True, b'x')
    """

    folder: Path

    def path(self, sha256: str) -> Path:
        """Where the file with this hash lies, or would lie."""
        if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            raise ValueError(f"{sha256!r} is no SHA-256 in small hexadecimal digits")
        return self.folder / sha256[:2] / sha256

    def holds(self, sha256: str) -> bool:
        """Whether there is a file with this hash."""
        return self.path(sha256).is_file()

    def put(self, blocks: Iterable[bytes], *, most_bytes: int) -> Stored:
        """Keep these bytes and give back what they are; the same bytes twice are one file.

        Raises: TooLargeError, with nothing kept.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        digest, size = hashlib.sha256(), 0
        handle, draft = tempfile.mkstemp(dir=self.folder, prefix=".draft-")
        try:
            with os.fdopen(handle, "wb") as file:
                for block in blocks:
                    size += len(block)
                    if size > most_bytes:
                        raise TooLargeError(f"more than {most_bytes} bytes came")
                    digest.update(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            target = self.path(digest.hexdigest())
            target.parent.mkdir(exist_ok=True, mode=0o700)
            os.chmod(draft, 0o444)
            os.replace(draft, target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        return Stored(digest.hexdigest(), size, target)

    def put_file(self, path: Path, *, most_bytes: int) -> Stored:
        """Keep a copy of this file."""
        with path.open("rb") as file:
            return self.put(blocks_of(file), most_bytes=most_bytes)


def blocks_of(file: IO[bytes]) -> Iterable[bytes]:
    """The rest of an open file, block by block."""
    return iter(lambda: file.read(_BLOCK), b"")
