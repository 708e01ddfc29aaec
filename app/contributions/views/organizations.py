"""Pages of organizations: all of them with their commits, and the dashboard of one."""

from __future__ import annotations

from typing import Any

from flask import abort
from sqlalchemy.orm import Session

from app.auth import access
from app.bodies import queries as bodies
from app.clock import current_clock
from app.contributions import queries
from app.contributions.figures import Look
from app.contributions.metrics import count
from app.contributions.queries import Scope
from app.contributions.views.foundation import blueprint, looking, page
from app.members import queries as members


@blueprint.get("/organizations/")
@access("public")
def organizations() -> str:
    """Every organization with commits in the window, members and others."""
    with looking() as (session, look):
        tiers = {
            one.organization.id: one.tier.name for one in members.members_on(session, look.window.until) if one.tier
        }
        trend = {number: _trend(look, number) for number in look.organizations}
        listed = sorted(look.organizations.values(), key=lambda one: (-sum(trend[one.id]), one.name))
        return page("contributions/organizations.html", session, look, ("organizations",), tiers=tiers, trend=trend,
                    listed=listed)  # fmt: skip


@blueprint.get("/organizations/<public_id>")
@access("public")
def organization(public_id: str) -> str:
    """A member's dashboard: its people, modules, commits over time, its share, and its seats."""
    with looking() as (session, whole):
        found = members.organization_by_public_id(session, public_id) or abort(404)
        look = whole.at(Scope(repository=whole.scope.repository, organization=found.id))
        shown = ("share-over-time", "contributors-over-time", "people", "modules")
        today = current_clock().now().date()
        member = next((one for one in members.members_on(session, today) if one.organization.id == found.id), None)
        return page("contributions/organization.html", session, look, shown, organization=found, member=member,
                    whole=whole, rank=_rank(whole, found.id), seats=_seats(session, found.id),
                    recent=queries.recent_commits(session, look.scope))  # fmt: skip


def _trend(look: Look, number: int) -> list[int]:
    own = [cell for cell in look.work if cell.organization == number]
    return [sum(cell.commits for cell in own if period.first <= cell.first <= period.last) for period in look.periods]


def _rank(look: Look, number: int) -> tuple[int, int] | None:
    counted = count(look.work, lambda cell: cell.organization)
    ranked = [one for one, _ in counted.most_common() if one is not None]
    return (ranked.index(number) + 1, len(ranked)) if number in ranked else None


def _seats(session: Session, number: int) -> list[tuple[str, str, Any, Any]]:
    today = current_clock().now().date()
    found = bodies.appointments_for(session, number, today)
    holders = queries.persons(session, [appointment.person_id for appointment, _, _ in found])
    return [(body.name, seat.name, holders.get(appointment.person_id), appointment.starts_on)
            for appointment, seat, body in found]  # fmt: skip
