"""Figures to take away, and what each of them counts."""

from __future__ import annotations

from flask import Response, abort, jsonify, render_template, request

from app import answers
from app.auth import access
from app.clock import current_clock
from app.contributions.figures import read_figure
from app.contributions.metrics import METRICS
from app.contributions.views.foundation import addressed, blueprint
from app.db import current_db


@blueprint.get("/figures/<key>.<kind>")
@access("public")
def figure(key: str, kind: str) -> Response:
    """A figure's rows as CSV or, with definition and as-of, as JSON; scope and window as on the page."""
    if kind not in ("csv", "json"):
        abort(404, description="Figures are there as .csv or .json.")
    with current_db().read() as session, addressed():
        found = read_figure(session, key, request.args, now=current_clock().now())
    if kind == "json":
        return jsonify(found.as_json())
    name = f"{key}-{found.window.since}-{found.window.until}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if found.grounds is not None:
        headers["X-Rests-On"] = found.grounds.text
    return Response(found.as_csv(), mimetype="text/csv", headers=headers)


@blueprint.get("/definitions")
@access("public")
def definitions() -> str:
    """What each figure counts."""
    answers.may_share()
    return render_template("contributions/definitions.html", metrics=METRICS.values())
