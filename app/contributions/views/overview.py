"""The page of the whole foundation, or of one repository."""

from __future__ import annotations

from app.auth import access
from app.contributions import queries
from app.contributions.views.foundation import blueprint, looking, page

_FIGURES = ("headline", "commits-over-time", "contributors-over-time", "people", "organizations", "diversity-over-time",
            "changes-over-time", "first-response-over-time", "releases-over-time", "modules",
            "lines-over-time")  # fmt: skip


@blueprint.get("/")
@access("public")
def overview() -> str:
    """The whole foundation, or one repository of it."""
    with looking() as (session, look):
        recent = queries.recent_commits(session, look.scope)
        return page("contributions/overview.html", session, look, _FIGURES, recent=recent)
