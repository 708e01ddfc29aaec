"""The house's own pages: the front page, signing in and out, one's account, the audit log, and whether all is well."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, Response, abort, flash, jsonify, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from app import answers, audit, auth, limits, pages, sessions
from app.auth import access, current_user
from app.db import current_db
from app.upgrading import behind

blueprint = Blueprint("house", __name__)
answers.keep_pages(blueprint, "figures", "resolutions", "jobs", only=("house.front",))
nav = [pages.Nav("staff", "Audit log", "house.audit_log", order=90)]


@blueprint.get("/")
@access("public")
def front() -> str:
    """The front page: cards that the slices register."""
    with current_db().read() as db_session:
        answers.may_keep(for_each=True)
        cards = pages.cards(db_session, current_user())
        return render_template("front.html", cards=cards)


@blueprint.get("/style.css")
@access("public")
def style() -> BaseResponse:
    """How every page looks. A browser may keep it: once it changes, pages name another address."""
    answer = Response(pages.style()[0], mimetype="text/css")
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    answer.add_etag()
    return answer.make_conditional(request)


@blueprint.get("/healthz")
@access("public")
def healthz() -> tuple[Response, int]:
    """Whether the portal can reach its database, and that has the tables which this program needs."""
    try:
        lacks = behind(current_db().engine)
    except sa.exc.OperationalError:
        return jsonify(ok=False, database="unreachable"), 503
    if lacks:
        return jsonify(ok=False, database="behind: run flask db upgrade"), 503
    return jsonify(ok=True, database=current_db().dialect), 200


@blueprint.route("/sign-in", methods=["GET", "POST"])
@access("public")
def sign_in() -> str | tuple[str, int] | BaseResponse:
    """How to sign in, and a field for the link."""
    onward = auth.safe_next(request.args.get("next"))
    if current_user().is_signed_in:
        return redirect(onward)
    if request.method != "POST":
        return _sign_in_page(onward, [])
    token = request.form.get("link", "").strip().split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]
    return _redeem(token, onward)


@blueprint.get("/sign-in/<token>")
@access("public")
def sign_in_link(token: str) -> str:
    """Ask for one press of a button, so that a mail program that looks at the link does not use it up."""
    return render_template("sign_in_link.html", token=token, onward=auth.safe_next(request.args.get("next")))


@blueprint.post("/sign-in/<token>")
@access("public")
def use_link(token: str) -> str | tuple[str, int] | BaseResponse:
    """Use a one-time link up and start a session."""
    return _redeem(token, auth.safe_next(request.args.get("next")))


@blueprint.post("/sign-out")
@access("signed-in")
def sign_out() -> BaseResponse:
    """End this browser's session."""
    user, own = current_user(), auth.own_session_id()
    with current_db().write() as db_session:
        sessions.end_session(db_session, str(own), *user.accounts)
    session.clear()
    flash("You are signed out.")
    return redirect(url_for("house.front"))


@blueprint.get("/account")
@access("signed-in")
def account() -> str:
    """One's seats and signed-in browsers."""
    user = current_user()
    with current_db().read() as db_session:
        own = sessions.sessions_of(db_session, *user.accounts)
        cards = pages.filled("account", db_session, user, None)
        return render_template("account.html", sessions=own, own=auth.own_session_id(), cards=cards)


@blueprint.post("/account/sessions/<public_id>/end")
@access("signed-in")
def end_session(public_id: str) -> BaseResponse:
    """End one of one's own sessions."""
    if public_id == auth.own_session_id():
        return sign_out()
    with current_db().write() as db_session:
        if not sessions.end_session(db_session, public_id, *current_user().accounts):
            abort(404)
    flash("That browser is signed out.")
    return redirect(url_for("house.account"))


@blueprint.post("/account/sign-out-everywhere")
@access("signed-in")
def sign_out_everywhere() -> BaseResponse:
    """End all of one's sessions and unused links, and write it down."""
    user = current_user()
    with current_db().write() as db_session:
        ended = sessions.end_sessions(db_session, *user.accounts)
        audit.record(
            db_session,
            actor=user.actor,
            action="account.sign_out_everywhere",
            thing=str(user.person),
            reason="asked by the person",
            data={"sessions": ended},
        )
    session.clear()
    flash("You are signed out everywhere.")
    return redirect(url_for("house.front"))


@blueprint.get("/audit")
@access("public")
def audit_log() -> str:
    """Every decision and every batch of observations, newest first."""
    wanted = {name: request.args.get(name, "").strip() for name in ("action", "thing", "actor")}
    query = sa.select(audit.AuditEntry)
    if wanted["action"]:
        query = query.where(audit.AuditEntry.action.startswith(wanted["action"], autoescape=True))
    if wanted["thing"]:
        query = query.where(audit.AuditEntry.thing == wanted["thing"])
    if wanted["actor"]:
        query = query.where(audit.AuditEntry.actor_id == wanted["actor"])
    with current_db().read() as db_session:
        total = db_session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
        page = pages.Page.from_request(total)
        newest = query.order_by(audit.AuditEntry.number.desc()).offset(page.offset).limit(page.size)
        entries = list(db_session.scalars(newest))
        actors = {entry.actor_id for entry in entries if entry.actor_kind is audit.ActorKind.PERSON}
        found = {actor: auth.current_directory().person_of(db_session, actor) for actor in actors}
        return render_template(
            "audit.html",
            entries=entries,
            page=page,
            wanted=wanted,
            names={actor: person.name for actor, person in found.items() if person and not person.is_hidden},
            head=audit.head(db_session),
        )


def _sign_in_page(onward: str, problems: list[pages.Problem]) -> str:
    with current_db().read() as db_session:
        ways = pages.filled("sign-in", db_session, current_user(), onward)
        return render_template("sign_in.html", onward=onward, problems=problems, ways=ways)


def _redeem(token: str, onward: str) -> tuple[str, int] | BaseResponse:
    db, before = current_db(), auth.own_session_id()
    source = limits.source_of(request.remote_addr)
    with db.write() as db_session:
        allowed = sessions.may_try_again(db_session, source)
        link = sessions.redeem_link(db_session, token) if allowed else None
        user = auth.user_of(db_session, link.person) if link else auth.ANONYMOUS
        if link and user.is_signed_in:
            browser = request.user_agent.string
            if before:
                sessions.drop_session(db_session, before)
            fresh = sessions.start_session(db_session, link.person, link.purpose, agent=browser)
        elif allowed:
            sessions.note_failure(db_session, source)
    if not allowed:
        abort(429, retry_after=sessions.FAILURE_WINDOW.seconds,
              description="Too many links that did not work; wait ten minutes and try again.")  # fmt: skip
    if not user.is_signed_in:
        found = pages.problems([("link", "is used, too old, or not ours; ask an administrator for a fresh one")])
        return _sign_in_page(onward, found), 400
    auth.enter(fresh)
    return redirect(onward)
