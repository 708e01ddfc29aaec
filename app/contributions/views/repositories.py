"""Pages of the repositories that are counted, and the form that adds one."""

from __future__ import annotations

from collections.abc import Mapping

from flask import abort, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app import answers, audit, auth, forms, pages
from app.auth import access, current_user, permission
from app.contributions import queries
from app.contributions.forms import RepositoryForm
from app.contributions.models import RepositoryState
from app.contributions.registry import add_repository, by_public_id, enqueue_ingest
from app.contributions.sources import Reach, is_folder
from app.contributions.views.foundation import blueprint, looking, page
from app.db import current_db

permission("contributions.repository.add")(auth.administrators_only)
permission("contributions.repository.folder")(auth.administrators_only)


@blueprint.get("/repositories/")
@access("public")
def repositories() -> str:
    """Every repository that is counted: its work beside the others', and how far its reading is."""
    return _repositories([], {})


@blueprint.post("/repositories/")
@access("contributions.repository.add")
def add() -> tuple[str, int] | BaseResponse:
    """Add a repository by path or address; all problems at once."""
    sent = forms.send(
        RepositoryForm,
        add_repository,
        given=lambda _session: {"reach": _reach(request.form.get("location", ""))},
        done=lambda _session, made: (
            url_for("contributions.repository", public_id=made.public_id),
            f"{made.name} is added; its history is being read.",
        ),
        asks_others=True,
    )
    return sent if isinstance(sent, BaseResponse) else (_repositories(sent, request.form), 422)


@blueprint.get("/repositories/<public_id>")
@access("public")
def repository(public_id: str) -> str:
    """One repository: how far it is read, its branches, and what it is counted as."""
    with current_db().read() as session:
        found = by_public_id(session, public_id) or abort(404)
        answers.may_keep(for_each=True)
        return render_template("contributions/repository.html", repository=found,
                               passes=queries.passes(session, found),
                               cards=pages.filled("repository", session, current_user(), found),
                               branches=queries.branches(session, found.id))  # fmt: skip


@blueprint.post("/repositories/<public_id>/read")
@access("contributions.repository.add")
def read_again(public_id: str) -> BaseResponse:
    """Read a repository once more, after its reading failed say."""
    with current_db().write() as session:
        found = by_public_id(session, public_id) or abort(404)
        key = f"{found.public_id}:asked:{found.version}"
        enqueue_ingest(session, found, actor=current_user().actor, key=key)
        found.state, found.problem = RepositoryState.WAITING, ""
        audit.record(session, actor=current_user().actor, action="contributions.repository.read",
                     thing=found.public_id, reason="")  # fmt: skip
    flash(f"{found.name} is read again.")
    return redirect(url_for("contributions.repository", public_id=public_id))


def _reach(location: str) -> Reach:
    """A form reaches public addresses; who may add a repository is asked apart from who may name a folder here."""
    may_name_folders = auth.can(current_user(), "contributions.repository.folder").allowed
    return Reach.ANYWHERE if is_folder(location) and may_name_folders else Reach.PUBLIC


def _repositories(problems: list[pages.Problem], given: Mapping[str, str]) -> str:
    g.sent = problems, given
    with looking() as (session, look):
        listed = queries.repositories(session)
        passes = queries.passes_of(session, listed)
        return page("contributions/repositories.html", session, look, ("repositories",) if listed else (), summary=None,
                    rows=[(one, passes[one.id]) for one in listed])  # fmt: skip


@answers.own("contributions.add", only_with="contributions.repository.add")
def form_to_add() -> str:
    """The form that adds a repository, with what somebody sent and what is wrong with it."""
    problems, given = g.get("sent", ([], {}))
    return render_template("contributions/_add_repository.html", problems=problems, given=given)
