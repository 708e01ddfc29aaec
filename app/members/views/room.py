"""The members' room: its place in the navigation, who may do what in it, and how its forms look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, url_for
from sqlalchemy.orm import Session

from app import answers, auth, forms, pages
from app.auth import Decision, User, permission
from app.db import current_db
from app.forms import Field
from app.members import queries
from app.members.models import Organization

blueprint = Blueprint("members", __name__, url_prefix="/organizations")
answers.keep_pages(blueprint, "figures", "resolutions", only=("members.overview", "members.show"))
nav = [
    pages.Nav("members", "Organizations", "members.overview", order=10),
    pages.Nav("staff", "Members’ proposals", "members.waiting", order=45),
]
REASON = Field("reason", "Reason", "textarea", "Kept in the audit log; others can read it.", True, rows=2)
SPAN = (
    Field("starts_on", "From", "date", "The first day.", True),
    Field("ends_on", "Until", "date", "The last day; leave it empty while it lasts."),
)
WHO_IS_SHOWN = Field("person", "Person", hint="A public id (p_…) or the exact name; addresses are staff’s to look up.",
                     required=True)  # fmt: skip

permission("members.edit")(auth.staff_only)


def represents(user: User, organization: str | None) -> bool:
    """Whether the user sits for this organization now (None: for any), as the holder of a seat and no alternate."""
    mine = [seat.organization for seat in user.seats if seat.organization is not None and seat.kind != "alternate"]
    return bool(mine) if organization is None else organization in mine


@permission("members.keep")
def may_keep(user: User, thing: Any) -> Decision:
    """Staff keep every record; who holds a seat for an organization keeps its own (`thing`: its public id)."""
    if represents(user, thing):
        return Decision(True, "who sits for an organization keeps its record")
    if auth.staff_only(user).allowed:
        return Decision(True, "staff may")
    return Decision(False, "only staff, and who holds a seat for this very organization, may; an alternate may not")


# Of a domain's proposals (`thing`: 0) nobody is the person.
permission("members.settle")(auth.own_or_staff("say whom they work for"))


@permission("members.dues")
def may_see_dues(user: User, thing: Any) -> Decision:
    """Staff see all dues; who holds a seat for an organization sees its own (`thing`: its public id)."""
    if any(seat.organization is not None and thing in (None, seat.organization) for seat in user.seats):
        return Decision(True, "who sits for an organization sees its dues")
    return auth.staff_only(user)


def found_organization(session: Session, public_id: str) -> Organization:
    """The organization of an address, or 404."""
    return queries.organization_by_public_id(session, public_id) or abort(404)


def organization_for(action: str, public_id: str) -> Organization:
    """The organization of an address if the user may do this to it; otherwise 404 or 403."""
    with current_db().read() as session:
        organization = found_organization(session, public_id)
    auth.require(action, organization.public_id)
    return organization


def row_of(model: Any, public_id: str) -> Any:
    """A row of this room by its public id, or 404."""
    with current_db().read() as session:
        return session.scalar(sa.select(model).where(model.public_id == public_id)) or abort(404)


def ask(
    organization: Organization | None,
    title: str,
    submit: str,
    said: str,
    fields: Sequence[Field],
    kind: type[forms.Form],
    change: Any,
    *,
    values: Mapping[str, Any] | None = None,
    lead: str = "",
    is_danger: bool = False,
    given: Callable[[Session], Mapping[str, Any]] | None = None,
    **more: Any,
) -> Any:
    """A form of an organization's records; the change gets its row, and the page returns to it."""
    crumbs = [("Organizations", url_for("members.overview"))]
    if organization is not None:
        crumbs.append((organization.name, url_for("members.show", public_id=organization.public_id)))
    shown = {"starts_on": current_db().clock.now().date().isoformat(), **(values or {})}
    page = forms.Page(title, submit, fields, lead, crumbs, shown, is_danger)

    def rows(session: Session) -> Mapping[str, Any]:
        own = {} if organization is None else {"organization": session.get_one(Organization, organization.id)}
        return given(session) if given else own

    def done(_session: Session, made: Any) -> tuple[str, str]:
        target = organization.public_id if organization is not None else made.public_id
        return url_for("members.show", public_id=target), said

    return forms.ask(page, kind, change, given=rows, done=done, **more)
