"""How much of what a figure counts is attributed to nobody's employer."""

from __future__ import annotations

from app.contributions import queries
from app.contributions.figures.look import Look
from app.contributions.queries import EVERYBODY, Authors, By, Standing, Thing


def of_changes(look: Look, thing: Thing = Thing.CHANGES, authors: Authors = EVERYBODY) -> float | None:
    """Of the changes (or issues) opened in the window, the share by people of whom nobody knows for whom they work."""
    opened = queries.opened_by(look.session, thing, look.scope, look.window, By.STANDING, authors=authors)
    total = sum(opened.values())
    return opened.get(Standing.UNKNOWN, 0) / total if total else None
