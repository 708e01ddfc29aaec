"""Pages of the jobs: what is being done, how far it is, what it wrote; administrators stop or restart it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import audit, auth, pages, parameters
from app.auth import User, access, current_user, permission
from app.db import current_db, database_now
from app.jobs import queries
from app.jobs.tables import Job, JobState
from app.jobs.workflows import cancel, job_by_public_id, retry

blueprint = Blueprint("jobs", __name__, url_prefix="/jobs")
nav = [pages.Nav("staff", "Jobs", "jobs.overview", order=85)]

permission("jobs.operate")(auth.administrators_only)


@pages.card(order=80)
def jobs_card(session: Session, _user: User) -> pages.Card | None:
    """What is being done now; nothing when all is still."""
    found = queries.under_way(session)
    if not found:
        return None
    values = {"jobs": found, "title_of": queries.title_of}
    return pages.Card("Work under way", "jobs/_card.html", values, url=url_for("jobs.overview"))


@blueprint.get("/")
@access("public")
def overview() -> str:
    """All jobs, those under way first."""
    wanted = parameters.choice("state", [one.value for one in JobState])
    state = JobState(wanted) if wanted else None
    scheduled = parameters.choice("scheduled", ["yes"]) == "yes"
    with current_db().read() as session:
        page = pages.Page.from_request(queries.count(session, state=state, scheduled=scheduled))
        found = queries.newest(session, state=state, scheduled=scheduled, offset=page.offset, limit=page.size)
        return render_template(
            "jobs/overview.html",
            jobs=found,
            page=page,
            states=[("", "any"), *((one.value, one.value.replace("_", " ")) for one in JobState)],
            state=wanted,
            scheduled=scheduled,
            title_of=queries.title_of,
        )


@blueprint.get("/<public_id>")
@access("public")
def show(public_id: str) -> str:
    """One job: steps with times, progress, log; the page looks again by itself while the job is under way."""
    with current_db().read() as session:
        return render_template("jobs/job.html", **_job_page(session, _found(session, public_id)))


@blueprint.post("/<public_id>/cancel")
@access("jobs.operate")
def stop(public_id: str) -> Response | tuple[str, int]:
    """Stop a job, with a reason."""
    return _decide(public_id, "jobs.cancel", "The job is being stopped.", "it is over already")


@blueprint.post("/<public_id>/retry")
@access("jobs.operate")
def again(public_id: str) -> Response | tuple[str, int]:
    """Start a stopped job again where it stopped, with a reason."""
    return _decide(public_id, "jobs.retry", "The job goes on where it stopped.", "it has not stopped")


def _decide(public_id: str, action: str, said: str, refused: str) -> Response | tuple[str, int]:
    reason = request.form.get("reason", "").strip()
    user = current_user()
    with current_db().write() as session:
        job = _found(session, public_id)
        problems = [] if reason else pages.problems([("reason", "is missing; say in a sentence why")])
        if not problems:
            done = cancel(session, job, user.actor, reason) if action == "jobs.cancel" else retry(session, job)
            if done:
                audit.record(session, actor=user.actor, action=action, thing=job.public_id, reason=reason)
            else:
                problems = pages.problems([("reason", f"cannot be acted on: {refused} ({job.state.value})")])
        if problems:
            return render_template("jobs/job.html", **_job_page(session, job), problems=problems), 400
    flash(said)
    return redirect(url_for("jobs.show", public_id=public_id))


def _job_page(session: Session, job: Job) -> dict[str, Any]:
    return {
        "job": job,
        "title": queries.title_of(job),
        "steps": queries.step_lines(session, job, database_now(session)),
        "log": queries.log_of(session, job) if current_user().is_signed_in else None,
        "live": not job.state.is_finished,
    }


def _found(session: Session, public_id: str) -> Job:
    job = job_by_public_id(session, public_id)
    if job is None:
        abort(404)
    return job
