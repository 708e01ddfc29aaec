"""Pages of members: the list by tier, one organization's record, and the forms by which staff keep both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import auth, charts, forms, pages
from app.auth import Decision, User, access, can, current_user, permission
from app.db import clock_of, current_db
from app.forms import Field
from app.governance.queries import current, is_governed
from app.members import queries
from app.members.forms import DomainForm, EndForm, MembershipForm, OrganizationForm, PersonForm
from app.members.models import Membership, Organization, OrganizationDomain
from app.members.queries import MemberError
from app.members.rules import OrganizationKind, group_of
from app.people import queries as people
from app.people.models import Person
from app.people.rules import StatementSource

blueprint = Blueprint("members", __name__, url_prefix="/organizations")
nav = [pages.Nav("members", "Organizations", "members.overview", order=10)]
PEOPLE_SHOWN = 200
MONTHS_SHOWN = 36

permission("members.edit")(auth.staff_only)


@permission("members.dues")
def may_see_dues(user: User, thing: Any) -> Decision:
    """Staff see all dues; who holds a seat for an organization sees its own (`thing`: its public id)."""
    if any(seat.organization is not None and thing in (None, seat.organization) for seat in user.seats):
        return Decision(True, "who sits for an organization sees its dues")
    return auth.staff_only(user)


@blueprint.get("/")
@access("public")
def overview() -> str:
    """Members by tier on a day, how their number grew, and everybody who is no member."""
    with current_db().read() as session:
        today = clock_of(session).now().date()
        day = pages.day_from_request(today)
        listed = queries.members_on(session, day)
        order = [tier.key for tier in current(session).tiers] if is_governed(session) else []
        groups = [
            (key, members[0].tier.name if members[0].tier else key, members)
            for key in order
            if (members := [one for one in listed if one.membership and one.membership.tier_key == key])
        ]
        labels, growth = queries.growth(session, day, months=MONTHS_SHOWN)
        series = [charts.Series(name, values) for name, values in growth]
        return render_template(
            "members/overview.html",
            day=day,
            today=today,
            groups=groups,
            others=[one for one in listed if one.membership is None],
            chart=charts.stacked_area("Members by tier", labels, series, unit="members") if len(labels) > 1 else "",
            table=charts.figures_table("Members by tier", labels, series) if len(labels) > 1 else "",
            total=sum(one.membership is not None for one in listed),
        )


@pages.card(order=40)
def members_card(session: Session, _user: User) -> pages.Card | None:
    """Members of today by tier; nothing while there are none."""
    today = clock_of(session).now().date()
    names = [one.tier.name for one in queries.members_on(session, today) if one.tier is not None]
    if not names:
        return None
    tiers = [(term.name, names.count(term.name)) for tier in current(session).tiers if (term := tier.on(today))]
    values = {"tiers": [pair for pair in tiers if pair[1]], "total": len(names)}
    return pages.Card("Members", "members/_card.html", values, url=url_for("members.overview"))


@blueprint.get("/<public_id>")
@access("public")
def show(public_id: str) -> str:
    """An organization's record."""
    with current_db().read() as session:
        organization = _organization(session, public_id)
        today = clock_of(session).now().date()
        memberships = queries.memberships_of(session, organization)
        parents = queries.parents(session)
        group = group_of(organization.id, parents)
        related = [
            one
            for one in queries.organizations(session)
            if one.id != organization.id and group_of(one.id, parents) == group
        ]
        user = current_user()
        employed = people.people_of(session, organization.id, limit=PEOPLE_SHOWN)
        return render_template(
            "members/organization.html",
            organization=organization,
            member=next(one for one in queries.members_on(session, today) if one.organization.id == organization.id),
            memberships=[(one, _tier_names(session, one, today)) for one in memberships],
            domains=queries.domains_of(session, organization),
            related=related,
            present=[pair for pair in employed if pair[1].ends_on is None or pair[1].ends_on >= today],
            past=[pair for pair in employed if pair[1].ends_on is not None and pair[1].ends_on < today],
            cards=pages.filled("organization", session, user, organization),
            is_staff=can(user, "members.edit").allowed,
            sees_dues=can(user, "members.dues", organization.public_id).allowed,
            today=today,
        )


@blueprint.route("/new", methods=["GET", "POST"])
@access("members.edit")
def new() -> Any:
    """Make an organization."""

    def act(session: Session, form: OrganizationForm) -> tuple[Organization, str]:
        made = queries.create_organization(
            session,
            form.name,
            kind=form.kind,
            parent=_parent(session, form),
            website=form.website,
            description=form.description,
            actor=current_user().actor,
            reason=form.reason,
        )
        return made, f"{made.name} is entered."

    return _page(None, "A new organization", _organization_fields(None), OrganizationForm, act, "Enter it")


@blueprint.route("/<public_id>/edit", methods=["GET", "POST"])
@access("members.edit")
def edit(public_id: str) -> Any:
    """Change an organization's own facts."""
    with current_db().read() as session:
        organization = _organization(session, public_id)
        parent = session.get(Organization, organization.parent_id) if organization.parent_id else None

    def act(session: Session, form: OrganizationForm) -> tuple[Organization, str]:
        row = _organization(session, public_id)
        queries.change_organization(
            session,
            row,
            name=form.name,
            kind=form.kind,
            parent=_parent(session, form),
            website=form.website,
            description=form.description,
            actor=current_user().actor,
            reason=form.reason,
        )
        return row, "The change is saved."

    values = {
        "name": organization.name,
        "kind": organization.kind.value,
        "parent": parent.public_id if parent else "",
        "website": organization.website,
        "description": organization.description,
    }
    fields = _organization_fields(organization)
    return _page(organization, "Edit", fields, OrganizationForm, act, "Save", values=values)


@blueprint.route("/<public_id>/memberships/new", methods=["GET", "POST"])
@access("members.edit")
def start_membership(public_id: str) -> Any:
    """Begin a membership."""
    with current_db().read() as session:
        organization = _organization(session, public_id)
        today = clock_of(session).now().date()
        tiers = [
            (tier.key, f"{term.name}, {term.annual_dues_usd:,} USD a year")
            for tier in current(session).tiers
            if (term := tier.on(today))
        ]
    fields = [
        Field("tier", "Tier", "select", "", True, [("", ""), *tiers]),
        Field("starts_on", "From", "date", "The first day.", True),
        Field("ends_on", "Until", "date", "The last day; leave it empty while it lasts."),
        Field("dues", "Dues a year (USD)", hint="The tier's own on the first day, if empty."),
    ]

    def act(session: Session, form: MembershipForm) -> tuple[Organization, str]:
        row = _organization(session, public_id)
        queries.start_membership(
            session,
            row,
            form.tier,
            starts_on=form.starts_on,
            ends_on=form.ends_on,
            dues_cents=form.dues_cents,
            actor=current_user().actor,
            reason=form.reason,
        )
        return row, "The membership is entered."

    return _page(organization, "Start a membership", fields, MembershipForm, act, "Start it")


@blueprint.route("/memberships/<public_id>/end", methods=["GET", "POST"])
@access("members.edit")
def end_membership(public_id: str) -> Any:
    """Set the last day of a membership."""
    with current_db().read() as session:
        membership = _found(session, Membership, public_id)
        organization = session.get_one(Organization, membership.organization_id)

    def act(session: Session, form: EndForm) -> tuple[Organization, str]:
        row = session.get_one(Membership, membership.id)
        queries.end_membership(session, row, form.ends_on, actor=current_user().actor, reason=form.reason)
        return organization, "The membership ends on that day; its history stays."

    fields = [Field("ends_on", "Last day", "date", "", True)]
    return _page(organization, "End a membership", fields, EndForm, act, "End it", is_danger=True)


@blueprint.route("/<public_id>/domains/new", methods=["GET", "POST"])
@access("members.edit")
def add_domain(public_id: str) -> Any:
    """Enter an e-mail domain."""
    with current_db().read() as session:
        organization = _organization(session, public_id)
    fields = [
        Field("domain", "Domain", hint="Like acme.com. Freemail, noreply and local hosts are nobody's.", required=True),
        Field("starts_on", "From", "date", "", True),
        Field("ends_on", "Until", "date", "The last day, if it was sold or given up."),
    ]

    def act(session: Session, form: DomainForm) -> tuple[Organization, str]:
        row = _organization(session, public_id)
        queries.add_domain(
            session,
            row,
            form.domain,
            starts_on=form.starts_on,
            ends_on=form.ends_on,
            actor=current_user().actor,
            reason=form.reason,
        )
        return row, "People with addresses there now count as theirs, where nothing stronger says else."

    return _page(organization, "An e-mail domain", fields, DomainForm, act, "Enter it")


@blueprint.route("/domains/<public_id>/end", methods=["GET", "POST"])
@access("members.edit")
def end_domain(public_id: str) -> Any:
    """Set the last day on which a domain is the organization's."""
    with current_db().read() as session:
        domain = _found(session, OrganizationDomain, public_id)
        organization = session.get_one(Organization, domain.organization_id)

    def act(session: Session, form: EndForm) -> tuple[Organization, str]:
        row = session.get_one(OrganizationDomain, domain.id)
        queries.end_domain(session, row, form.ends_on, actor=current_user().actor, reason=form.reason)
        return organization, "The domain counts until that day."

    fields = [Field("ends_on", "Last day", "date", "", True)]
    return _page(organization, f"{domain.domain} is no longer theirs", fields, EndForm, act, "End it", is_danger=True)


@blueprint.route("/<public_id>/people/new", methods=["GET", "POST"])
@access("members.edit")
def affiliate(public_id: str) -> Any:
    """State that a person works there."""
    with current_db().read() as session:
        organization = _organization(session, public_id)
    fields = [
        Field("person", "Person", hint="A public id (p_…), an e-mail address or the exact name.", required=True),
        Field("starts_on", "From", "date", "", True),
        Field("ends_on", "Until", "date", "The last day; leave it empty while it lasts."),
    ]

    def act(session: Session, form: PersonForm) -> tuple[Organization, str]:
        found = [people.canonical(session, one) for one in people.find_person(session, form.person)]
        if form.ends_on is not None and form.ends_on < form.starts_on:
            raise MemberError([("ends_on", f"is before the first day, {form.starts_on}")])
        if len(found) != 1:
            listed = ", ".join(one.public_id for one in found)
            text = f"{len(found)} people are called so: {listed}" if found else "nobody is found so; look at /people"
            raise MemberError([("person", text)])
        person: Person = found[0]
        people.state(
            session,
            person,
            organization.id,
            starts_on=form.starts_on,
            ends_on=form.ends_on,
            source=StatementSource.STAFF,
            actor=current_user().actor,
            reason=form.reason,
        )
        return organization, f"{people.shown_name(person)} counts for {organization.name} now."

    return _page(organization, "A person who works there", fields, PersonForm, act, "State it")


def _tier_names(session: Session, membership: Membership, today: date) -> str:
    """What the tier was called when the membership began and, if it was renamed since, at its end or today."""
    days = (membership.starts_on, min(membership.ends_on or today, today))
    names = [term.name for day in days if (term := queries.term_of(session, membership.tier_key, day))]
    return ", later ".join(dict.fromkeys(names)) or membership.tier_key


def _organization_fields(organization: Organization | None) -> list[Field]:
    with current_db().read() as session:
        others = [one for one in queries.organizations(session) if organization is None or one.id != organization.id]
    kinds = [("", ""), *((kind.value, kind.value) for kind in OrganizationKind)]
    owners = [("", "nobody"), *((one.public_id, one.name) for one in others)]
    return [
        Field("name", "Name", required=True),
        Field("kind", "Kind", "select", "", True, kinds),
        Field(
            "parent",
            "Owned by",
            "select",
            "Who owns more than half of it; the two count as one member.",
            options=owners,
        ),
        Field("website", "Website", hint="https://…"),
        Field("description", "What they do", "textarea"),
    ]


def _parent(session: Session, form: OrganizationForm) -> Organization | None:
    if not form.parent:
        return None
    parent = queries.organization_by_public_id(session, form.parent)
    if parent is None:
        raise MemberError([("parent", "is none of the choices")])
    return parent


def _organization(session: Session, public_id: str) -> Organization:
    found = queries.organization_by_public_id(session, public_id)
    if found is None:
        abort(404)
    return found


def _found(session: Session, model: Any, public_id: str) -> Any:
    row = session.scalar(sa.select(model).where(model.public_id == public_id))
    if row is None:
        abort(404)
    return row


def _page(
    organization: Organization | None,
    title: str,
    fields: list[Field],
    kind: Any,
    act: Callable[[Session, Any], tuple[Organization, str]],
    submit: str,
    *,
    values: dict[str, Any] | None = None,
    is_danger: bool = False,
) -> Any:
    """A form with a reason: shows it, or acts in one transaction and returns to the organization."""
    fields = [
        *fields,
        Field("reason", "Reason", "textarea", "Kept in the audit log; others can read it.", True, rows=2),
    ]
    problems: list[pages.Problem] = []
    if request.method == "POST":
        form, problems = forms.parse(kind, request.form)
        if form is not None:
            try:
                with current_db().write() as session:
                    back, said = act(session, form)
                    public_id = back.public_id
                flash(said)
                return _to(public_id)
            except MemberError as error:
                problems = pages.problems(error.problems)
    crumbs = [("Organizations", url_for("members.overview"))]
    if organization is not None:
        crumbs.append((organization.name, url_for("members.show", public_id=organization.public_id)))
    sent = request.form if request.method == "POST" else (values or {"starts_on": _today().isoformat()})
    return forms.page(title, fields, values=sent, submit=submit, crumbs=crumbs, problems=problems, is_danger=is_danger)


def _to(public_id: str) -> Response:
    return redirect(url_for("members.show", public_id=public_id))


def _today() -> date:
    return current_db().clock.now().date()
