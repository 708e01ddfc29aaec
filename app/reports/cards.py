"""The card of an organization's yearly reports, on its page."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app import pages
from app.auth import User
from app.clock import current_clock
from app.contributions import queries
from app.contributions.queries import Scope
from app.members.models import Organization
from app.reports.rules import years


@pages.fill("organization", order=30)
def of_organization(session: Session, _user: User, organization: Organization) -> pages.Card | None:
    """The years in which its people did something, the latest first; nothing as long as there is none."""
    span = queries.span(session, Scope(organization=organization.id))
    found = years(span[0] if span else None, current_clock().now().date())
    values = {"years": found[:5], "public_id": organization.public_id}
    return pages.Card("Yearly reports", "reports/_card.html", values) if found else None
