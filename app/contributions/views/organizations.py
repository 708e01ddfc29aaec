"""Pages of organizations: all of them over time, and the dashboard of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import pages
from app.auth import access
from app.clock import current_clock
from app.contributions import queries
from app.contributions.figures import Look
from app.contributions.figures.comparing import tier_of
from app.contributions.figures.organizations import placed
from app.contributions.metrics import count, ranked
from app.contributions.views.foundation import blueprint, looking, page
from app.members import queries as members
from app.members.models import Organization

_OF_ALL = ("commits-over-time", "standing-over-time", "tiers-over-time", "diversity-over-time",
           "organizations")
_OF_ONE = ("headline", "share-over-time", "compare", "compare-over-time", "people", "modules", "repositories",
           "contributors-over-time", "reviews-exchanged", "reviewing-people", "changes-over-time",
           "first-response-over-time")  # fmt: skip
_CARDS, _CHOICES = 12, 40


@blueprint.get("/organizations/")
@access("public")
def organizations() -> str:
    """Every organization with commits in the window, members and others."""
    with looking() as (session, look):
        largest = _largest(look, _CARDS)
        tiers = _tiers(look, largest)
        listed = [(look.organizations[number], tiers[number]) for number in largest]
        trend = _trends(look, {one.id for one, _ in listed})
        return page("contributions/organizations.html", session, look, _OF_ALL, trend=trend, listed=listed)


@blueprint.get("/organizations/<public_id>")
@access("public")
def organization(public_id: str) -> str | Response:
    """A member's dashboard: its people, modules, reviews, response times and seats, beside its peers."""
    if added := request.args.get("add"):
        return _beside(public_id, added)
    with looking() as (session, whole):
        found = members.organization_by_public_id(session, public_id) or abort(404)
        look = whole.of_organization(found.id)
        return page(
            "contributions/organization.html", session, look, _OF_ONE, organization=found,
            tier=_tiers(look, [found.id])[found.id],
            seats=queries.seats_held(session, found.id, current_clock().now().date()), choices=_choices(look, found),
            group=[one for one in _group(session, found.id) if one.id != found.id],
            recent=queries.recent_commits(session, look.scope),
        )  # fmt: skip


def _tiers(look: Look, numbers: Sequence[int]) -> dict[int, str]:
    """What the tier of each organization is called on the window's last day; "" for none."""
    day, book = look.window.until, members.tier_book(look.session)
    keys = {number: book.tier(number, day) or "" for number in numbers}
    names = {key: members.tier_name(look.session, key, day) for key in {*keys.values()} - {""}}
    return {number: names.get(key, "") for number, key in keys.items()}


def _beside(public_id: str, added: str) -> Response:
    """The same dashboard with one more organization beside it."""
    kept = {name: texts[0] for name, texts in pages.asked().items() if name != "add" and texts[0]}
    names = dict.fromkeys([*filter(None, kept.get("with", "").split(",")), added])
    arguments: dict[str, Any] = {**kept, "with": ",".join(names)}
    return redirect(url_for("contributions.organization", public_id=public_id, **arguments))


def _choices(look: Look, own: Organization) -> list[tuple[str, str]]:
    """Organizations to be compared with: those of its tier, and those with most commits; not those there already."""
    tier = tier_of(look)
    mates = tier[1] if tier else ()
    known = queries.organizations(look.session, {*mates, *_largest(look.whole, _CHOICES)})
    shown = {own.id, *(one.id for one in look.beside)}
    found = sorted((one for one in known.values() if one.id not in shown), key=lambda one: one.name.casefold())
    return [(one.public_id, one.name) for one in found]


def _group(session: Session, number: int) -> list[Organization]:
    found = queries.organizations(session, members.group_members(session, number))
    return sorted(found.values(), key=lambda one: one.name.casefold())


def _largest(look: Look, most: int) -> list[int]:
    """The organizations with most commits."""
    counted = count(look.work, lambda cell: cell.organization)
    return [number for number, _ in ranked(counted, most + 1) if number is not None][:most]


def _trends(look: Look, numbers: set[int]) -> dict[int, list[int]]:
    found = {number: [0] * len(look.periods) for number in numbers}
    for cell, place in placed(look, look.work):
        if cell.organization in found:
            found[cell.organization][place] += cell.commits
    return found
