"""A job's folder: the source unpacked, what the portal stamps into it, and the files that come out."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_MOST_SOURCE_BYTES = 4 << 30
_MOST_SOURCE_FILES = 200_000
_GOOD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,199}")


class SourceError(Exception):
    """The source archive or a stamp cannot be used, with the reason."""


class ArtefactError(Exception):
    """What a step left as its result cannot be taken, with the reason."""


@dataclass(frozen=True)
class Workspace:
    """A job's folder. The build writes in `work`, reads in `given`, and does not see the log beside them.

    `source` is where steps start, `out` holds what they hand over, `inputs` what earlier steps handed over.
    """

    root: Path

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def source(self) -> Path:
        return self.work / "source"

    @property
    def out(self) -> Path:
        return self.work / "out"

    @property
    def home(self) -> Path:
        return self.work / "home"

    @property
    def tmp(self) -> Path:
        return self.work / "tmp"

    @property
    def given(self) -> Path:
        return self.root / "given"

    @property
    def inputs(self) -> Path:
        return self.given / "inputs"

    @property
    def pip_conf(self) -> Path:
        return self.given / "pip.conf"

    @property
    def pip_cache(self) -> Path:
        return self.root / "pip-cache"

    def create(self) -> None:
        """Empty folders; whatever an earlier try left is gone."""
        self.remove()
        for folder in (self.source, self.out, self.inputs, self.home, self.tmp, self.pip_cache):
            folder.mkdir(parents=True, mode=0o700)

    def remove(self) -> None:
        """Delete the folder, also where a build took its own write permission away."""
        if self.root.exists():
            for folder, _, _ in os.walk(self.root):
                if not os.path.islink(folder):
                    os.chmod(folder, 0o700)
            shutil.rmtree(self.root)

    def unpack(self, archive: Path) -> None:
        """Unpack the source: plain files, folders and links that stay inside, bounded."""
        total = 0
        with tarfile.open(archive, "r:*") as tar:
            for number, member in enumerate(tar):
                total += member.size
                if total > _MOST_SOURCE_BYTES or number > _MOST_SOURCE_FILES:
                    raise SourceError("the source archive is larger than 4 GiB or 200,000 files")
                self._unpack_one(tar, member)

    def _unpack_one(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        # Not tarfile's own filters: Debian 12's Python 3.11.2 has none.
        inside = self.source.resolve()
        target = self.source / member.name
        if member.name.startswith("/") or not target.parent.resolve().is_relative_to(inside):
            raise SourceError(f"the source archive wants to write outside its folder: {member.name!r}")
        if member.isdir():
            if not target.resolve().is_relative_to(inside):
                raise SourceError(f"the source archive wants to write outside its folder: {member.name!r}")
            target.mkdir(parents=True, exist_ok=True)
        elif member.issym():
            if not (target.parent / member.linkname).resolve().is_relative_to(inside):
                raise SourceError(f"the link {member.name!r} of the source points outside")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(member.linkname)
        elif member.isfile():
            target.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None  # noqa: S101 - for the types
            with open(target, "xb") as file:
                shutil.copyfileobj(content, file)
            os.chmod(target, 0o755 if member.mode & 0o100 else 0o644)
            os.utime(target, (member.mtime, member.mtime))
        else:
            raise SourceError(f"the source archive holds what is neither file, folder nor link: {member.name!r}")

    def stamp(self, stamps: Iterable[Mapping[str, str]]) -> None:
        """Write what the portal knows of the build into the source: a whole file, or one pattern in a file."""
        for entry in stamps:
            path = self.source / entry["path"]
            if not path.resolve().is_relative_to(self.source.resolve()):
                raise SourceError(f"the stamp {entry['path']!r} leaves the source folder")
            if "find" not in entry:
                if path.parent.is_dir():
                    path.unlink(missing_ok=True)
                    path.write_text(entry["text"], encoding="utf-8")
                    continue
                raise SourceError(f"the stamp {entry['path']!r} needs the folder {path.parent.name!r} in the commit")
            if not path.is_file() or path.is_symlink():
                raise SourceError(f"the stamp {entry['path']!r} needs that file in the commit")
            text = path.read_text(encoding="utf-8")
            changed, count = re.subn(entry["find"], entry["text"], text, count=1, flags=re.MULTILINE)
            if count != 1:
                raise SourceError(f"the stamp {entry['path']!r} finds no line like {entry['find']!r}")
            path.write_text(changed, encoding="utf-8")

    def produced(self, pattern: str, *, most: int, most_bytes: int) -> list[Path]:
        """The files in `out` that a step hands over. Names, number and size are bounded; only plain files count."""
        if not stat.S_ISDIR(self.out.lstat().st_mode if self.out.exists() else 0):
            raise ArtefactError("the step took the folder $OUT away")
        found = []
        for path in sorted(self.out.iterdir()):
            if not path.match(pattern):
                continue
            if not _GOOD_NAME.fullmatch(path.name):
                raise ArtefactError(f"an artefact may not be called {path.name!r}")
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise ArtefactError(f"the artefact {path.name!r} is not a plain file of its own")
            if status.st_size > most_bytes:
                raise ArtefactError(f"the artefact {path.name!r} has {status.st_size} bytes; {most_bytes} are allowed")
            found.append(path)
        if len(found) > most:
            raise ArtefactError(f"{len(found)} files match {pattern!r}; {most} are allowed")
        return found
