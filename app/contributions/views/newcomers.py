"""The page of newcomers: who comes, what becomes of them, and whether they wait longer than others."""

from __future__ import annotations

from app.auth import access
from app.contributions import queries
from app.contributions.figures.newcomers import coming
from app.contributions.queries import By
from app.contributions.queries.health import Closed, closed_by
from app.contributions.views.foundation import blueprint, choosing, page

_FIGURES = ("newcomers-funnel", "newcomers-by-quarter", "retention", "turnover", "outsiders", "accepted-by-standing",
            "drifting")  # fmt: skip


@blueprint.get("/newcomers")
@access("public")
def newcomers() -> str:
    """From the first contribution to a maintainer's seat; who stays, who drifts away, who waits."""
    with choosing() as (session, look, choices):
        flow = queries.people_flow(session, look.scope, look.window)
        first = queries.first_timers(session, look.scope, look.window, as_of=look.as_of)
        ended = closed_by(session, look.scope, look.window, By.FIRST).get(True, Closed())
        came = sum(one.size for one in coming(look).intakes)
        return page("contributions/newcomers.html", session, look, _FIGURES if came else (), summary=None, flow=flow,
                    first=first, closed=ended.closed, merged=ended.merged, choices=choices)  # fmt: skip
