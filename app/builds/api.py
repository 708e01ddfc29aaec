"""What runners speak over HTTP. Each route knows its caller by a bearer token: a runner's own, or one job's."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, jsonify, request, send_file
from werkzeug.wrappers import Response as BaseResponse

from app.auth import Decision, access, guard
from app.builds import queries
from app.builds.models import RunnerLease, RunnerRow
from app.builds.remote import Desk, Refused
from app.db import current_db
from app.jobs import LeaseLost
from app.settings import current_settings
from app.store import blocks_of

blueprint = Blueprint("runners", __name__, url_prefix="/api/runner/v1")
MOST_LOG_BYTES = 1 << 20
MOST_ARTEFACT_BYTES = 64 << 30


@guard("runner")
def _is_runner() -> Decision:
    token = _bearer()
    with current_db().read() as session:
        found = queries.runner_by_token(session, token) if token else None
    if found is None:
        return Decision(False, "no runner of this portal has that token; `flask runner add` registers one")
    g.runner = found
    return Decision(True, "a registered runner")


@guard("runner-job")
def _is_runner_with_job() -> Decision:
    token, job = _bearer(), (request.view_args or {}).get("job")
    with current_db().read() as session:
        found = session.scalar(sa.select(RunnerLease).where(RunnerLease.token_sha256 == queries.token_hash(token)))
    if not token or found is None or found.job.public_id != job or found.runner.revoked_at is not None:
        return Decision(False, "that token does not open this job")
    g.held = found
    return Decision(True, "the runner that holds this job")


@blueprint.errorhandler(LeaseLost)
def _lost(error: LeaseLost) -> tuple[BaseResponse, int]:
    return jsonify(detail=str(error)), 409


@blueprint.errorhandler(Refused)
def _refused(error: Refused) -> tuple[BaseResponse, int]:
    return jsonify(detail=str(error)), 422


@blueprint.post("/lease")
@access("runner")
def lease() -> tuple[BaseResponse, int] | tuple[str, int]:
    """A job with its one-job token, or 204."""
    runner: RunnerRow = g.runner
    found = _desk().lease(runner, isolation=str(_json().get("isolation", "")))
    return ("", 204) if found is None else (jsonify(found), 200)


@blueprint.post("/jobs/<job>/heartbeat")
@access("runner-job")
def heartbeat(job: str) -> BaseResponse:
    """Prolong the lease, say how far it is, learn whether to stop."""
    told = _json()
    share = told.get("progress", 0)
    share = float(share) if isinstance(share, int | float) and not isinstance(share, bool) else 0.0
    return jsonify(cancel=_desk().heartbeat(_held(), share=share, text=str(told.get("text", ""))))


@blueprint.put("/jobs/<job>/log")
@access("runner-job")
def log(job: str) -> BaseResponse:
    """A piece of the log from `offset` on; a piece that is there already is not written twice."""
    offset = request.args.get("offset", -1, type=int)
    data = request.get_data()
    if offset < 0 or len(data) > MOST_LOG_BYTES:
        abort(422, description=f"a piece of log needs an offset and at most {MOST_LOG_BYTES} bytes")
    following, full = _desk().write_log(_held(), offset, data)
    return jsonify(next=following, full=full)


@blueprint.get("/jobs/<job>/source")
@access("runner-job")
def source(job: str) -> BaseResponse:
    """The commit's files as tar.gz."""
    return send_file(_desk().source(_held()), mimetype="application/gzip")


@blueprint.get("/jobs/<job>/artefacts/<sha256>")
@access("runner-job")
def artefact(job: str, sha256: str) -> BaseResponse:
    """What an earlier step of this job handed over."""
    return send_file(_desk().artefact(_held(), sha256), mimetype="application/octet-stream")


@blueprint.put("/jobs/<job>/artefacts")
@access("runner-job")
def take(job: str) -> BaseResponse:
    """A file that the step in hand made."""
    # The recipe bounds each file and the store counts what comes; the bound on forms is for people's forms.
    request.max_content_length = MOST_ARTEFACT_BYTES
    filename, kind = request.args.get("filename", ""), request.args.get("kind", "")
    return jsonify(_desk().take(_held(), filename, kind, blocks_of(request.stream)))


@blueprint.post("/jobs/<job>/steps/<name>")
@access("runner-job")
def record_step(job: str, name: str) -> BaseResponse:
    """A step is done."""
    _desk().record_step(_held(), name, _json())
    return jsonify(recorded=name)


@blueprint.post("/jobs/<job>/finish")
@access("runner-job")
def finish(job: str) -> BaseResponse:
    """The runner's last word about the job."""
    told = _json()
    _desk().finish(_held(), str(told.get("failed", "")), isolation=str(told.get("isolation", "")))
    return jsonify(ended=job)


def _desk() -> Desk:
    return Desk(current_db(), current_settings())


def _held() -> RunnerLease:
    held: RunnerLease = g.held
    return held


def _bearer() -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _json() -> dict[str, Any]:
    value = request.get_json(silent=True)
    if not isinstance(value, dict):
        abort(422, description="this needs a JSON object")
    return value
