"""Pages of imports: give a file, see every change and every problem with its line, apply it, undo it."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from app import auth, forms, pages
from app.auth import User, access, can, current_user, permission
from app.checks import Problem, RefusedError, UnfoundError
from app.db import current_db
from app.forms import Field
from app.imports import queries
from app.imports.formats import CALLED
from app.imports.forms import FileForm
from app.imports.models import Import, ImportState
from app.imports.reading_files import text_of
from app.imports.rules import FileKind
from app.imports.yaml_files import with_aliases
from app.modules.models import Module
from app.people.forms import ReasonForm
from app.settings import current_settings
from app.wording import counted

blueprint = Blueprint("imports", __name__, url_prefix="/imports")
nav = [pages.Nav("staff", "Files of affiliations", "imports.overview", order=43)]
SHOWN = 500
permission("imports.manage")(auth.staff_only)


@blueprint.get("/")
@access("imports.manage")
def overview() -> str:
    """Every file that was given, and a form for one more."""
    return _overview([])


@blueprint.post("/")
@access("imports.manage")
def give() -> Response | tuple[str, int]:
    """Keep a file as a draft, and show what it would change."""
    reading = forms.read(FileForm, request.form)
    problems = list(reading.problems)
    upload = request.files.get("file")
    text = beside = ""
    if upload is None or not upload.filename:
        problems.append(Problem("file", "is missing: choose one"))
    else:
        text = _text(upload, "file", problems)
    if (aliases := request.files.get("aliases")) is not None and aliases.filename:
        beside = _text(aliases, "aliases", problems)
        if reading.valid.get("kind") is not FileKind.OWNERS:
            problems.append(Problem("aliases", "belongs beside an OWNERS alone; leave it out"))
    if not problems and upload is not None:
        sent = {**reading.valid, "name": reading.valid["name"] or str(upload.filename)}
        try:
            with current_db().write() as session:
                most = int(current_settings().drafts_mb * 1e6)
                made = queries.give_file(session, text=with_aliases(text, beside), actor=current_user().actor,
                                         most_drafts=most, **sent)  # fmt: skip
                return redirect(url_for("imports.show", public_id=made.public_id))
        except RefusedError as error:
            problems = error.problems
    return _overview(problems), 422


@blueprint.get("/<public_id>")
@access("imports.manage")
def show(public_id: str) -> str:
    """What a draft would change, or what became of a file."""
    return _show(public_id, [])


@blueprint.post("/<public_id>/apply")
@access("imports.manage")
def apply(public_id: str) -> Response | tuple[str, int]:
    """Make every change of a draft at once, or none."""
    try:
        with current_db().write() as session:
            one = _found(session, public_id)
            reason = request.form.get("reason", "")
            plan = queries.apply_import(session, one, actor=current_user().actor, reason=reason)
    except RefusedError as error:
        return _show(public_id, error.problems), 422
    made = counted(len(plan.changes), "change")
    flash(f"Made: {made}. Figures follow within a minute; all of it can be undone here.")
    return redirect(url_for("imports.show", public_id=public_id))


@blueprint.post("/<public_id>/throw-away")
@access("imports.manage")
def throw_away(public_id: str) -> Response | tuple[str, int]:
    """Forget a draft."""
    try:
        with current_db().write() as session:
            queries.throw_away(session, _found(session, public_id), actor=current_user().actor)
    except RefusedError as error:
        return _show(public_id, error.problems), 422
    flash("The file is thrown away; nothing of it counted.")
    return redirect(url_for("imports.overview"))


@blueprint.route("/<public_id>/undo", methods=["GET", "POST"])
@access("imports.manage")
def undo(public_id: str) -> Any:
    """Take back all that a file said and made."""
    with current_db().read() as session:
        one = _found(session, public_id)
    page = forms.Page(
        "Undo an import", "Undo all of it", [Field("reason", "Reason", "textarea", "Others can read it.", True)],
        f"{one.name}: {counted(one.changes, 'change')}. Its statements are withdrawn, and what it made is taken"
        " away where nobody built on it.",
        [("Files", url_for("imports.overview")), (one.name, url_for("imports.show", public_id=public_id))],
        is_danger=True,
    )  # fmt: skip
    return forms.ask(
        page, ReasonForm, queries.undo_import,
        given=lambda session: {"one": session.get_one(Import, one.id)},
        done=lambda _session, number: (url_for("imports.show", public_id=public_id),
                                       f"It is undone; withdrawn: {counted(number, 'statement')}."),
        edits="one",
    )  # fmt: skip


@pages.fill("module", order=60)
def named_keepers(session: Session, user: User, module: Module) -> pages.Card | None:
    """Whom CODEOWNERS and OWNERS name for a module, for staff and its maintainers to look at."""
    if not (can(user, "imports.manage").allowed or user.holds("maintainer", module=module.key)):
        return None
    named = queries.named_as_keepers(session, module.key)
    return pages.Card("Named in files", "imports/_keepers.html", {"named": named}) if named else None


def _text(upload: FileStorage, field: str, problems: list[Problem]) -> str:
    with closing(upload):
        data = upload.stream.read(queries.MOST_BYTES + 1)
    try:
        # What is cut off at the limit may end within a letter: that it is too large is said when it is given.
        return text_of(data) if len(data) <= queries.MOST_BYTES else " " * len(data)
    except UnfoundError as error:
        problems.append(Problem(field, str(error)))
        return ""


def _found(session: Session, public_id: str) -> Import:
    return queries.import_by_public_id(session, public_id) or abort(404)


def _overview(problems: list[Problem]) -> str:
    kinds = [("", ""), *((kind.value, called) for kind, called in CALLED.items())]
    with current_db().read() as session:
        return render_template("imports/overview.html", imports=queries.imports(session), kinds=kinds, called=CALLED,
                               problems=problems, given=request.form, confidence=queries.CONFIDENCE,
                               most_kib=queries.MOST_BYTES // 1024)  # fmt: skip


def _show(public_id: str, problems: list[Problem]) -> str:
    with current_db().read() as session:
        one = _found(session, public_id)
        plan = queries.plan_of(session, one) if one.state is ImportState.DRAFT else None
        return render_template("imports/import.html", one=one, plan=plan, called=CALLED, problems=problems, most=SHOWN,
                               given=request.form)  # fmt: skip
