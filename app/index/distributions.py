"""Look into a wheel or source distribution as if a stranger had made it: bounded, and believed in nothing."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Self

from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

MOST_FILES = 20_000
MOST_BYTES_UNPACKED = 4 << 30
MOST_METADATA_BYTES = 1 << 20
_BLOCK = 1 << 20
_EXTENSIONS = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
                         tarfile.GNUTYPE_LONGLINK})  # fmt: skip
# All that the readers of archives raise over spoiled or unheard-of contents.
_UNREADABLE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, csv.Error, EOFError, OSError,
               ValueError, NotImplementedError, RuntimeError)  # fmt: skip


class BadDistributionError(Exception):
    """A file that may not be published, with every problem found."""

    def __init__(self, filename: str, problems: list[str]) -> None:
        self.filename, self.problems = filename, problems
        super().__init__(f"{filename} cannot be published: " + "; ".join(problems))


@dataclass(frozen=True)
class Distribution:
    """What a sound wheel or source distribution says about itself."""

    kind: str
    name: str
    version: str
    requires_python: str | None
    metadata: bytes
    summary: str


def inspect(path: Path, filename: str) -> Distribution:
    """Read a distribution's own metadata, after checking that the file is what its name says.

    Raises: BadDistributionError with every problem.
    """
    if filename != PurePosixPath(filename).name or not filename.isascii() or not filename.isprintable():
        raise BadDistributionError(repr(filename), ["its name is not a plain file name"])
    try:
        if filename.endswith(".whl"):
            return _inspect_wheel(path, filename)
        if filename.endswith(".tar.gz"):
            return _inspect_sdist(path, filename)
    except _UNREADABLE as error:
        raise BadDistributionError(filename, [f"it cannot be read: {error}"]) from error
    raise BadDistributionError(filename, ["only wheels (.whl) and source distributions (.tar.gz) are published"])


def _inspect_wheel(path: Path, filename: str) -> Distribution:
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise BadDistributionError(filename, [str(error)]) from error
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        problems = _zip_problems(infos)
        if problems:
            raise BadDistributionError(filename, problems)
        folder = _dist_info(infos, name, version, filename)
        metadata = _read_member(archive, f"{folder}/METADATA", filename)
        wheel = _read_member(archive, f"{folder}/WHEEL", filename).decode("utf-8")
        told = [line.partition(":")[2].strip() for line in wheel.splitlines() if line.startswith("Tag:")]
        if frozenset().union(*(parse_tag(tag) for tag in told)) != tags:
            problems.append(f"its WHEEL file tells other tags ({', '.join(told)}) than its name")
        problems += _record_problems(archive, folder, filename)
    return _distribution("wheel", metadata, name, version, problems, filename)


def _zip_problems(infos: list[zipfile.ZipInfo]) -> list[str]:
    problems = []
    if len(infos) > MOST_FILES:
        problems.append(f"it holds {len(infos)} files; {MOST_FILES} are allowed")
    total = sum(info.file_size for info in infos)
    if total > MOST_BYTES_UNPACKED:
        problems.append(f"it unpacks to {total} bytes; {MOST_BYTES_UNPACKED} are allowed")
    seen: set[str] = set()
    for info in infos:
        trouble = _path_problem(info.filename)
        if not trouble and info.filename.casefold() in seen:
            trouble = "is there twice"
        elif info.flag_bits & 1:
            trouble = "is encrypted"
        elif info.external_attr >> 16 and stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG, stat.S_IFDIR}:
            trouble = "is not a plain file"
        if trouble:
            problems.append(f"the member {info.filename!r} {trouble}")
        seen.add(info.filename.casefold())
        if len(problems) > 20:
            break
    return problems


def _path_problem(name: str) -> str:
    parts = name.rstrip("/").split("/")
    if name.startswith("/") or "\\" in name or ":" in parts[0] or not name.isprintable():
        return "has a path that is not plain"
    if any(part in {"", ".", ".."} for part in parts):
        return "has a path that leaves the archive"
    return ""


def _dist_info(infos: list[zipfile.ZipInfo], name: str, version: Version, filename: str) -> str:
    folders = {info.filename.split("/", 1)[0] for info in infos if ".dist-info/" in info.filename}
    folders = {folder for folder in folders if folder.endswith(".dist-info")}
    if len(folders) != 1:
        raise BadDistributionError(filename, [f"it has {len(folders)} .dist-info folders; one is needed"])
    folder = folders.pop()
    told_name, _, told_version = folder.removesuffix(".dist-info").rpartition("-")
    if canonicalize_name(told_name) != name or Version(told_version) != version:
        raise BadDistributionError(filename, [f"its folder {folder} is of another project or version"])
    return folder


def _read_member(archive: zipfile.ZipFile, member: str, filename: str) -> bytes:
    try:
        with archive.open(member) as file:
            data = file.read(MOST_METADATA_BYTES + 1)
    except KeyError as error:
        raise BadDistributionError(filename, [f"it has no {member}"]) from error
    if len(data) > MOST_METADATA_BYTES:
        raise BadDistributionError(filename, [f"its {member} is larger than {MOST_METADATA_BYTES} bytes"])
    return data


def _record_problems(archive: zipfile.ZipFile, folder: str, filename: str) -> list[str]:
    """Every member is listed in RECORD with its hash. Contents are read in blocks and never kept."""
    rows = csv.reader(io.StringIO(_read_member(archive, f"{folder}/RECORD", filename).decode("utf-8")))
    listed = {row[0]: row[1] for row in rows if len(row) == 3}
    free = {f"{folder}/RECORD", f"{folder}/RECORD.jws", f"{folder}/RECORD.p7s"}
    problems = []
    read = 0
    for info in archive.infolist():
        if info.is_dir() or info.filename in free:
            continue
        if info.filename not in listed:
            problems.append(f"{info.filename!r} is not in its RECORD")
            continue
        algorithm, _, wanted = listed.pop(info.filename).partition("=")
        if algorithm not in {"sha256", "sha384", "sha512"}:
            problems.append(f"{info.filename!r} has no strong hash in its RECORD")
            continue
        digest = hashlib.new(algorithm)
        with archive.open(info) as file:
            while block := file.read(_BLOCK):
                read += len(block)
                if read > MOST_BYTES_UNPACKED:
                    return [*problems, f"it unpacks to more than {MOST_BYTES_UNPACKED} bytes"]
                digest.update(block)
        if base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode() != wanted:
            problems.append(f"{info.filename!r} is not what its RECORD says")
    problems += [f"its RECORD lists {name!r}, which is not there" for name in sorted(set(listed) - free)]
    return problems[:20]


def _inspect_sdist(path: Path, filename: str) -> Distribution:
    try:
        name, version = parse_sdist_filename(filename)
    except InvalidSdistFilename as error:
        raise BadDistributionError(filename, [str(error)]) from error
    top = filename.removesuffix(".tar.gz")
    metadata, problems = b"", []
    with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) as unpacked:
        for member, content in _members(_Bounded(unpacked)):
            trouble = _path_problem(member.name)
            if not trouble and member.name.split("/", 1)[0] != top:
                trouble = f"lies outside {top}/"
            elif member.issym() or member.islnk():
                trouble = _link_problem(member)
            elif not (member.isfile() or member.isdir()):
                trouble = "is neither file, folder nor link"
            if trouble:
                problems.append(f"the member {member.name!r} {trouble}")
            if member.name == f"{top}/PKG-INFO" and member.isfile() and content is not None:
                metadata = content.read(MOST_METADATA_BYTES)
            if len(problems) > 20:
                break
    if not metadata:
        problems.append(f"it has no {top}/PKG-INFO")
    return _distribution("sdist", metadata, name, version, problems, filename)


def _members(file: _Bounded) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    with tarfile.open(fileobj=file, mode="r|", tarinfo=_Header) as tar:
        for number, member in enumerate(tar):
            if number >= MOST_FILES:
                raise ValueError(f"it holds more than {MOST_FILES} files")
            yield member, tar.extractfile(member) if member.isfile() else None


def _link_problem(member: tarfile.TarInfo) -> str:
    depth = len(member.name.split("/")) - 2 if member.issym() else -1
    for part in member.linkname.split("/"):
        depth += -1 if part == ".." else 0 if part in {"", "."} else 1
        if depth < 0:
            return "is a link that leaves the archive"
    return "is a link that leaves the archive" if member.linkname.startswith("/") else ""


class _Header(tarfile.TarInfo):
    """A header whose extension (a long name, pax records) is small; tarfile reads those into memory whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.size > MOST_METADATA_BYTES and header.type in _EXTENSIONS:
            raise ValueError(f"the header of a member is larger than {MOST_METADATA_BYTES} bytes")
        return header


class _Bounded(io.RawIOBase):
    """An unpacked stream that refuses to grow beyond measure."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file, self._left = file, MOST_BYTES_UNPACKED

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, _BLOCK) if size >= 0 else _BLOCK)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {MOST_BYTES_UNPACKED} bytes")
        return data


def _distribution(
    kind: str, metadata: bytes, name: str, version: Version, problems: list[str], filename: str
) -> Distribution:
    if metadata:
        try:
            told = Metadata.from_email(metadata, validate=True)
        except (ExceptionGroup, ValueError) as error:
            causes = error.exceptions if isinstance(error, ExceptionGroup) else [error]
            problems += [f"its metadata is not valid: {cause}" for cause in causes]
        else:
            if canonicalize_name(told.name) != name:
                problems.append(f"its metadata names {told.name!r}, its file name {name!r}")
            if told.version != version:
                problems.append(f"its metadata says version {told.version}, its file name {version}")
            if not problems:
                needs = told.requires_python
                return Distribution(
                    kind, name, str(version), _text(needs), metadata, told.summary or "",
                )  # fmt: skip
    raise BadDistributionError(filename, problems or ["it has no metadata"])


def _text(needs: SpecifierSet | None) -> str | None:
    return str(needs) if needs is not None and str(needs) else None
