"""What the index answers with: names, content types and the two spellings of a project's page, without web or table."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from html import escape
from urllib.parse import quote, urlsplit, urlunsplit

_NAME = re.compile(r"([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9])")
API_VERSION = "1.1"


class Format(Enum):
    """How a client wants the simple pages."""

    JSON = "application/vnd.pypi.simple.v1+json"
    HTML = "application/vnd.pypi.simple.v1+html"
    LEGACY_HTML = "text/html"


@dataclass(frozen=True)
class File:
    """A published file, as the pages tell it."""

    filename: str
    url: str
    sha256: str
    size_bytes: int
    uploaded_at: datetime
    version: str
    requires_python: str | None
    metadata_sha256: str | None
    yanked_reason: str | None


def normalized(name: str) -> str:
    """A project's name as every tool compares it (PEP 503).

    >>> normalized("Flambeau_Webgpu.Extra")
    'flambeau-webgpu-extra'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def is_name(text: str) -> bool:
    """Whether this could be a project's name at all."""
    return len(text) <= 200 and _NAME.fullmatch(text) is not None


def chosen_format(accept: str) -> Format | None:
    """The best format that an Accept header allows, None if there is none (PEP 691).

    >>> chosen_format("application/vnd.pypi.simple.v1+json, text/html; q=0.01").name
    'JSON'
    >>> chosen_format("*/*").name, chosen_format("image/png")
    ('LEGACY_HTML', None)
    """
    if not accept.strip():
        return Format.LEGACY_HTML
    kinds = {kind.value: kind for kind in Format}
    kinds["application/vnd.pypi.simple.latest+json"] = Format.JSON
    kinds["application/vnd.pypi.simple.latest+html"] = Format.HTML
    kinds["text/*"] = kinds["*/*"] = Format.LEGACY_HTML
    kinds["application/*"] = Format.JSON
    best: tuple[float, int, Format] | None = None
    for place, part in enumerate(accept.split(",")):
        text, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        kind = kinds.get(text.lower())
        if kind and quality > 0 and (best is None or (quality, -place) > best[:2]):
            best = (quality, -place, kind)
    return best[2] if best else None


def index_page(names: Sequence[str], kind: Format) -> str:
    """The list of the foundation's projects."""
    if kind is Format.JSON:
        return _json({"meta": {"api-version": API_VERSION}, "projects": [{"name": name} for name in names]})
    return _html("Projects", [f'<a href="{quote(name)}/">{escape(name)}</a>' for name in names])


def project_page(name: str, files: Sequence[File], kind: Format) -> str:
    """One project's files, in the order given."""
    if kind is Format.JSON:
        versions = list(dict.fromkeys(file.version for file in files))
        listed = [_file_as_json(file) for file in files]
        return _json({"meta": {"api-version": API_VERSION}, "name": name, "versions": versions, "files": listed})
    return _html(f"Files of {name}", [_file_as_html(file) for file in files])


def upstream_address(upstream: str | None, name: str, *, own: str) -> str | None:
    """Where another index tells of a project that is not ours; None if there is no such index, or it is ourselves.

    A name and password in the upstream's address stay here: clients would otherwise learn them.
    >>> upstream_address("https://user:secret@index.example/simple/", "numpy", own="http://127.0.0.1:8000")
    'https://index.example/simple/numpy/'
    """
    if not upstream:
        return None
    parts, us = urlsplit(upstream), urlsplit(own)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    if (parts.hostname, parts.port) == (us.hostname, us.port):
        return None
    host = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
    place = f"{host}:{parts.port}" if parts.port else host
    return urlunsplit((parts.scheme, place, f"{parts.path.rstrip('/')}/{quote(name)}/", "", ""))


def _file_as_json(file: File) -> dict[str, object]:
    metadata: object = {"sha256": file.metadata_sha256} if file.metadata_sha256 else False
    value: dict[str, object] = {
        "filename": file.filename, "url": file.url, "hashes": {"sha256": file.sha256}, "size": file.size_bytes,
        "upload-time": file.uploaded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "core-metadata": metadata,
        # Never under its older name "dist-info-metadata" too: pip 23.0, which is Debian 12's, breaks on it (PEP 714).
        "yanked": False if file.yanked_reason is None else file.yanked_reason or True,
    }  # fmt: skip
    if file.requires_python:
        value["requires-python"] = file.requires_python
    return value


def _file_as_html(file: File) -> str:
    attributes = {"href": f"{file.url}#sha256={file.sha256}"}
    if file.requires_python:
        attributes["data-requires-python"] = file.requires_python
    if file.metadata_sha256:
        attributes["data-core-metadata"] = attributes["data-dist-info-metadata"] = f"sha256={file.metadata_sha256}"
    if file.yanked_reason is not None:
        attributes["data-yanked"] = file.yanked_reason
    text = " ".join(f'{key}="{escape(value)}"' for key, value in attributes.items())
    return f"<a {text}>{escape(file.filename)}</a>"


def _html(title: str, lines: Sequence[str]) -> str:
    body = "\n".join(f"<p>{line}</p>" for line in lines)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<meta name="pypi:repository-version" content="{API_VERSION}"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"></head>\n'
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
