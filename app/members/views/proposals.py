"""What organizations propose: the list that waits for staff, the answer, and what is said of a person on their page."""

from __future__ import annotations

from typing import Any

from flask import abort, render_template, url_for
from sqlalchemy.orm import Session

from app import forms, pages
from app.auth import User, access, can, current_user
from app.db import current_db
from app.forms import Field
from app.members import queries
from app.members.forms import OutcomeForm
from app.members.models import Organization, Proposal
from app.members.rules import Outcome
from app.members.views.room import blueprint, row_of
from app.people import queries as people
from app.people.models import Person

WORDS = {
    Outcome.ACCEPTED: "accept: it is so, and counts from now on",
    Outcome.REFUSED: "refuse",
    Outcome.WITHDRAWN: "withdraw: it was our mistake",
}


@blueprint.get("/proposals")
@access("members.edit")
def waiting() -> str:
    """Everything that organizations propose and nobody has answered."""
    with current_db().read() as session:
        return render_template("members/proposals.html", proposed=queries.waiting_proposals(session))


@blueprint.route("/proposals/<public_id>", methods=["GET", "POST"])
@access("signed-in")
def decide(public_id: str) -> Any:
    """Answer a proposal: staff or the person it is about accept or refuse it, whoever made it withdraws it."""
    proposal = row_of(Proposal, public_id)
    user = current_user()
    with current_db().read() as session:
        owner = session.get_one(Organization, proposal.organization_id)
        about = session.get_one(Person, proposal.person_id) if proposal.person_id else None
        person = people.canonical(session, about) if about else None
    settles = can(user, "members.settle", person.id if person else 0)
    keeps = can(user, "members.keep", owner.public_id)
    allowed = [Outcome.ACCEPTED, Outcome.REFUSED] if settles.allowed else []
    allowed += [Outcome.WITHDRAWN] if keeps.allowed else []
    if not allowed:
        abort(403, description=settles.because)
    what = f"{people.shown_name(person)} works for {owner.name}" if person else f"{proposal.domain} is {owner.name}’s"
    until = f" until {proposal.ends_on}" if proposal.ends_on else ""
    page = forms.Page(
        "Is it so?",
        "Answer",
        [
            Field("outcome", "Answer", "select", "", True, [("", ""), *((one.value, WORDS[one]) for one in allowed)]),
            Field("reason", "Reason", "textarea", "Needed to refuse; others can read it.", rows=2),
        ],
        f"{owner.name} says: {what}, from {proposal.starts_on}{until}. {proposal.reason}",
        [("Organizations", url_for("members.overview")), (owner.name, _address(owner))],
    )

    def answer(session: Session, actor: Any, proposal: Proposal, outcome: Outcome, reason: str) -> Proposal:
        if outcome not in allowed:
            raise queries.MemberError([("outcome", "is none of the choices")])
        return queries.decide_proposal(session, proposal, outcome, by=user.person_id, actor=actor, reason=reason)

    return forms.ask(
        page,
        OutcomeForm,
        answer,
        given=lambda session: {"proposal": session.get_one(Proposal, proposal.id)},
        done=lambda _session, made: (_address(owner), f"The proposal is {made.outcome.value}."),
        edits="proposal",
    )


@pages.fill("person", order=5)
def said_of_person(session: Session, user: User, person: Person) -> pages.Card | None:
    """What organizations say of somebody, on their page, for them and staff to answer."""
    if not can(user, "members.settle", person.id).allowed:
        return None
    proposed = queries.proposals_about(session, person)
    if not proposed:
        return None
    return pages.Card("Said of you" if user.person_id == person.id else "Said of them", "members/_said.html",
                      {"proposed": proposed})  # fmt: skip


def _address(organization: Organization) -> str:
    return url_for("members.show", public_id=organization.public_id)
