"""Pages of modules: all of them side by side, and one with its maintainers and its paths."""

from __future__ import annotations

from typing import Any

from flask import abort
from sqlalchemy.orm import Session

from app.auth import access
from app.contributions import queries
from app.contributions.figures import Look
from app.contributions.figures.modules import boards
from app.contributions.figures.paths import below_of
from app.contributions.queries import Scope
from app.contributions.queries.modules import last_days_in
from app.contributions.views.foundation import blueprint, looking, page, trail
from app.governance.queries import is_governed
from app.modules import queries as modules
from app.people import queries as people

_FIGURES = ("headline", "commits-over-time", "organizations", "contributors-over-time", "people", "absence-over-time",
            "paths", "path-knowers")  # fmt: skip


@blueprint.get("/modules/")
@access("public")
def modules_overview() -> str:
    """Every module: activity, maintainers, on how few it rests, and which are fragile."""
    with looking() as (session, look):
        found = boards(look)
        shown = ("modules-side-by-side",) if found else ()
        return page("contributions/modules.html", session, look, shown, summary=None, boards=found)


@blueprint.get("/modules/<key>")
@access("public")
def module(key: str) -> str:
    """One module: who keeps it up, for whom they work, and what changes in it where."""
    with looking() as (session, whole):
        found = modules.module_by_key(session, key) or abort(404)
        look = whole.at(Scope(repository=whole.scope.repository, module=key))
        return page("contributions/module.html", session, look, _FIGURES, module=found,
                    trail=trail(look, below_of(look), "contributions.module", "paths", key=key),
                    maintainers=_maintainers(session, look, key),
                    recent=queries.recent_commits(session, look.scope))  # fmt: skip


def _maintainers(session: Session, look: Look, key: str) -> list[dict[str, Any]]:
    """Each maintainer with since when, whether active, and the last day here and anywhere."""
    if not is_governed(session):
        return []
    kept = modules.maintainers_of(session, key, look.as_of.date())
    here, anywhere = last_days_in(session, key, kept.appointed), queries.last_days(session, kept.appointed)
    persons = people.names_of(session, kept.appointed)
    return [
        {"person": persons[number], "since": since, "is_active": number in kept.active, "here": here.get(number),
         "anywhere": anywhere.get(number)}
        for number, since in kept.appointed.items()
    ]  # fmt: skip
