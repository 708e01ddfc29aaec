"""The page of the health of reviews: how long changes and issues wait, how they are reviewed, and by whom."""

from __future__ import annotations

from app.auth import access
from app.contributions import queries
from app.contributions.figures.health import authors
from app.contributions.figures.paths import below_of
from app.contributions.queries import Thing
from app.contributions.queries.health import count_waiting, spread_of
from app.contributions.views.foundation import blueprint, choosing, page, trail

_CHANGES = ("first-response-over-time", "change-duration-over-time", "closure-over-time", "backlog-over-time",
            "review-coverage-over-time", "reviewers-per-change", "review-load", "waiting-now")  # fmt: skip
_APART = ("first-response-apart", "change-duration-apart", "closure-apart", "review-coverage-apart")
_ISSUES = ("issue-response-over-time", "issue-resolution-over-time", "issues-over-time")
_OF_PATHS = ("module", "folder")
_ISSUES_APART = ("issue-response-apart", "issue-resolution-apart")


@blueprint.get("/reviews")
@access("public")
def reviews() -> str:
    """How reviews go; `repository`, `module`, `organization` and `tier` choose whose, `apart` puts side by side."""
    with choosing() as (session, look, choices):
        whose = authors(look)
        counts = queries.counts(session, Thing.CHANGES, look.scope, look.window, authors=whose)
        response = spread_of(session, Thing.CHANGES, look.scope, look.window, as_of=look.as_of, authors=whose)
        has_any = bool(counts.opened or counts.closed or counts.backlog)
        issues = not look.scope.module and queries.counts(session, Thing.ISSUES, look.scope, look.window, authors=whose)
        apart = look.options.get("apart", "")
        of_changes = _APART + _CHANGES if apart else _CHANGES
        of_issues = _ISSUES_APART + _ISSUES if apart and apart not in _OF_PATHS else _ISSUES
        shown = (*(of_changes if has_any else ()), *(of_issues if issues and (issues.opened or issues.backlog) else ()))
        folders = trail(look, below_of(look), "contributions.reviews", "side-by-side") if apart == "folder" else []
        return page("contributions/reviews.html", session, look, shown, summary=None, counts=counts,
                    response=response, choices=choices, has_any=has_any, folders=folders,
                    waiting=count_waiting(session, Thing.CHANGES, look.scope, authors=whose))  # fmt: skip
