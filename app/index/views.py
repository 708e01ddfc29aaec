"""The index over HTTP: /simple/ in HTML and JSON, and the files."""

from __future__ import annotations

import hashlib

from flask import Blueprint, Response, abort, redirect, request, send_file
from werkzeug.wrappers import Response as BaseResponse

from app.auth import access
from app.db import current_db
from app.index import queries, rules
from app.index.models import ProjectFile
from app.index.upstream import machine_upstream
from app.settings import current_settings
from app.store import Store

blueprint = Blueprint("index", __name__)


@blueprint.get("/simple/")
@access("public")
def simple_index() -> BaseResponse:
    """The foundation's projects."""
    kind = _wanted()
    with current_db().read() as session:
        return _page(rules.index_page(queries.names(session), kind), kind)


@blueprint.get("/simple/<name>/")
@access("public")
def simple_project(name: str) -> BaseResponse:
    """One project's files if the project is ours; any other name is sent to the machine's own index."""
    if not rules.is_name(name):
        abort(404, description=f"{name!r} cannot be the name of a project.")
    plain = rules.normalized(name)
    if plain != name:
        return redirect(f"/simple/{plain}/", 301)
    with current_db().read() as session:
        project = queries.project(session, plain)
        is_ours = queries.is_ours(session, plain)
        files = [_told(file) for file in queries.files(session, project.id)] if project else []
    if not is_ours:
        settings = current_settings()
        upstream = settings.upstream_index or machine_upstream()
        address = rules.upstream_address(upstream, plain, own=request.host_url)
        if address is None:
            abort(404, description=f"{plain} is not a project of this index, and no other index is set to ask.")
        return redirect(address, 302)
    kind = _wanted()
    return _page(rules.project_page(plain, files, kind), kind)


@blueprint.get("/files/<sha256>/<filename>")
@access("public")
def file(sha256: str, filename: str) -> BaseResponse:
    """A published file, or with `.metadata` at the end a wheel's own METADATA (PEP 658). It never changes."""
    wants_metadata = filename.endswith(".whl.metadata")
    with current_db().read() as session:
        found = queries.file_of(session, filename.removesuffix(".metadata") if wants_metadata else filename)
    if found is None or found.sha256 != sha256:
        abort(404, description=f"No file {filename} with that hash was published here.")
    kept = found.metadata_sha256 if wants_metadata else found.sha256
    assert kept is not None  # noqa: S101 - every wheel has metadata
    path = Store(current_settings().folder("artefacts")).path(kept)
    kind = "text/plain; charset=utf-8" if wants_metadata else "application/octet-stream"
    response = send_file(path, mimetype=kind, etag=kept, last_modified=found.uploaded_at, conditional=True)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def _wanted() -> rules.Format:
    kind = rules.chosen_format(request.headers.get("Accept", ""))
    if kind is None:
        abort(406, description="This index speaks " + ", ".join(known.value for known in rules.Format) + ".")
    return kind


def _page(text: str, kind: rules.Format) -> BaseResponse:
    response = Response(text, content_type=kind.value + ("" if kind is rules.Format.JSON else "; charset=utf-8"))
    response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
    response.headers["Vary"] = "Accept"
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)


def _told(file: ProjectFile) -> rules.File:
    return rules.File(
        filename=file.filename, url=f"/files/{file.sha256}/{file.filename}", sha256=file.sha256,
        size_bytes=file.size_bytes, uploaded_at=file.uploaded_at, version=file.version,
        requires_python=file.requires_python, metadata_sha256=file.metadata_sha256, yanked_reason=file.yanked_reason,
    )  # fmt: skip
