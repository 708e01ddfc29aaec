"""Pages of builds: the grid of commits by hardware targets, one build with its live log, and the runners."""

from __future__ import annotations

import re

import sqlalchemy as sa
from flask import Blueprint, Response, abort, flash, jsonify, redirect, render_template, request, send_file, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from app import audit, forms, parameters
from app.auth import Decision, User, access, can, current_user, permission
from app.builds import api, queries
from app.builds.forms import AskForm
from app.builds.grid import grid
from app.builds.models import Build
from app.builds.report import build_report
from app.builds.targets import with_wheels
from app.checks import Problem, RefusedError
from app.contributions.clones import GitError
from app.contributions.models import Repository
from app.contributions.registry import repository_named
from app.db import current_db
from app.governance.queries import current
from app.governance_files import GovernanceError, Target
from app.governance_files.recipe import STEPS
from app.jobs import cancel
from app.pages import Nav
from app.settings import current_settings
from app.store import Store

blueprint = Blueprint("builds", __name__)
blueprint.register_blueprint(api.blueprint)
nav = [Nav("maintainers", "Builds", "builds.overview", 30), Nav("users", "Hardware", "builds.overview", 60)]
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f]")
LOG_PAGE_BYTES = 200_000


@permission("builds.request")
def _may_request(user: User, _thing: object = None) -> Decision:
    allowed = user.is_administrator or user.holds("maintainer")
    return Decision(allowed, "maintainers and administrators may" if allowed else "only maintainers may ask for builds")


@blueprint.get("/builds")
@access("public")
def overview() -> str:
    """Commits by hardware targets."""
    return _overview([])


def _overview(problems: list[Problem]) -> str:
    settings = current_settings()
    with current_db().read() as session:
        repositories = session.scalars(
            sa.select(Repository)
            .where(Repository.is_foundation, Repository.id.in_(sa.select(Build.repository_id)))
            .order_by(Repository.id)
        ).all()
        listed = _targets(session)
        grids = [(one, grid(session, settings, one, listed)) for one in repositories]
        return render_template(
            "builds/overview.html", grids=[(one, rows) for one, rows in grids if rows], targets=listed,
            runners=queries.runners(session), may_request=can(current_user(), "builds.request").allowed,
            problems=problems, asked=request.form.get("repository"),
        )  # fmt: skip


@blueprint.get("/builds/<public_id>")
@access("public")
def one(public_id: str) -> str:
    """One build: its steps, live log, artefacts and evidence."""
    settings = current_settings()
    with current_db().read() as session:
        build = _build(session, public_id)
        done = queries.steps_done(session, build.job_id)
        data, following = queries.read_log(settings, build.job, offset=_start_of_tail(build))
        return render_template(
            "builds/one.html", build=build, job=build.job, steps=[(name, done.get(name)) for name in STEPS],
            log=_readable(data), log_next=following, is_cut=_start_of_tail(build) > 0,
            may_request=can(current_user(), "builds.request").allowed, repository=_repository(session, build),
        )  # fmt: skip


@blueprint.get("/builds/<public_id>/log")
@access("public")
def log(public_id: str) -> Response:
    """The log as text from `offset` on; `Log-Next` says where it goes on and `Build-State` where the build stands."""
    with current_db().read() as session:
        build = _build(session, public_id)
        offset = parameters.number("offset", default=0, least=0)
        data, following = queries.read_log(current_settings(), build.job, offset=offset)
    answer = Response(_readable(data), content_type="text/plain; charset=utf-8")
    answer.headers["Log-Next"] = str(max(following, offset))
    answer.headers["Build-State"] = build.job.state.value
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/builds/<public_id>/report.json")
@access("public")
def report(public_id: str) -> BaseResponse:
    """The build report, as docs/formats/build-report-1.schema.json says."""
    with current_db().read() as session:
        return jsonify(build_report(session, _build(session, public_id)))


@blueprint.get("/builds/<public_id>/artefacts/<filename>")
@access("public")
def artefact(public_id: str, filename: str) -> BaseResponse:
    """A file that a build handed over; the portal never runs or renders it."""
    with current_db().read() as session:
        found = queries.artefact(session, _build(session, public_id).id, filename)
    if found is None:
        abort(404)
    path = Store(current_settings().folder("artefacts")).path(found.sha256)
    return send_file(path, mimetype="application/octet-stream", as_attachment=True, download_name=found.filename,
                     etag=found.sha256)  # fmt: skip


@blueprint.post("/builds")
@access("builds.request")
def ask() -> tuple[str, int] | BaseResponse:
    """Ask for the builds of a commit or branch, for every target with a wheel."""
    settings = current_settings()

    def request_them(session: Session, actor: audit.Actor, repository: Repository, commit: str) -> Build:
        try:
            planned = queries.plan(settings, session, repository, commit)
        except GitError as error:
            text = f"names nothing to build: {error}; give a branch's name, or a commit's full hash"
            raise RefusedError([("commit", text)]) from None
        made = [
            queries.request_build(session, planned, current(session).recipe, target=target.key, actor=actor,
                                  is_local=settings.is_local)
            for target in with_wheels(current(session).targets)
        ]  # fmt: skip
        if not made:
            raise RefusedError([("commit", "has nothing to build: no hardware target has a wheel of its own")])
        audit.record(session, actor=actor, action="builds.request", thing=repository.public_id,
                     reason="", data={"commit": planned.commit, "builds": [one.public_id for one in made]})  # fmt: skip
        return made[0]

    sent = forms.send(
        AskForm,
        request_them,
        given=lambda _session: {},
        finders={"repository": repository_named},
        done=lambda _session, made: (url_for(".one", public_id=made.public_id), "The builds are asked for."),
    )
    return sent if isinstance(sent, BaseResponse) else (_overview(sent), 422)


@blueprint.post("/builds/<public_id>/cancel")
@access("builds.request")
def stop(public_id: str) -> BaseResponse:
    """Cancel a build that waits or runs."""
    user, reason = current_user(), request.form.get("reason", "").strip()
    with current_db().write() as session:
        build = _build(session, public_id)
        if cancel(session, build.job, user.actor, reason or "no longer wanted"):
            audit.record(session, actor=user.actor, action="builds.cancel", thing=public_id, reason=reason)
        else:
            flash("This build had ended already.", "refused")
    return redirect(url_for(".one", public_id=public_id))


@blueprint.post("/builds/<public_id>/retry")
@access("builds.request")
def again(public_id: str) -> BaseResponse:
    """Let a build go on from the step where it stopped."""
    with current_db().write() as session:
        build = _build(session, public_id)
        reason = request.form.get("reason", "").strip()
        if not queries.build_again(session, build, actor=current_user().actor, reason=reason):
            flash("Only a build that failed or was cancelled can be tried again.", "refused")
    return redirect(url_for(".one", public_id=public_id))


def _targets(session: Session) -> tuple[Target, ...]:
    """The hardware targets; none as long as governance/ was never synced."""
    try:
        return current(session).targets
    except GovernanceError:
        return ()


def _build(session: Session, public_id: str) -> Build:
    found = queries.build_by_public_id(session, public_id)
    if found is None:
        abort(404)
    return found


def _repository(session: Session, build: Build) -> Repository:
    return session.get_one(Repository, build.repository_id)


def _start_of_tail(build: Build) -> int:
    path = queries.log_file(current_settings(), build.job.public_id, build.job.fence)
    return max(0, path.stat().st_size - LOG_PAGE_BYTES) if path.exists() and build.job.state.is_finished else 0


def _readable(data: bytes) -> str:
    """Text without terminal escapes; templates escape the rest."""
    return _ESCAPES.sub("", data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n"))
