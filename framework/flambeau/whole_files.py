"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write: what was at `path` stays until all of it is on the disk, and for good if writing it fails."""
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "There is no such folder to write into", str(target.parent))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "This is a folder; name a file in it", str(target))
    # Beside the target, so that the last step is a rename within one file system.
    partial = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        with _opened(partial) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not partial.exists():
                number = file.fileno()  # given as src_dir_fd so that linkat is called, which follows the link
                os.link(f"/proc/self/fd/{number}", partial, src_dir_fd=number, follow_symlinks=True)
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _opened(partial: Path) -> BinaryIO:
    """A file without a name, gone with the process that dies while it writes; where there is none, `partial`."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # not every file system has them
            return os.fdopen(os.open(partial.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666), "w+b")
    return partial.open("xb")
