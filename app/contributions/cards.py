"""Cards of contributions on other pages: the front page, an organization's, a person's, a module's."""

from __future__ import annotations

from typing import Any

from flask import url_for
from sqlalchemy.orm import Session

from app import pages
from app.auth import User
from app.clock import current_clock
from app.contributions import queries
from app.contributions.figures import FIGURES, Look
from app.contributions.queries import EVERYTHING, Scope
from app.contributions.windows import read_window
from app.members.models import Organization
from app.modules.models import Module
from app.people.models import Person


@pages.card(order=20)
def of_everything(session: Session, _user: User) -> pages.Card | None:
    """A year's commits by organization."""
    return _card(session, EVERYTHING, url_for("contributions.overview"), "commits-over-time")


@pages.fill("organization", order=10)
def of_organization(session: Session, _user: User, organization: Organization) -> pages.Card | None:
    """An organization's share of a year's commits."""
    url = url_for("contributions.organization", public_id=organization.public_id)
    return _card(session, Scope(organization=organization.id), url, "share-over-time")


@pages.fill("person", order=20)
def of_person(session: Session, _user: User, person: Person) -> pages.Card | None:
    """A person's year; nothing for somebody who is hidden."""
    if person.hidden_at is not None:
        return None
    url = url_for("contributions.person", public_id=person.public_id)
    return _card(session, Scope(person=person.id), url, "commits-over-time")


@pages.fill("module", order=10)
def of_module(session: Session, _user: User, module: Module) -> pages.Card | None:
    """A module's year by organization."""
    return _card(
        session, Scope(module=module.key), url_for("contributions.module", key=module.key), "commits-over-time"
    )


def _card(session: Session, scope: Scope, url: str, figure: str) -> pages.Card | None:
    """A card of the last year, or nothing as long as nothing was counted."""
    if queries.span(session, scope) is None:
        return None
    now = current_clock().now()
    window, _ = read_window({}, today=now.date(), first=None)
    look = Look(session, scope, window, now, {})
    # Of an organization everything is attributed; what it may miss is the whole's.
    unattributed = (look.whole if scope.organization else look).unattributed
    values: dict[str, Any] = {"summary": look.summary, "figure": FIGURES[figure].of(look), "unattributed": unattributed}
    return pages.Card("Contributions", "contributions/_card.html", values, url=url, wide=True)
