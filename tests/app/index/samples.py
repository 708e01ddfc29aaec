"""Wheels and source distributions made by hand, sound or spoiled in one way."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path


def metadata(name: str = "flambeau", version: str = "0.1.0", requires: str = ">=3.9") -> str:
    return (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: A sample\nRequires-Python: {requires}\n\n"
    )


def wheel(
    folder: Path,
    *,
    name: str = "flambeau",
    version: str = "0.1.0",
    told: str | None = None,
    files: dict[str, bytes] | None = None,
    unlisted: dict[str, bytes] | None = None,
    tag: str = "py3-none-any",
    told_tag: str | None = None,
    filename: str | None = None,
) -> Path:
    """A wheel; `told` replaces its METADATA, `unlisted` are members that RECORD does not have."""
    info = f"{name}-{version}.dist-info"
    members = {f"{name}.py": b"answer = 42\n", **(files or {})}
    members[f"{info}/METADATA"] = (told if told is not None else metadata(name, version)).encode()
    members[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {told_tag or tag}\n".encode()
    record = "".join(f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in members.items())
    members[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    path = folder / (filename or f"{name}-{version}-{tag}.whl")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in {**members, **(unlisted or {})}.items():
            archive.writestr(zipfile.ZipInfo(member, (2026, 1, 1, 0, 0, 0)), data)
    return path


def sdist(
    folder: Path,
    *,
    name: str = "flambeau",
    version: str = "0.1.0",
    members: list[tarfile.TarInfo] | None = None,
    told: str | None = None,
) -> Path:
    """A source distribution, with further members as given."""
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        data = (told if told is not None else metadata(name, version)).encode()
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
        for member in members or []:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
