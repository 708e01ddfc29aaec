"""Pages of people: the list, a person's record, and the forms by which staff and people themselves put it right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import answers, audit, auth, forms, pages, parameters
from app.auth import access, can, current_user, permission
from app.checks import Broken, Checked, Rule, UnfoundError
from app.db import clock_of, current_db
from app.forms import Field
from app.people import queries
from app.people.forms import WHO, EnterForm, MergeForm, ReasonForm, RenameForm, RoleForm, StatementForm
from app.people.models import Affiliation, Identity, IdentityDecision, Person
from app.people.rules import DecisionKind, StatementSource, masked, public_login
from app.sessions import issue_link
from app.settings import current_settings

blueprint = Blueprint("people", __name__, url_prefix="/people")
answers.keep_pages(blueprint, "figures", "resolutions", only=("people.overview", "people.show"))
nav = [
    pages.Nav("members", "People", "people.overview", order=20),
    pages.Nav("staff", "One person or two?", "people.proposals", order=40),
    pages.Nav("staff", "Decisions about people", "people.decisions", order=41),
    pages.Nav("staff", "What readers say is wrong", "people.remarks", order=42),
]
LINK_HOURS = 24
PAGE_SIZE = 60
INDEPENDENT = "independent"
REASON = Field("reason", "Reason", "textarea", "Others can read it.", True)
ROLES = (
    ("bot", "a bot"),
    ("landing-bot-for", "a bot that lands other people’s changes"),
    ("assistance", "an AI tool"),
    ("person", "a person after all"),
)

permission("people.decide")(auth.staff_only)
permission("people.invite")(auth.administrators_only)
permission("people.hide")(auth.own_or_staff("decide whether their own name is shown"))
permission("people.state")(auth.own_or_staff("say whom they work for"))


@blueprint.get("/")
@access("public")
def overview() -> str:
    """Everybody who is not hidden, with their employer of today; bots and tools apart."""
    search = request.args.get("q", "").strip()[:100]
    kind = parameters.choice("kind", ["people", "machines"], default="people")
    answers.may_share()
    with current_db().read() as session:
        page = pages.Page.from_request(queries.count_people(session, search=search, kind=kind), size=PAGE_SIZE)
        today = clock_of(session).now().date()
        listed = queries.list_people(session, today, search=search, kind=kind, offset=page.offset, limit=page.size)
        return render_template("people/overview.html", listed=listed, page=page, search=search, kind=kind)


@answers.own("people.enter", only_with="people.decide")
def way_to_enter() -> str:
    """The way to enter somebody."""
    return Markup('<a class="button plain" href="{}">Enter a person</a>').format(url_for("people.new"))


@blueprint.route("/new", methods=["GET", "POST"])
@access("people.decide")
def new() -> Any:
    """Enter somebody who is known by a name and an address: the author of a first change, say."""
    fields = [
        Field("name", "Name", required=True),
        Field("email", "E-mail", "email", "As the commits have it.", True),
        REASON,
    ]
    lead = "Commits under the address then have an author. If they are here already, merge the two afterwards."
    crumbs = [("People", url_for("people.overview"))]
    page = forms.Page("Enter a person", "Enter them", fields, lead, crumbs, request.args.to_dict())

    def done(session: Session, made: Person) -> tuple[str, str]:
        queries.resolve(session)
        target = queries.canonical(session, made).public_id
        return url_for("people.show", public_id=target), "The person is entered."

    return forms.ask(page, EnterForm, queries.enter_person, given=lambda _session: {}, done=done)


@blueprint.get("/<public_id>")
@access("public")
def show(public_id: str) -> str | Response:
    """A person's record; a person who turned out to be another leads there."""
    with current_db().read() as session:
        person = queries.person_by_public_id(session, public_id) or abort(404)
        found = queries.canonical(session, person)
        if found.id != person.id:
            return redirect(url_for("people.show", public_id=found.public_id))
        user = current_user()
        is_staff = can(user, "people.decide").allowed
        is_own = user.person_id == person.id
        answers.may_keep(for_each=not (is_staff or is_own))
        return render_template(
            "people/person.html",
            record=queries.record_of(session, person),
            namesakes=queries.namesakes(session, person) if is_staff else (),
            cards=pages.filled("person", session, user, person),
            is_staff=is_staff,
            is_own=is_own,
            sees_all=is_staff or is_own,
            masked=masked,
            public_login=public_login,
        )


@blueprint.route("/<public_id>/affiliations/new", methods=["GET", "POST"])
@access("people.state")
def state(public_id: str) -> Any:
    """State whom a person works for, from when until when."""
    person = _canonical(public_id)
    auth.require("people.state", person.id)
    is_own = current_user().person_id == person.id
    with current_db().read() as session:
        organizations = queries.organization_names(session)
    choices = [("", ""), (INDEPENDENT, "nobody: independent"), *((o.public_id, o.name) for o in organizations.values())]
    fields = [
        Field("organization_id", "Works for", "select", "Staff enter who is missing: tell them on the person’s page.",
              True, choices),
        Field("starts_on", "From", "date", "The first day.", True),
        Field("ends_on", "Until", "date", "The last day; leave it empty while it lasts."),
        Field("is_part", "A part beside another employer", "checkbox",
              "Caps count it too; the day’s work counts for the other one."),
        Field("reason", "How this is known", hint="A link or a sentence; others can read it."),
    ]  # fmt: skip
    before: dict[str, int] = {}

    def rows(session: Session) -> dict[str, Any]:
        before.update(queries.attributed_to(session, person.id))
        return {"person": session.get_one(Person, person.id)}

    def effect(session: Session) -> str:
        return queries.told_effect(before, queries.attributed_to(session, person.id))

    def employer(_session: Session, text: str) -> int | None:
        number = {INDEPENDENT: None, **{one.public_id: row for row, one in organizations.items()}}
        if text not in number:
            raise UnfoundError("is none of the choices")
        return number[text]

    source = StatementSource.SELF if is_own else StatementSource.STAFF
    lead = "Your own word outranks every other source." if is_own else "The person’s own word outranks yours."
    return ask_about(person, "Where you work" if is_own else "Where they work", "State it", fields, StatementForm,
                queries.state, lead=lead, finders={"organization_id": employer}, more={"source": source}, given=rows,
                said=effect)  # fmt: skip


@blueprint.route("/affiliations/<public_id>/withdraw", methods=["GET", "POST"])
@access("people.state")
def withdraw(public_id: str) -> Any:
    """Take a statement back; it stays in the history."""
    with current_db().read() as session:
        statement = session.scalar(sa.select(Affiliation).where(Affiliation.public_id == public_id)) or abort(404)
        person = queries.canonical(session, session.get_one(Person, statement.person_id))
    auth.require("people.state", person.id)
    if statement.source is StatementSource.SELF and current_user().person_id != person.id:
        abort(403, description="Only the person can take their own word back; state what you know beside it.")
    return ask_about(person, "Withdraw a statement", "Withdraw", [REASON], ReasonForm, queries.withdraw, is_danger=True,
                given=lambda session: {"statement": session.get_one(Affiliation, statement.id)},
                said="The statement is withdrawn; it stays in the history.")  # fmt: skip


@blueprint.route("/<public_id>/merge", methods=["GET", "POST"])
@access("people.decide")
def merge(public_id: str) -> Any:
    """Decide that two persons are one."""
    person = _canonical(public_id)

    def both_may_be_decided(session: Session, one: Person, other: Person) -> Broken:
        return keeps_seats(session, "other", one, other)

    fields = [replace(WHO, name="other", label="Is the same as"), REASON]
    return ask_about(person, "Merge two people", "They are one person", fields, MergeForm, queries.merge,
                rules=[both_may_be_decided], finders={"other": queries.one_person},
                given=lambda session: {"one": session.get_one(Person, person.id)},
                said="They are one person now. The decision can be undone below.")  # fmt: skip


@blueprint.route("/<public_id>/split", methods=["GET", "POST"])
@access("people.decide")
def split(public_id: str) -> Any:
    """Decide that some identities of a person are somebody else."""
    person = _canonical(public_id)
    with current_db().read() as session:
        seen = [one.identity for one in queries.record_of(session, person).identities]
    fields = [Field(one.public_id, f"{one.name} <{one.email}> ({one.source})", "checkbox") for one in seen]

    def rows(session: Session) -> dict[str, Any]:
        chosen = [session.get_one(Identity, one.id) for one in seen if request.form.get(one.public_id)]
        return {"person": session.get_one(Person, person.id), "identities": chosen}

    return ask_about(person, "Split a person", "They are two people", [*fields, REASON], ReasonForm, queries.split,
                given=rows, lead="Choose the identities that are somebody else.",
                said="The chosen identities are another person now. Each decision can be undone below.")  # fmt: skip


@blueprint.route("/<public_id>/role", methods=["GET", "POST"])
@access("people.decide")
def role(public_id: str) -> Any:
    """Decide that this is a bot, or a tool that assists."""
    person = _canonical(public_id)
    with current_db().read() as session:
        identities = {one.identity.public_id: one.identity for one in queries.record_of(session, person).identities}
    listed = [(key, f"{one.name} <{one.email}>") for key, one in identities.items()]
    fields = [
        Field("identity", "Identity", "select", "", True, listed),
        Field("kind", "Is", "select", "Bots and tools are counted apart and stay visible.", True, ROLES),
        Field("landing_for", "Lands for", hint="The project, if it lands changes."),
        REASON,
    ]

    def own_identity(session: Session, text: str) -> Identity:
        if text not in identities:
            raise UnfoundError("is none of this person’s")
        return session.get_one(Identity, identities[text].id)

    return ask_about(person, "This is no person", "Decide", fields, RoleForm, queries.decide,
                finders={"identity": own_identity, "kind": lambda _session, text: DecisionKind(text)},
                given=lambda _session: {}, then=queries.resolve,
                said="It is counted apart from people now. The decision can be undone below.")  # fmt: skip


@blueprint.route("/decisions/<public_id>/undo", methods=["GET", "POST"])
@access("people.decide")
def undo(public_id: str) -> Any:
    """Take a decision back by one more line in the log."""
    with current_db().read() as session:
        wanted = sa.select(IdentityDecision).where(IdentityDecision.public_id == public_id)
        decision = session.scalar(wanted) or abort(404)
        person = queries.whose(session, decision.identity_id)

    def all_may_be_decided(session: Session, decision: IdentityDecision) -> Broken:
        return keeps_seats(session, "reason", *queries.persons_of(session, decision))

    return ask_about(person, "Undo a decision", "Undo", [REASON], ReasonForm, queries.undo, rules=[all_may_be_decided],
                given=lambda session: {"decision": session.get_one(IdentityDecision, decision.id)},
                lead=f"“{decision.kind.value}”, decided because: {decision.reason}",
                said="The decision is undone; both lines stay in the log.")  # fmt: skip


@blueprint.route("/<public_id>/rename", methods=["GET", "POST"])
@access("people.decide")
def rename(public_id: str) -> Any:
    """Call a person by another name."""
    person = _canonical(public_id)
    return ask_about(person, "Change the name", "Save", [Field("name", "Name", required=True), REASON], RenameForm,
                queries.rename, edits="person", values={"name": person.name},
                said="The name is changed; identities stay as their sources wrote them.")  # fmt: skip


@blueprint.route("/<public_id>/hide", methods=["GET", "POST"])
@access("people.hide")
def hide(public_id: str) -> Any:
    """Take a person's name and addresses off all pages, or show them again: their own word, or staff's."""
    person = _canonical(public_id)
    auth.require("people.hide", person.id)
    is_own, hidden = current_user().person_id == person.id, person.hidden_at is None

    def forget(session: Session) -> None:
        if hidden:
            audit.forget(session, person.public_id)

    whom = "me" if is_own else "this person"
    title = f"Hide {whom}" if hidden else f"Show {whom} again"
    values = {"reason": "I ask for it."} if is_own else {}
    lead = _what_hiding_does(person, is_own=is_own) if hidden else ""
    return ask_about(person, title, title, [REASON], ReasonForm, queries.hide, edits="person", then=forget,
                lead=lead, more={"hidden": hidden}, is_danger=hidden, values=values,
                said=_said_of_hiding(is_own=is_own, hidden=hidden))  # fmt: skip


@blueprint.route("/<public_id>/invite", methods=["GET", "POST"])
@access("people.invite")
def invite(public_id: str) -> Any:
    """Make a link that signs this person in once, to hand over in person or by mail."""
    person = _canonical(public_id)
    if request.method != "POST":
        lead = f"The link works once, within {LINK_HOURS} hours, and whoever opens it is {person.name}."
        return forms.Page("Let them sign in", "Make the link", lead=lead, crumbs=_crumbs(person)).show()
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
    link = current_settings().base_url + url_for("house.sign_in_link", token=token)
    return render_template("people/invited.html", person=person, link=link, hours=LINK_HOURS)


def _what_hiding_does(person: Person, *, is_own: bool) -> str:
    """What disappears, and what would not: work under names of which nobody has said yet that they are theirs."""
    lead = "Name and addresses disappear from pages and exports; counts stay."
    with current_db().read() as session:
        asked = queries.count_questions(session, queries.Wanted(person=person.id))
    if not asked:
        return lead
    others = f"{asked} other identities look" if asked > 1 else "Another identity looks"
    whose, where = ("yours", "on your account page") if is_own else ("this person’s", "under “Proposals”")
    return f"{lead} {others} like {whose} and would stay on the pages; say first {where} whose work that is."


def _said_of_hiding(*, is_own: bool, hidden: bool) -> str:
    if is_own:
        return "Your name and addresses are on no page now; counts stay." if hidden else "Your name is shown again."
    return "The person is hidden; counts stay." if hidden else "The person is shown again."


def _canonical(public_id: str) -> Person:
    with current_db().read() as session:
        return queries.canonical(session, queries.person_by_public_id(session, public_id) or abort(404))


def _crumbs(person: Person) -> list[tuple[str, str]]:
    own = (queries.shown_name(person), url_for("people.show", public_id=person.public_id))
    return [("People", url_for("people.overview")), own]


def keeps_seats(session: Session, where: str, *persons: Person) -> Broken:
    """A rule: who is one person holds the seats of all, so where there are seats administrators decide that."""
    now, seats_of = clock_of(session).now(), auth.current_directory().seats_of
    seated = [] if current_user().is_administrator else [one for one in persons if seats_of(session, one.id, now)]
    if seated:
        names = ", ".join(one.public_id for one in seated)
        yield where, f"{names} holds a seat, which would pass on; ask an administrator to decide it"


def ask_about(
    person: Person,
    title: str,
    submit: str,
    fields: Sequence[Field],
    kind: type[forms.Form],
    change: Checked[..., Any],
    *,
    said: str | Callable[[Session], str],
    rules: Sequence[Rule] = (),
    lead: str = "",
    values: Mapping[str, Any] | None = None,
    is_danger: bool = False,
    given: Callable[[Session], Mapping[str, Any]] | None = None,
    more: Mapping[str, Any] | None = None,
    then: Callable[[Session], Any] | None = None,
    **options: Any,
) -> Any:
    """A form about a person: the change gets the row (or what is `given`) and `more`; it returns to the person."""
    shown = {**request.args.to_dict(), **(values or {})}
    page = forms.Page(title, submit, fields, lead, _crumbs(person), shown, is_danger)

    def rows(session: Session) -> Mapping[str, Any]:
        return {**(given(session) if given else {"person": session.get_one(Person, person.id)}), **(more or {})}

    def done(session: Session, _made: Any) -> tuple[str, str]:
        if then:
            then(session)
        now = queries.canonical(session, session.get_one(Person, person.id))
        return url_for("people.show", public_id=now.public_id), said if isinstance(said, str) else said(session)

    return forms.ask(page, kind, change.also(*rules), given=rows, done=done, **options)
