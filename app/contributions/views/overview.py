"""The page of the whole foundation, or of one repository."""

from __future__ import annotations

from app.auth import access
from app.contributions import queries
from app.contributions.views.foundation import blueprint, looking, page

_FIGURES = ("commits-over-time", "organizations", "contributors-over-time", "lines-over-time", "people", "modules")


@blueprint.get("/")
@access("public")
def overview() -> str:
    """The whole foundation, or one repository of it."""
    with looking() as (session, look):
        recent = queries.recent_commits(session, look.scope)
        return page("contributions/overview.html", session, look, _FIGURES, recent=recent)
