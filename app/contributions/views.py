"""Pages of contributions: the whole, an organization, a person, a module, the repositories, and the definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, abort, flash, jsonify, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from app import audit, auth, charts, forms, pages
from app.auth import access, current_user, permission
from app.bodies import queries as bodies
from app.clock import current_clock
from app.contributions import cards as cards
from app.contributions import looks, queries
from app.contributions.forms import RepositoryForm
from app.contributions.looks import FIGURES, Look
from app.contributions.metrics import METRICS, count
from app.contributions.models import Repository, RepositoryState
from app.contributions.queries import EVERYTHING, Scope
from app.contributions.registry import add_repository, by_public_id, enqueue_ingest
from app.contributions.sources import Reach, is_folder
from app.contributions.windows import NAMED, read_window
from app.db import current_db
from app.members import queries as members
from app.modules import queries as modules
from app.people import queries as people

blueprint = Blueprint("contributions", __name__, url_prefix="/contributions")
nav = [
    pages.Nav("maintainers", "Contributions", "contributions.overview", order=30),
    pages.Nav("members", "Contributions by member", "contributions.organizations", order=30),
    pages.Nav("staff", "Repositories", "contributions.repositories", order=60),
]
permission("contributions.repository.add")(auth.administrators_only)
permission("contributions.repository.folder")(auth.administrators_only)


@blueprint.context_processor
def _helpers() -> dict[str, Any]:
    return {"here": _here, "sparkline": charts.sparkline, "repository_options": _repository_options}


@blueprint.get("/")
@access("public")
def overview() -> str:
    """The whole foundation, or one repository of it."""
    with _looking() as (session, look):
        shown = [look.figure(key) for key in FIGURES if key != "share-over-time"]
        return _page("contributions/overview.html", session, look, {figure.key: figure for figure in shown},
                     recent=queries.recent_commits(session, look.scope))  # fmt: skip


@blueprint.get("/organizations/")
@access("public")
def organizations() -> str:
    """Every organization with commits in the window, members and others."""
    with _looking() as (session, look):
        figure = look.figure("organizations")
        tiers = {
            one.organization.id: one.tier.name for one in members.members_on(session, look.window.until) if one.tier
        }
        trend = {number: _trend(look, number) for number in look.organizations}
        listed = sorted(look.organizations.values(), key=lambda one: (-sum(trend[one.id]), one.name))
        return _page("contributions/organizations.html", session, look, {"organizations": figure}, tiers=tiers,
                     trend=trend, listed=listed)  # fmt: skip


@blueprint.get("/organizations/<public_id>")
@access("public")
def organization(public_id: str) -> str:
    """A member's dashboard: its people, modules, commits over time, its share, and its seats."""
    with _looking() as (session, whole):
        found = members.organization_by_public_id(session, public_id) or abort(404)
        scope = Scope(repository=whole.scope.repository, organization=found.id)
        look = Look(session, scope, whole.window, whole.as_of, whole.arguments)
        figures = {key: look.figure(key) for key in ("share-over-time", "contributors-over-time", "people", "modules")}
        today = current_clock().now().date()
        member = next((one for one in members.members_on(session, today) if one.organization.id == found.id), None)
        return _page("contributions/organization.html", session, look, figures, organization=found, member=member,
                     whole=whole, rank=_rank(whole, found.id), seats=_seats(session, found.id),
                     recent=queries.recent_commits(session, scope))  # fmt: skip


@blueprint.get("/people/<public_id>")
@access("public")
def person(public_id: str) -> str:
    """One person's work: by employer over time, by module, and the latest commits."""
    with _looking() as (session, whole):
        found = people.person_by_public_id(session, public_id) or abort(404)
        found = people.canonical(session, found)
        if found.hidden_at is not None:
            abort(404)
        look = Look(session, Scope(repository=whole.scope.repository, person=found.id), whole.window, whole.as_of,
                    whole.arguments)  # fmt: skip
        figures = {key: look.figure(key) for key in ("commits-over-time", "modules")}
        return _page("contributions/person.html", session, look, figures, person=found,
                     span=queries.span(session, Scope(person=found.id)),
                     recent=queries.recent_commits(session, look.scope))  # fmt: skip


@blueprint.get("/modules/<key>")
@access("public")
def module(key: str) -> str:
    """One module: who keeps it up, and for whom they work."""
    with _looking() as (session, whole):
        found = modules.module_by_key(session, key) or abort(404)
        look = Look(session, Scope(repository=whole.scope.repository, module=key), whole.window, whole.as_of,
                    whole.arguments)  # fmt: skip
        shown = ("commits-over-time", "organizations", "contributors-over-time", "people")
        figures = {name: look.figure(name) for name in shown}
        return _page("contributions/module.html", session, look, figures, module=found,
                     recent=queries.recent_commits(session, look.scope))  # fmt: skip


@blueprint.get("/figures/<key>.<kind>")
@access("public")
def figure(key: str, kind: str) -> Response:
    """A figure's rows as CSV or, with definition and as-of, as JSON; scope and window as on the page."""
    if key not in FIGURES or kind not in ("csv", "json"):
        abort(404, description=f"There are {', '.join(FIGURES)}, each as .csv or .json.")
    with _looking() as (session, look):
        found = Look(session, _named_scope(session, look.scope), look.window, look.as_of, look.arguments).figure(key)
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
    return render_template("contributions/definitions.html", metrics=METRICS.values())


@blueprint.get("/repositories/")
@access("public")
def repositories() -> str:
    """Every repository that is counted, with how far its reading is."""
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
        return render_template("contributions/repository.html", repository=found,
                               passes=queries.passes(session, found),
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


@contextmanager
def _looking() -> Iterator[tuple[Session, Look]]:
    """A reading session, and the look that the address asks for: window and repository."""
    with current_db().read() as session:
        now = current_clock().now()
        wanted = request.args.get("repository", "")
        chosen = by_public_id(session, wanted) if wanted else None
        if wanted and chosen is None:
            abort(404, description=f"There is no repository {wanted!r}.")
        scope = Scope(repository=chosen.id) if chosen else EVERYTHING
        window, problems = read_window(request.args, today=now.date(), first=looks.first_day(session, scope))
        if problems:
            abort(400, description="; ".join(f"{field}: {text}" for field, text in problems))
        arguments = dict(window.arguments) | ({"repository": chosen.public_id} if chosen else {})
        yield session, Look(session, scope, window, now, arguments)


def _page(name: str, session: Session, look: Look, figures: dict[str, looks.Figure], **values: Any) -> str:
    return render_template(
        name, look=look, figures=figures, summary=look.summary, windows=NAMED, metrics=METRICS,
        repositories=queries.repositories(session), counting=queries.is_counting(session), **values,
    )  # fmt: skip


def _reach(location: str) -> Reach:
    """A form reaches public addresses; who may add a repository is asked apart from who may name a folder here."""
    may_name_folders = auth.can(current_user(), "contributions.repository.folder").allowed
    return Reach.ANYWHERE if is_folder(location) and may_name_folders else Reach.PUBLIC


def _repositories(problems: list[pages.Problem], given: Mapping[str, str]) -> str:
    with current_db().read() as session:
        rows = [(one, queries.passes(session, one)) for one in queries.repositories(session)]
    return render_template("contributions/repositories.html", rows=rows, problems=problems, given=given)


def _named_scope(session: Session, scope: Scope) -> Scope:
    """The scope with the organization, person or module that a download's address names."""
    values: dict[str, Any] = {"repository": scope.repository}
    if name := request.args.get("organization"):
        values["organization"] = (members.organization_by_public_id(session, name) or abort(404)).id
    if name := request.args.get("person"):
        found = people.person_by_public_id(session, name) or abort(404)
        if found.hidden_at is not None:
            abort(404)
        values["person"] = people.canonical(session, found).id
    if name := request.args.get("module"):
        values["module"] = name
    return Scope(**values)


def _trend(look: Look, number: int) -> list[int]:
    own = [cell for cell in look.work if cell.organization == number]
    return [sum(cell.commits for cell in own if period.first <= cell.first <= period.last) for period in look.periods]


def _rank(look: Look, number: int) -> tuple[int, int] | None:
    counted = count(look.work, lambda cell: cell.organization)
    ranked = [one for one, _ in counted.most_common() if one is not None]
    return (ranked.index(number) + 1, len(ranked)) if number in ranked else None


def _seats(session: Session, number: int) -> list[tuple[str, str, Any, Any]]:
    today = current_clock().now().date()
    found = bodies.appointments_for(session, number, today)
    holders = queries.persons(session, [appointment.person_id for appointment, _, _ in found])
    return [(body.name, seat.name, holders.get(appointment.person_id), appointment.starts_on)
            for appointment, seat, body in found]  # fmt: skip


def _here(**values: str) -> str:
    """This very page with another window; the other arguments of the address stay."""
    kept = {name: value for name, value in request.args.items() if name not in ("since", "until", "window")}
    return url_for(str(request.endpoint), **{**(request.view_args or {}), **kept, **values})


def _repository_options(repositories: list[Repository]) -> list[tuple[str, str]]:
    return [("", "All of them"), *((one.public_id, one.name) for one in repositories)]
