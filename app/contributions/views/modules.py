"""The page of one module."""

from __future__ import annotations

from flask import abort

from app.auth import access
from app.contributions import queries
from app.contributions.queries import Scope
from app.contributions.views.foundation import blueprint, looking, page
from app.modules import queries as modules

_FIGURES = ("commits-over-time", "organizations", "contributors-over-time", "people")


@blueprint.get("/modules/<key>")
@access("public")
def module(key: str) -> str:
    """One module: who keeps it up, and for whom they work."""
    with looking() as (session, whole):
        found = modules.module_by_key(session, key) or abort(404)
        look = whole.at(Scope(repository=whole.scope.repository, module=key))
        return page("contributions/module.html", session, look, _FIGURES, module=found,
                    recent=queries.recent_commits(session, look.scope))  # fmt: skip
