"""The queue of proposals that staff, and people of themselves, answer; and the log of all decisions, each undoable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import auth, pages, parameters
from app.auth import Decision, User, access, can, current_user, permission
from app.checks import Problem, RefusedError
from app.db import current_db
from app.people import queries
from app.people.models import IdentityProposal, Person
from app.people.queries import Wanted
from app.people.rules import PROOF, DecisionKind, masked
from app.people.rules.asking import OWN_WORD_FROM, ProposalKind, Verdict
from app.people.views.records import blueprint, keeps_seats

PAGE_SIZE = 30
APART_SHOWN = 50
_SURE = {"": 0, "60": 60, "80": 80}
_SAID = {
    Verdict.YES: "Decided; it can be undone in the log.",
    Verdict.NO: "Decided: it is not so. It can be undone in the log.",
    Verdict.LATER: "Put off for a month; it can be undone in the log.",
}


@permission("people.answer")
def may_answer(user: User, thing: Any) -> Decision:
    """Staff answer every proposal; people those about themselves (`thing`: the row numbers of the persons)."""
    if thing is None:
        return Decision(user.is_signed_in, "signed-in people may, of themselves")
    if user.person_id in thing:
        return Decision(True, "everybody may answer what is proposed about them")
    return auth.staff_only(user)


@blueprint.get("/proposals")
@access("people.decide")
def proposals() -> str:
    """What machines take for likely and nobody has answered: those on which most commits hang first."""
    with current_db().read() as session:
        wanted = _wanted(session)
        page = pages.Page.from_request(queries.count_questions(session, wanted), size=PAGE_SIZE)
        asked = queries.questions(session, wanted, offset=page.offset, limit=page.size)
        person = session.get(Person, wanted.person) if wanted.person else None
        apart = [] if person or page.number > 1 else queries.kept_apart(session, limit=APART_SHOWN)
        disputes = [] if person or page.number > 1 else queries.disputes(session, limit=APART_SHOWN)
        return render_template("people/proposals.html", questions=asked, page=page, wanted=wanted, person=person,
                               apart=apart, disputes=disputes, sure=parameters.choice("sure", _SURE))  # fmt: skip


@blueprint.get("/proposals/mine")
@access("signed-in")
def own_proposals() -> str:
    """What machines take for likely about the very person who looks."""
    with current_db().read() as session:
        asked = _own(session, current_user())
        return render_template("people/own_proposals.html", questions=asked, masked=masked, own_word=OWN_WORD_FROM,
                               may_say_yes=[_may_say_yes(one, current_user()) for one in asked])  # fmt: skip


@blueprint.post("/proposals/answer")
@access("people.answer")
def answer() -> Response | tuple[str, int]:
    """Answer one proposal, or several of one person at once."""
    onward = auth.safe_next(request.form.get("next") or url_for("people.proposals"))
    reason = request.form.get("reason", "").strip()[:1000]
    keys = request.form.getlist("proposal")[:200]
    try:
        verdict = Verdict(request.form.get("verdict", ""))
    except ValueError:
        abort(400, description="The answer is none of yes, no and later.")
    try:
        with current_db().write() as session:
            found = [queries.proposal_by_public_id(session, key) or abort(404) for key in keys]
            queries.bring_up_to_date(session, found)
            problems = _forbidden(session, found, verdict)
            if problems:
                raise RefusedError(problems)
            queries.answer(session, found, verdict, actor=current_user().actor, reason=reason)
    except RefusedError as error:
        flash(f"Not decided: {error.told}.", "refused")
        return redirect(onward)
    flash(_SAID[verdict])
    return redirect(onward)


@blueprint.get("/decisions")
@access("people.decide")
def decisions() -> str:
    """Every decision about identities, the newest first, each with a way to undo it."""
    kinds = {kind.value: kind for kind in DecisionKind}
    kind, by = kinds.get(parameters.choice("kind", kinds)), request.args.get("by", "").strip()[:100]
    with current_db().read() as session:
        page = pages.Page.from_request(queries.count_decisions(session, kind=kind, by=by))
        listed = queries.decisions_log(session, kind=kind, by=by, offset=page.offset, limit=page.size)
        options = [("", "all"), *((name, name.replace("-", " ")) for name in kinds)]
        return render_template("people/decisions.html", lines=listed, page=page, by=by, kind_options=options,
                               kind=kind.value if kind else "", grounds=queries.grounds(session))  # fmt: skip


@pages.fill("person", order=6)
def proposed_about(session: Session, user: User, person: Person) -> pages.Card | None:
    """How many proposals wait about somebody, on their page, for them and staff."""
    if not can(user, "people.answer", [person.id]).allowed:
        return None
    number = queries.count_questions(session, Wanted(person=person.id))
    if not number:
        return None
    is_own = user.person_id == person.id
    url = url_for("people.own_proposals") if is_own else url_for("people.proposals", person=person.public_id)
    return pages.Card("Is this you, too?" if is_own else "One person or two?", "people/_asked.html",
                      {"number": number, "url": url, "is_own": is_own})  # fmt: skip


@pages.fill("account", order=30)
def own_question(session: Session, user: User, _thing: None) -> pages.Card:
    """The way to what is proposed about oneself."""
    number = queries.count_questions(session, Wanted(person=user.person_id)) if user.person_id is not None else 0
    return pages.Card("Is this you, too?", "people/_asked.html",
                      {"number": number, "url": url_for("people.own_proposals"), "is_own": True})  # fmt: skip


def _wanted(session: Session) -> Wanted:
    kinds = {kind.value: kind for kind in ProposalKind}
    key = request.args.get("person", "")
    person = queries.person_by_public_id(session, key) if key else None
    if key and person is None:
        abort(404)
    return Wanted(
        search=request.args.get("q", "").strip()[:100],
        kind=kinds.get(parameters.choice("kind", kinds)),
        least=_SURE[parameters.choice("sure", _SURE)],
        postponed=parameters.choice("state", ["open", "postponed"]) == "postponed",
        person=queries.canonical(session, person).id if person else None,
    )


def _own(session: Session, user: User) -> list[queries.Question]:
    if user.person_id is None:
        return []
    return queries.questions(session, Wanted(person=user.person_id), limit=100)


def _may_say_yes(question: queries.Question, user: User) -> bool:
    """A person's own yes is enough where the evidence is strong and nobody has claimed the other (decision 0507)."""
    others = [one for one in (question.one, question.other) if one is not None and one.id != user.person_id]
    is_claimed = any(one.claimed_at is not None for one in others)
    # The words of an account are whatever its owner chose, and a login may have been another's before: no evidence.
    about = [one for one in (question.identity, question.second) if one is not None]
    if any(one.source.startswith(PROOF) for one in about):
        return False
    return bool(others) and not is_claimed and question.proposal.confidence >= OWN_WORD_FROM


def _forbidden(session: Session, found: Sequence[IdentityProposal], verdict: Verdict) -> list[Problem]:
    """Why this user may not give this answer; ends the request where a proposal is no business of theirs."""
    user, is_staff = current_user(), can(current_user(), "people.decide").allowed
    problems: list[Problem] = []
    for question in queries.questions_of(session, found):
        persons = [one for one in (question.one, question.other) if one is not None]
        auth.require("people.answer", [one.id for one in persons])
        if verdict is not Verdict.YES:
            continue
        if not is_staff and not _may_say_yes(question, user):
            text = "needs proof: sign in by that address or login, or ask the foundation’s staff"
            problems.append(Problem("proposal", text))
        problems += [Problem(*one) for one in keeps_seats(session, "proposal", *persons) if is_staff]
    return problems
