"""Pages of releases: all of them, and one with its gates, evidence, decisions and how to install it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, flash, jsonify, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from app import forms
from app.audit import Actor
from app.auth import Decision, User, access, can, current_user, permission
from app.builds.forms import AskForm
from app.checks import Checked, Problem
from app.contributions.clones import GitError
from app.contributions.models import Repository
from app.contributions.registry import repository_named
from app.db import clock_of, current_db
from app.index.upstream import machine_upstream
from app.pages import Card, Nav, card
from app.people.models import Person
from app.releases import queries
from app.releases.forms import ReasonForm
from app.releases.models import Release
from app.settings import current_settings

blueprint = Blueprint("releases", __name__)
nav = [Nav("users", "Releases", "releases.overview", 10), Nav("maintainers", "Releases", "releases.overview", 40)]
LOCAL_NOTICE = "Local, reviewed by nobody: this machine builds and signs it alone."


@permission("releases.request")
def _may_request(user: User, _thing: object = None) -> Decision:
    allowed = user.is_administrator or user.holds("maintainer")
    return Decision(
        allowed, "maintainers and administrators may" if allowed else "only maintainers may start a release"
    )


@permission("releases.sign")
def _may_sign(user: User, _thing: object = None) -> Decision:
    """Who may come to the form; whether the signature counts is for the rules of each module."""
    allowed = user.is_administrator or user.holds("maintainer")
    return Decision(allowed, "maintainers may" if allowed else "only maintainers of a module may sign for it")


@permission("releases.publish")
def _may_publish(user: User, _thing: object = None) -> Decision:
    allowed = user.is_administrator or user.holds("maintainer")
    return Decision(allowed, "maintainers and administrators may" if allowed else "only maintainers may publish")


@permission("releases.yank")
def _may_yank(user: User, _thing: object = None) -> Decision:
    allowed = user.is_administrator or user.holds("maintainer")
    return Decision(allowed, "maintainers and administrators may" if allowed else "only maintainers may yank")


@card(order=20)
def latest_release(session: Session, _user: User) -> Card | None:
    """The front page's card: what can be installed now, or what is on its way."""
    found = queries.releases(session, limit=5)
    if not found:
        return None
    shown = next((one for one in found if one.state == "published"), found[0])
    return Card("Release", "releases/card.html", {"release": shown, "install": install_command(shown)},
                url_for("releases.one", public_id=shown.public_id))  # fmt: skip


@blueprint.get("/releases")
@access("public")
def overview() -> str:
    """Every release, newest first."""
    return _overview([])


def _overview(problems: list[Problem]) -> str:
    with current_db().read() as session:
        repositories = list(session.scalars(sa.select(Repository).where(Repository.is_foundation)))
        return render_template(
            "releases/overview.html", releases=queries.releases(session), repositories=repositories,
            may_request=can(current_user(), "releases.request").allowed, problems=problems,
        )  # fmt: skip


@blueprint.get("/releases/<public_id>")
@access("public")
def one(public_id: str) -> str:
    """One release: its gates with their reasons, its evidence, its decisions."""
    return _one(public_id)


def _one(public_id: str, deed: str = "", problems: Sequence[Problem] = ()) -> str:
    settings, user = current_settings(), current_user()
    with current_db().read() as session:
        release = _release(session, public_id)
        about = queries.matter(session, settings, release, at=clock_of(session).now())
        me = str(user.person_id) if user.is_signed_in else ""
        signed = {(item.module, item.person) for item in about.signatures}
        own = [
            module for module in about.modules
            if (module.key, me) not in signed and module.signers.may_sign(me, reason="asked").holds
        ]  # fmt: skip
        return render_template(
            "releases/one.html", release=release, gates=queries.gate_states(session, about), matter=about,
            builds=queries.builds_of(session, release), files=queries.files_of(session, release),
            repository=session.get_one(Repository, release.repository_id), own_modules=own,
            needs_reason=any(me in module.signers.stand_ins for module in own),
            is_ready=not queries.closed_gates(session, about, only="sign-offs"), install=install_command(release),
            may_publish=me in about.may_publish, may_yank=can(user, "releases.yank").allowed,
            may_request=can(user, "releases.request").allowed, local_notice=LOCAL_NOTICE, deed=deed,
            problems=problems, given=request.form.get("reason", ""),
            upstream=bool(settings.upstream_index or (release.published_at and machine_upstream())),
        )  # fmt: skip


@blueprint.get("/releases/<public_id>/release.json")
@access("public")
def as_json(public_id: str) -> BaseResponse:
    """The release for other programs, with who reviewed it."""
    with current_db().read() as session:
        return jsonify(_describe(session, _release(session, public_id)))


@blueprint.post("/releases")
@access("releases.request")
def ask() -> tuple[str, int] | BaseResponse:
    """Start a release of a commit or branch."""

    def request_it(session: Session, actor: Actor, repository: Repository, commit: str) -> Release:
        try:
            return queries.request_release(session, current_settings(), repository, commit, actor=actor)
        except GitError as error:
            raise queries.NotAllowedError([("commit", f"names nothing to release: {error}")]) from None

    sent = forms.send(
        AskForm,
        request_it,
        given=lambda _session: {},
        finders={"repository": repository_named},
        done=lambda _session, made: (url_for(".one", public_id=made.public_id), "The release is asked for."),
    )
    return sent if isinstance(sent, BaseResponse) else (_overview(sent), 422)


@blueprint.post("/releases/<public_id>/sign")
@access("releases.sign")
def sign(public_id: str) -> tuple[str, int] | BaseResponse:
    """Sign for modules."""
    modules = request.form.getlist("module")
    return _decide(public_id, "sign", queries.sign_off, _signed, modules=modules)


@blueprint.post("/releases/<public_id>/publish")
@access("releases.publish")
def publish(public_id: str) -> tuple[str, int] | BaseResponse:
    """Decide to publish; the workflow does it, gates willing."""
    said = "Decided. The portal publishes it now."
    return _decide(public_id, "publish", queries.decide_to_publish, lambda _made: said)


@blueprint.post("/releases/<public_id>/yank")
@access("releases.yank")
def yank(public_id: str) -> tuple[str, int] | BaseResponse:
    """Withdraw a release, with a reason that installers show."""
    return _decide(public_id, "yank", queries.yank, lambda _made: "It is yanked.")


def _decide(
    public_id: str, deed: str, change: Checked[..., Any], said: Callable[[Any], str], **more: Any
) -> tuple[str, int] | BaseResponse:
    """One of the decisions on a release's page, which shows every problem beside its form."""

    def rows(session: Session) -> dict[str, Any]:
        known = {"settings": current_settings(), "person": _person(session), **more}
        wanted = {name: one for name, one in known.items() if name in change.parameters}
        return {"release": _release(session, public_id), **wanted}

    sent = forms.send(
        ReasonForm, change, given=rows, done=lambda _session, made: (url_for(".one", public_id=public_id), said(made))
    )
    return sent if isinstance(sent, BaseResponse) else (_one(public_id, deed, sent), 422)


def _signed(modules: list[str]) -> str:
    return f"Signed for {len(modules)} modules." if len(modules) != 1 else "Signed for one module."


@blueprint.post("/releases/<public_id>/retry")
@access("releases.request")
def again(public_id: str) -> BaseResponse:
    """Let a release that stopped go on, after its builds were tried again."""
    with current_db().write() as session:
        if not queries.go_on(session, _release(session, public_id), actor=current_user().actor):
            flash("Only a release that stopped can be tried again.", "refused")
    return redirect(url_for(".one", public_id=public_id))


def install_command(release: Release) -> str:
    """What a person types to install it."""
    return f"pip install --index-url {current_settings().base_url}/simple/ {release.project}=={release.version}"


def _describe(session: Session, release: Release) -> dict[str, Any]:
    about = queries.matter(session, current_settings(), release, at=clock_of(session).now())
    return {
        "release": release.public_id, "project": release.project, "version": release.version,
        "commit": release.commit_sha, "state": release.state,
        "review": "local, reviewed by nobody" if release.is_local else "signed off by the modules' maintainers",
        "published": release.published_at.isoformat() if release.published_at else None,
        "yanked": release.yanked_reason,
        "gates": [
            {"gate": one.key, "clause": one.clause, "state": one.verdict.state.value, "reasons": one.verdict.reasons}
            for one in queries.gate_states(session, about)
        ],
        "files": [
            {"filename": one.filename, "sha256": one.sha256, "size_bytes": one.size_bytes}
            for one in queries.files_of(session, release)
        ],
    }  # fmt: skip


def _release(session: Session, public_id: str) -> Release:
    found = queries.release_by_public_id(session, public_id)
    if found is None:
        abort(404)
    return found


def _person(session: Session) -> Person:
    user = current_user()
    return session.scalars(sa.select(Person).where(Person.public_id == user.person)).one()
