"""“This is wrong”: any reader says so of a row, without an account; staff find it in a queue and answer."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import auth, forms, limits, pages, parameters
from app.auth import User, access, current_user
from app.checks import Problem
from app.db import current_db
from app.forms import Field
from app.people import queries
from app.people.forms import AnswerForm, RemarkForm
from app.people.models import Person, Remark
from app.people.queries.remarks import WITHIN
from app.people.rules.asking import RemarkAbout
from app.people.views.records import blueprint

PAGE_SIZE = 50
# Whoever fills in the field that no person sees is a program, and is thanked like everybody.
_TRAP = "website"


@blueprint.route("/wrong", methods=["GET", "POST"])
@access("public")
def wrong() -> str | Response | tuple[str, int]:
    """Say that something on a page is wrong; without a row to say it of, the way is back to the pages."""
    if not request.values.get("about"):
        return redirect(url_for("people.overview"))
    about, thing = _about()
    page = auth.safe_next(request.values.get("page"))
    with current_db().read() as session:
        what = _named(session, about, thing)
    problems: list[Problem] = []
    if request.method == "POST":
        reading = forms.read(RemarkForm, request.form)
        problems = list(reading.problems)
        if not problems:
            if not request.form.get(_TRAP):
                _keep(about, thing, page, str(reading.valid["text"]))
            flash("Thank you. The foundation’s staff look at it.")
            return redirect(page)
    text = render_template("people/wrong.html", about=about, thing=thing, what=what, page=page, problems=problems,
                           given=request.form, trap=_TRAP)  # fmt: skip
    return (text, 422) if problems else text


@blueprint.get("/remarks")
@access("people.decide")
def remarks() -> str:
    """What readers say is wrong, the oldest first; or what was answered."""
    settled = parameters.choice("state", ["open", "answered"]) == "answered"
    with current_db().read() as session:
        page = pages.Page.from_request(queries.count_remarks(session, settled=settled), size=PAGE_SIZE)
        listed = queries.remarks(session, settled=settled, offset=page.offset, limit=page.size)
        rows = [(one, _named(session, one.about, one.thing, lenient=True)) for one in listed]
        return render_template("people/remarks.html", rows=rows, page=page, settled=settled)


@blueprint.route("/remarks/<public_id>", methods=["GET", "POST"])
@access("people.decide")
def answer_remark(public_id: str) -> Any:
    """Say what became of a remark."""
    with current_db().read() as session:
        remark = queries.remark_by_public_id(session, public_id) or abort(404)
        what, url = _named(session, remark.about, remark.thing, lenient=True)
    page = forms.Page(
        "Answer a remark", "It is settled", [Field("answer", "What became of it", "textarea", "", True, rows=3)],
        f"Of {what}, a reader says: {remark.text}",
        [("What readers say is wrong", url_for("people.remarks")), *([(what, url)] if url else [])],
    )  # fmt: skip
    return forms.ask(
        page, AnswerForm, queries.settle_remark,
        given=lambda session: {"remark": session.get_one(Remark, remark.id)},
        done=lambda _session, _made: (url_for("people.remarks"), "The remark is answered."), edits="remark",
    )  # fmt: skip


@pages.fill("person", order=7)
def remarks_card(session: Session, user: User, person: Person) -> pages.Card | None:
    """What readers say is wrong about somebody, on their own page, for them alone."""
    if user.person_id != person.id:
        return None
    listed = queries.remarks_about(session, person)
    return pages.Card("Readers say that this is wrong", "people/_remarks.html", {"remarks": listed}) if listed else None


def _about() -> tuple[RemarkAbout, str]:
    try:
        return RemarkAbout(request.values.get("about", "")), request.values.get("thing", "")
    except ValueError:
        abort(404)


def _named(session: Session, about: RemarkAbout, thing: str, *, lenient: bool = False) -> tuple[str, str | None]:
    """What a remark is about, in words, and its page. Ends with 404 for what is not there."""
    if about.is_of_a_person:
        person = queries.person_by_public_id(session, thing)
        if person is not None:
            person = queries.canonical(session, person)
            words = {RemarkAbout.EMPLOYER: "whom {} works for", RemarkAbout.IDENTITY: "the identities of {}"}
            told = words.get(about, "{}").format(queries.shown_name(person))
            return told, url_for("people.show", public_id=person.public_id)
    elif elsewhere := queries.named_elsewhere(session, about, thing):
        return elsewhere
    else:
        found = next((one for one in queries.organization_names(session).values() if one.public_id == thing), None)
        if found is not None:
            told = f"the e-mail domains of {found.name}" if about is RemarkAbout.DOMAIN else found.name
            return told, f"/organizations/{found.public_id}"
    if not lenient:
        abort(404)
    return "something that is gone", None


def _keep(about: RemarkAbout, thing: str, page: str, text: str) -> None:
    user = current_user()
    secret = str(current_app.config["SECRET_KEY"]).encode()
    source = user.person or limits.source_of(request.remote_addr)
    sender = hmac.new(secret, source.encode(), hashlib.sha256).hexdigest()
    with current_db().write() as session:
        allowed = queries.may_remark(session, sender)
        if allowed:
            queries.make_remark(session, about, thing, page, text, said_by=user.person or "", sender=sender)
    if not allowed:
        abort(429, description="That is a lot at once; wait an hour and say it again.", retry_after=WITHIN.seconds)
