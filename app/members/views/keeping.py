"""The forms that keep an organization's records: all of them for staff, its own words for its representatives."""

from __future__ import annotations

from typing import Any

from app.auth import access, can, current_user
from app.db import clock_of, current_db
from app.forms import Field
from app.governance.queries import current
from app.members import queries
from app.members.forms import DomainForm, EndForm, MembershipForm, OrganizationForm, PersonForm, RecordForm
from app.members.models import Membership, Organization, OrganizationDomain
from app.members.rules import OrganizationKind
from app.members.views.room import REASON, SPAN, WHO_IS_SHOWN, ask, blueprint, organization_for, row_of
from app.people import queries as people
from app.people.forms import WHO

LAST_DAY = (Field("ends_on", "Last day", "date", "", True), REASON)
RECORD = (
    Field("name", "Name", required=True),
    Field("website", "Website", hint="https://…"),
    Field("description", "What they do", "textarea"),
    Field("contact", "Contact", hint="Where the foundation writes to. Only staff and who sits for it see this."),
)
A_DOMAIN = Field(
    "domain", "Domain", hint="Like acme.com. Freemail, noreply and local hosts are nobody’s.", required=True
)


@blueprint.route("/new", methods=["GET", "POST"])
@access("members.edit")
def new() -> Any:
    """Make an organization."""
    fields = (*_facts(None), REASON)
    return ask(None, "A new organization", "Enter it", "The organization is entered.", fields, OrganizationForm,
               queries.create_organization, finders={"parent": queries.organization_named})  # fmt: skip


@blueprint.route("/<public_id>/edit", methods=["GET", "POST"])
@access("members.keep")
def edit(public_id: str) -> Any:
    """Change an organization's facts: all of them, or its own words."""
    organization = organization_for("members.keep", public_id)
    values = {field.name: getattr(organization, field.name) for field in RECORD}
    if not can(current_user(), "members.edit").allowed:
        lead = "What you say of yourselves. Kind, owner, tier and dues are kept by the foundation’s staff."
        return ask(organization, "Edit", "Save", "The change is saved.", (*RECORD, REASON), RecordForm,
                   queries.keep_record, values=values, lead=lead, edits="organization")  # fmt: skip
    with current_db().read() as session:
        parent = session.get(Organization, organization.parent_id) if organization.parent_id else None
    values |= {"kind": organization.kind.value, "parent": parent.public_id if parent else ""}
    fields = (*_facts(organization), REASON)
    return ask(organization, "Edit", "Save", "The change is saved.", fields, OrganizationForm,
               queries.change_organization, values=values, edits="organization",
               finders={"parent": queries.organization_named})  # fmt: skip


@blueprint.route("/<public_id>/memberships/new", methods=["GET", "POST"])
@access("members.edit")
def start_membership(public_id: str) -> Any:
    """Begin a membership."""
    organization = organization_for("members.edit", public_id)
    with current_db().read() as session:
        today = clock_of(session).now().date()
        tiers = [
            (tier.key, f"{term.name}, {term.annual_dues_usd:,} USD a year")
            for tier in current(session).tiers
            if (term := tier.on(today))
        ]
    fields = (
        Field("tier", "Tier", "select", "", True, [("", ""), *tiers]),
        *SPAN,
        Field("dues_cents", "Dues a year (USD)", hint="The tier’s own on the first day, if empty."),
        REASON,
    )
    return ask(organization, "Start a membership", "Start it", "The membership is entered.", fields, MembershipForm,
               queries.start_membership)  # fmt: skip


@blueprint.route("/memberships/<public_id>/end", methods=["GET", "POST"])
@access("members.edit")
def end_membership(public_id: str) -> Any:
    """Set the last day of a membership."""
    row = row_of(Membership, public_id)
    return ask(_owner(row), "End a membership", "End it", "It ends on that day; its history stays.", LAST_DAY, EndForm,
               queries.end_membership, given=lambda session: {"membership": session.get_one(Membership, row.id)},
               edits="membership", is_danger=True)  # fmt: skip


@blueprint.route("/<public_id>/domains/new", methods=["GET", "POST"])
@access("members.keep")
def add_domain(public_id: str) -> Any:
    """Enter an e-mail domain; a representative proposes it."""
    organization = organization_for("members.keep", public_id)
    fields = (A_DOMAIN, *SPAN, REASON)
    if not can(current_user(), "members.edit").allowed:
        lead = "A domain decides whose people strangers are, so staff look at it before it counts."
        return ask(organization, "Propose an e-mail domain", "Propose it", "It waits for staff.", fields, DomainForm,
                   queries.propose_domain, lead=lead)  # fmt: skip
    said = "People with addresses there now count as theirs, where nothing stronger says else."
    return ask(organization, "An e-mail domain", "Enter it", said, fields, DomainForm, queries.add_domain)


@blueprint.route("/domains/<public_id>/end", methods=["GET", "POST"])
@access("members.keep")
def end_domain(public_id: str) -> Any:
    """Set the last day on which a domain is the organization's."""
    row = row_of(OrganizationDomain, public_id)
    owner = organization_for("members.keep", _owner(row).public_id)
    is_staff = can(current_user(), "members.edit").allowed
    change = queries.end_domain if is_staff else queries.end_own_domain
    lead = "" if is_staff else "Today or later, and once: another last day is the foundation’s staff’s to set."
    return ask(owner, f"{row.domain} is no longer theirs", "End it", "The domain counts until that day.", LAST_DAY,
               EndForm, change, lead=lead, is_danger=True,
               given=lambda session: {"domain": session.get_one(OrganizationDomain, row.id)})  # fmt: skip


@blueprint.route("/<public_id>/people/new", methods=["GET", "POST"])
@access("members.keep")
def affiliate(public_id: str) -> Any:
    """State that a person works there; a representative proposes it."""
    organization = organization_for("members.keep", public_id)
    if not can(current_user(), "members.edit").allowed:
        lead = "It counts once the person, or staff, say so too: whom somebody works for is theirs to say."
        return ask(organization, "Propose a person who works there", "Propose it", "It waits for their answer.",
                   (WHO_IS_SHOWN, *SPAN, REASON), PersonForm, queries.propose_person, lead=lead,
                   finders={"person": people.one_shown_person})  # fmt: skip
    return ask(organization, "A person who works there", "State it", "It counts at once.", (WHO, *SPAN, REASON),
               PersonForm, queries.state_person, finders={"person": people.one_person})  # fmt: skip


def _facts(organization: Organization | None) -> list[Field]:
    with current_db().read() as session:
        others = [one for one in queries.organizations(session) if organization is None or one.id != organization.id]
    kinds = [("", ""), *((kind.value, kind.value) for kind in OrganizationKind)]
    owners = [("", "nobody"), *((one.public_id, one.name) for one in others)]
    hint = "Who owns more than half of it; the two count as one member."
    name, *rest = RECORD
    return [
        name,
        Field("kind", "Kind", "select", "", True, kinds),
        Field("parent", "Owned by", "select", hint, options=owners),
        *rest,
    ]


def _owner(row: Membership | OrganizationDomain) -> Organization:
    with current_db().read() as session:
        return session.get_one(Organization, row.organization_id)
