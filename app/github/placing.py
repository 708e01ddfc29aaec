"""Pages of a repository's place at GitHub: how far it is read, for everybody; connecting and parting, for staff."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from pydantic import Field as Bound
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from app import auth, forms, pages
from app.auth import User, access, current_user, permission
from app.connections import GITHUB
from app.contributions.models import Repository
from app.contributions.registry import by_public_id
from app.db import current_db
from app.github import queries
from app.github.connecting import connect, connection_of, disconnect, read_now
from app.settings import current_settings

blueprint = Blueprint("places", __name__, url_prefix="/contributions/repositories/<public_id>/github")
permission("github.connect")(auth.administrators_only)


class PlaceForm(forms.Form):
    """Where a repository is at GitHub."""

    full_name: str = Bound(max_length=300)
    reason: str = Bound(max_length=1000)


class PartForm(forms.Form):
    """Why it is parted."""

    reason: str = Bound(max_length=1000)


@blueprint.get("/")
@access("public")
def show(public_id: str) -> str:
    """Where it is at GitHub, and how far it is read."""
    return _page(public_id, [], {})


@blueprint.post("/")
@access("github.connect")
def give(public_id: str) -> tuple[str, int] | BaseResponse:
    """Connect it; all problems at once."""
    sent = forms.send(
        PlaceForm, connect,
        given=lambda session: {"repository": _found(session, public_id)},
        done=lambda _session, made: (url_for("github.places.show", public_id=public_id),
                                     f"It is connected with {made.full_name}, which is being read."),
    )  # fmt: skip
    return sent if isinstance(sent, BaseResponse) else (_page(public_id, sent, request.form), 422)


@blueprint.post("/part")
@access("github.connect")
def part(public_id: str) -> tuple[str, int] | BaseResponse:
    """Part it from GitHub; what was read stays."""
    sent = forms.send(
        PartForm, disconnect,
        given=lambda session: {"repository": _found(session, public_id)},
        done=lambda _session, _made: (url_for("github.places.show", public_id=public_id), "They are parted."),
    )  # fmt: skip
    return sent if isinstance(sent, BaseResponse) else (_page(public_id, sent, request.form), 422)


@blueprint.post("/read")
@access("github.connect")
def read(public_id: str) -> BaseResponse:
    """Read what is new now, or once more after something was mended."""
    with current_db().write() as session:
        repository = _found(session, public_id)
        connection = connection_of(session, repository.id) or abort(404)
        read_now(session, repository, connection, actor=current_user().actor, reason="asked for on its page")
    flash("It is being read.")
    return redirect(url_for("github.places.show", public_id=public_id))


@pages.fill("repository", order=10)
def at_github(session: Session, user: User, repository: Repository) -> pages.Card | None:
    """Where a repository is at GitHub; of one that is not connected only whoever may connect it hears."""
    place = queries.place(session, repository)
    if place.connection is None and not auth.can(user, "github.connect").allowed:
        return None
    url = url_for("github.places.show", public_id=repository.public_id)
    return pages.Card("GitHub", "github/_card.html", {"place": place}, url=url)


@pages.fill("quality", order=10)
def how_fresh(session: Session, _user: User, _thing: None) -> pages.Card | None:
    """On the page of the data's quality: the repositories whose reading from GitHub needs somebody, or is oldest."""
    found = queries.longest_unread(session)
    return pages.Card("Read from GitHub", "github/_fresh.html", {"found": found}) if found else None


def _found(session: Session, public_id: str) -> Repository:
    return by_public_id(session, public_id) or abort(404)


def _page(public_id: str, problems: list[pages.Problem], given: Mapping[str, str]) -> str:
    reader = current_settings().github
    with current_db().read() as session:
        place = queries.place(session, _found(session, public_id))
        heard = queries.heard(session, place.repository)
        return render_template(
            "github/place.html", place=place, heard=heard, problems=problems, given=given, live=place.is_under_way,
            has_token=reader is not None, suggested=queries.suggested(place.repository, reader),
            issuer=reader.issuer if reader else GITHUB, hears=bool(current_settings().github_hook_secrets),
        )  # fmt: skip
