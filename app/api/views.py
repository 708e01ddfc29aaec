"""The routes of the API, the page that explains it, and what every answer carries."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from app import answers as kept
from app import pages
from app.api import answers as answers
from app.api.counterparts import counterparts
from app.api.document import document, parameters_of
from app.api.operations import examples, filled, operations, view_of
from app.api.problems import WrongParameters, wrong_parameters
from app.auth import access
from app.db import current_db
from app.settings import current_settings

VERSION = "1.0.0"
PREFIX = "/api/v1"
blueprint = Blueprint("api", __name__)
kept.keep_pages(blueprint, "figures", "resolutions", only=("api.overview",))
blueprint.register_error_handler(WrongParameters, wrong_parameters)
nav = [pages.Nav("users", "API", "api.overview", order=70)]

for _one in operations():
    _path = _one.path.replace("{", "<").replace("}", ">")
    blueprint.add_url_rule(PREFIX + _path, _one.name, view_of(_one))


@blueprint.get("/api/")
@access("public")
def overview() -> str:
    """What can be asked for, from the same document that programs read, with addresses to try."""
    kept.may_share()
    with current_db().read() as session:
        known = examples(session)
    subjects: dict[str, list[dict[str, Any]]] = {}
    for one in operations():
        shown = {"operation": one, "parameters": parameters_of(one), "try": filled(one, known)}
        subjects.setdefault(one.subject, []).append(shown)
    return render_template("api/overview.html", subjects=subjects, prefix=PREFIX, base=current_settings().base_url)


@blueprint.get(f"{PREFIX}/openapi.json")
@access("public")
def openapi() -> BaseResponse:
    """The document by which programs learn what there is."""
    title = f"{current_settings().name}: the portal's API"
    made = document(operations(), title=title, version=VERSION, server=request.url_root.rstrip("/") + PREFIX)
    answer = Response(json.dumps(made), mimetype="application/json")
    answer.headers["Cache-Control"] = "public, no-cache"
    answer.add_etag()
    return answer.make_conditional(request)


@blueprint.app_context_processor
def of_pages() -> dict[str, Any]:
    """For the head of every page: the addresses of what it shows, as JSON."""
    return {"data_addresses": _data_addresses}


def _data_addresses() -> list[str]:
    searched = {"q": request.args["q"]} if request.args.get("q", "").strip() else {}
    return [PREFIX + path for path in counterparts(request.endpoint, {**searched, **(request.view_args or {})})]


@blueprint.after_app_request
def share(response: Response) -> Response:
    """Any page of any site may read what everybody may read; cookies stay out of it, since `*` takes none."""
    if request.path.startswith(f"{PREFIX}/"):
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = "ETag, Link, Retry-After, X-Request-Id, X-Rests-On"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = "If-None-Match"
            response.headers["Access-Control-Max-Age"] = "86400"
    return response
