"""Pages of people: the list, a person's record, and the forms by which staff and people themselves put it right."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import audit, auth, forms, pages
from app.auth import Decision, User, access, can, current_user, permission
from app.db import clock_of, current_db
from app.forms import Field
from app.people import queries
from app.people.forms import MergeForm, ReasonForm, RenameForm, RoleForm, StatementForm
from app.people.models import Affiliation, Identity, IdentityDecision, IdentityPerson, Person
from app.people.queries.decisions import DecisionError
from app.people.rules import DecisionKind, StatementSource, masked
from app.sessions import issue_link

blueprint = Blueprint("people", __name__, url_prefix="/people")
nav = [
    pages.Nav("members", "People", "people.overview", order=20),
    pages.Nav("staff", "One person or two?", "people.proposals", order=40),
]
PROPOSALS_SHOWN = 100
LINK_HOURS = 24
PAGE_SIZE = 60
INDEPENDENT = "independent"

permission("people.decide")(auth.staff_only)
permission("people.invite")(auth.administrators_only)


@permission("people.state")
def may_state(user: User, thing: Any) -> Decision:
    """Staff may say whom anybody works for; everybody may say it of themselves (`thing`: the person's row number)."""
    if thing is None:
        return Decision(user.is_signed_in, "signed-in people may, of themselves")
    if user.person_id == thing:
        return Decision(True, "everybody may say whom they work for")
    return auth.staff_only(user)


@blueprint.get("/")
@access("public")
def overview() -> str:
    """Everybody who is not hidden, with their employer of today; bots and tools apart."""
    search = request.args.get("q", "").strip()[:100]
    kind = "machines" if request.args.get("kind") == "machines" else "people"
    with current_db().read() as session:
        page = pages.Page.from_request(queries.count_people(session, search=search, kind=kind), size=PAGE_SIZE)
        today = clock_of(session).now().date()
        listed = queries.list_people(session, today, search=search, kind=kind, offset=page.offset, limit=page.size)
        return render_template("people/overview.html", listed=listed, page=page, search=search, kind=kind)


@blueprint.get("/proposals")
@access("people.decide")
def proposals() -> str:
    """People with the same name, and pairs that evidence joins and a rule keeps apart, for staff to decide."""
    with current_db().read() as session:
        groups = queries.proposals(session, limit=PROPOSALS_SHOWN)
        addresses = queries.addresses_of(session, [person.id for group in groups for person in group])
        apart = queries.kept_apart(session, limit=PROPOSALS_SHOWN)
        return render_template("people/proposals.html", groups=groups, addresses=addresses, apart=apart)


@blueprint.get("/<public_id>")
@access("public")
def show(public_id: str) -> str | Response:
    """A person's record; a person who turned out to be another leads there."""
    with current_db().read() as session:
        person = _person(session, public_id)
        found = queries.canonical(session, person)
        if found.id != person.id:
            return redirect(url_for("people.show", public_id=found.public_id))
        user = current_user()
        is_staff = can(user, "people.decide").allowed
        is_own = user.person_id == person.id
        return render_template(
            "people/person.html",
            record=queries.record_of(session, person),
            cards=pages.filled("person", session, user, person),
            is_staff=is_staff,
            is_own=is_own,
            sees_all=is_staff or is_own,
            masked=masked,
        )


@blueprint.route("/<public_id>/affiliations/new", methods=["GET", "POST"])
@access("people.state")
def state(public_id: str) -> Any:
    """State whom a person works for, from when until when."""
    with current_db().read() as session:
        person = queries.canonical(session, _person(session, public_id))
        organizations = queries.organization_names(session)
    auth.require("people.state", person.id)
    is_own = current_user().person_id == person.id
    choices = [(one.public_id, one.name) for one in organizations.values()]
    fields = [
        Field(
            "organization", "Works for", "select", "", True, [("", ""), (INDEPENDENT, "nobody: independent"), *choices]
        ),
        Field("starts_on", "From", "date", "The first day.", True),
        Field("ends_on", "Until", "date", "The last day; leave it empty while it lasts."),
        Field("reason", "How this is known", hint="A link or a sentence; others can read it."),
    ]
    problems: list[pages.Problem] = []
    if request.method == "POST":
        form, problems = forms.parse(StatementForm, request.form)
        number = {one.public_id: row for row, one in organizations.items()}
        if form is not None and form.organization not in {INDEPENDENT, *number}:
            form, problems = None, pages.problems([("organization", "is none of the choices")])
        if form is not None:
            with current_db().write() as session:
                queries.state(
                    session,
                    session.get_one(Person, person.id),
                    number.get(form.organization),
                    starts_on=form.starts_on,
                    ends_on=form.ends_on,
                    source=StatementSource.SELF if is_own else StatementSource.STAFF,
                    actor=current_user().actor,
                    reason=form.reason,
                )
            return _back(person.public_id, "It counts at once, and every figure is counted again.")
    lead = "Your own word outranks every other source." if is_own else "The person's own word outranks yours."
    return _form(person, "Where they work" if not is_own else "Where you work", fields, problems, "State it", lead=lead)


@blueprint.route("/affiliations/<public_id>/withdraw", methods=["GET", "POST"])
@access("people.state")
def withdraw(public_id: str) -> Any:
    """Take a statement back; it stays in the history."""
    with current_db().read() as session:
        found = session.scalar(sa.select(Affiliation).where(Affiliation.public_id == public_id))
        if found is None or found.withdrawn_at is not None:
            abort(404)
        statement: Affiliation = found
        person = queries.canonical(session, session.get_one(Person, statement.person_id))
    auth.require("people.state", person.id)
    if statement.source is StatementSource.SELF and current_user().person_id != person.id:
        abort(403, description="Only the person can take their own word back; state what you know beside it.")

    def act(session: Session, form: ReasonForm) -> str:
        row = session.get_one(Affiliation, statement.id)
        queries.withdraw(session, row, actor=current_user().actor, reason=form.reason)
        return "The statement is withdrawn; it stays in the history."

    return _decision_page(person, "Withdraw a statement", [], ReasonForm, act, "Withdraw", is_danger=True)


@blueprint.route("/<public_id>/merge", methods=["GET", "POST"])
@access("people.decide")
def merge(public_id: str) -> Any:
    """Decide that two persons are one."""
    person = _canonical(public_id)

    def act(session: Session, form: MergeForm) -> str:
        found = [queries.canonical(session, one) for one in queries.find_person(session, form.other)]
        if not found:
            raise DecisionError(f"nobody is found for {form.other!r}; use the public id in the address of their page")
        if len(found) > 1:
            listed = ", ".join(one.public_id for one in found)
            raise DecisionError(f"{len(found)} people are called so: {listed}; use one of these public ids")
        one = session.get_one(Person, person.id)
        _keep_seats(session, one, found[0])
        queries.merge(session, one, found[0], actor=current_user().actor, reason=form.reason)
        return "They are one person now. The decision can be undone below."

    hint = "A public id (p_…), an e-mail address or the exact name."
    fields = [Field("other", "Is the same as", hint=hint, required=True)]
    return _decision_page(person, "Merge two people", fields, MergeForm, act, "They are one person")


@blueprint.route("/<public_id>/split", methods=["GET", "POST"])
@access("people.decide")
def split(public_id: str) -> Any:
    """Decide that some identities of a person are somebody else."""
    person = _canonical(public_id)
    with current_db().read() as session:
        record = queries.record_of(session, person)
    fields = [
        Field(
            seen.identity.public_id,
            f"{seen.identity.name} <{seen.identity.email}> ({seen.identity.source})",
            "checkbox",
        )
        for seen in record.identities
    ]

    def act(session: Session, form: ReasonForm) -> str:
        chosen = [
            session.get_one(Identity, seen.identity.id)
            for seen in record.identities
            if request.form.get(seen.identity.public_id)
        ]
        row = session.get_one(Person, person.id)
        queries.split(session, row, chosen, actor=current_user().actor, reason=form.reason)
        return "The chosen identities are another person now. Each decision can be undone below."

    lead = "Choose the identities that are somebody else."
    return _decision_page(person, "Split a person", fields, ReasonForm, act, "They are two people", lead=lead)


@blueprint.route("/<public_id>/role", methods=["GET", "POST"])
@access("people.decide")
def role(public_id: str) -> Any:
    """Decide that this is a bot, or a tool that assists."""
    person = _canonical(public_id)
    with current_db().read() as session:
        identities = [seen.identity for seen in queries.record_of(session, person).identities]
    fields = [
        Field(
            "identity",
            "Identity",
            "select",
            "",
            True,
            [(one.public_id, f"{one.name} <{one.email}>") for one in identities],
        ),
        Field(
            "kind",
            "Is",
            "select",
            "Bots and tools are counted apart and stay visible.",
            True,
            [
                ("bot", "a bot"),
                ("landing-bot-for", "a bot that lands other people's changes"),
                ("assistance", "an AI tool"),
            ],
        ),
        Field("landing_for", "Lands for", hint="The project, if it lands changes."),
    ]

    def act(session: Session, form: RoleForm) -> str:
        identity = session.scalar(sa.select(Identity).where(Identity.public_id == form.identity))
        if identity is None or identity.id not in {one.id for one in identities}:
            raise DecisionError("choose one of this person's identities")
        queries.decide(
            session,
            DecisionKind(form.kind),
            identity,
            actor=current_user().actor,
            reason=form.reason,
            landing_for=form.landing_for,
        )
        queries.resolve(session)
        return "It is counted apart from people now. The decision can be undone below."

    return _decision_page(person, "This is no person", fields, RoleForm, act, "Decide")


@blueprint.route("/decisions/<public_id>/undo", methods=["GET", "POST"])
@access("people.decide")
def undo(public_id: str) -> Any:
    """Take a decision back by one more line in the log."""
    with current_db().read() as session:
        found = session.scalar(sa.select(IdentityDecision).where(IdentityDecision.public_id == public_id))
        if found is None:
            abort(404)
        decision: IdentityDecision = found
        identity = session.get_one(Identity, decision.identity_id)
        row = session.get_one(IdentityPerson, identity.id)
        person = session.get_one(Person, row.person_id)

    def act(session: Session, form: ReasonForm) -> str:
        again = session.get_one(IdentityDecision, decision.id)
        _keep_seats(session, *queries.persons_of(session, again))
        queries.undo(session, again, actor=current_user().actor, reason=form.reason)
        return "The decision is undone; both lines stay in the log."

    lead = f"“{decision.kind.value}”, decided because: {decision.reason}"
    return _decision_page(person, "Undo a decision", [], ReasonForm, act, "Undo", lead=lead)


@blueprint.route("/<public_id>/rename", methods=["GET", "POST"])
@access("people.decide")
def rename(public_id: str) -> Any:
    """Call a person by another name."""
    person = _canonical(public_id)

    def act(session: Session, form: RenameForm) -> str:
        row = session.get_one(Person, person.id)
        queries.rename(session, row, form.name, actor=current_user().actor, reason=form.reason)
        return "The name is changed; identities stay as their sources wrote them."

    fields = [Field("name", "Name", required=True)]
    return _decision_page(person, "Change the name", fields, RenameForm, act, "Save", values={"name": person.name})


@blueprint.route("/<public_id>/hide", methods=["GET", "POST"])
@access("people.decide")
def hide(public_id: str) -> Any:
    """Take a person's name and addresses off all pages, or show them again."""
    person = _canonical(public_id)
    hidden = person.hidden_at is None

    def act(session: Session, form: ReasonForm) -> str:
        row = session.get_one(Person, person.id)
        queries.hide(session, row, hidden=hidden, actor=current_user().actor, reason=form.reason)
        if hidden:
            audit.forget(session, person.public_id)
        return "The person is hidden; counts stay." if hidden else "The person is shown again."

    title = "Hide this person" if hidden else "Show this person again"
    lead = "Name and addresses disappear from pages and exports; counts stay." if hidden else ""
    return _decision_page(person, title, [], ReasonForm, act, title, lead=lead, is_danger=hidden)


@blueprint.route("/<public_id>/invite", methods=["GET", "POST"])
@access("people.invite")
def invite(public_id: str) -> Any:
    """Make a link that signs this person in once, to hand over in person or by mail."""
    person = _canonical(public_id)
    if request.method == "GET":
        lead = f"The link works once, within {LINK_HOURS} hours, and whoever opens it is {person.name}."
        return _form(person, "Let them sign in", [], [], "Make the link", lead=lead)
    with current_db().write() as session:
        row = session.get_one(Person, person.id)
        row.claimed_at = row.claimed_at or clock_of(session).now()
        token = issue_link(session, row.public_id, "invitation", timedelta(hours=LINK_HOURS))
        audit.record(
            session,
            actor=current_user().actor,
            action="people.invite",
            thing=row.public_id,
            reason="a link to sign in was made",
        )
    link = url_for("house.sign_in_link", token=token, _external=True)
    return render_template("people/invited.html", person=person, link=link, hours=LINK_HOURS)


def _person(session: Session, public_id: str) -> Person:
    person = queries.person_by_public_id(session, public_id)
    if person is None:
        abort(404)
    return person


def _canonical(public_id: str) -> Person:
    with current_db().read() as session:
        return queries.canonical(session, _person(session, public_id))


def _back(public_id: str, said: str) -> Response:
    flash(said)
    return redirect(url_for("people.show", public_id=public_id))


def _form(
    person: Person,
    title: str,
    fields: list[Field],
    problems: list[pages.Problem],
    submit: str,
    *,
    lead: str = "",
    values: Any = None,
    is_danger: bool = False,
) -> Any:
    sent = request.form if request.method == "POST" else {**request.args.to_dict(), **(values or {})}
    crumbs = [("People", url_for("people.overview"))]
    crumbs.append((queries.shown_name(person), url_for("people.show", public_id=person.public_id)))
    return forms.page(
        title, fields, values=sent, submit=submit, lead=lead, crumbs=crumbs, problems=problems, is_danger=is_danger
    )


def _keep_seats(session: Session, *persons: Person) -> None:
    """Who is one person holds the seats of all: where there are seats, deciding that is for administrators.

    Raises: DecisionError for anybody else.
    """
    if current_user().is_administrator:
        return
    now, seats_of = clock_of(session).now(), auth.current_directory().seats_of
    seated = [one for one in persons if seats_of(session, one.id, now)]
    if seated:
        names = ", ".join(one.public_id for one in seated)
        raise DecisionError(f"{names} holds a seat, which would pass on; ask an administrator to decide it")


def _decision_page(
    person: Person,
    title: str,
    fields: list[Field],
    kind: Any,
    act: Any,
    submit: str,
    *,
    lead: str = "",
    values: Any = None,
    is_danger: bool = False,
) -> Any:
    """A form with a public reason: shows it, or does `act` in one transaction and returns to the person."""
    fields = [*fields, Field("reason", "Reason", "textarea", "Others can read it.", True)]
    problems: list[pages.Problem] = []
    if request.method == "POST":
        form, problems = forms.parse(kind, request.form)
        if form is not None:
            try:
                with current_db().write() as session:
                    said = act(session, form)
                    back = queries.canonical(session, session.get_one(Person, person.id)).public_id
                return _back(back, said)
            except DecisionError as error:
                problems = pages.problems([(fields[0].name, str(error))])
    return _form(person, title, fields, problems, submit, lead=lead, values=values, is_danger=is_danger)
