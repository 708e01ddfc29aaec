"""The page of one person."""

from __future__ import annotations

from flask import abort

from app.auth import access
from app.contributions import queries
from app.contributions.queries import Scope
from app.contributions.views.foundation import blueprint, looking, page
from app.people import queries as people

_FIGURES = ("headline", "commits-over-time", "modules", "repositories", "changes-over-time",
            "first-response-over-time", "reviews-exchanged", "reviewing-people")  # fmt: skip


@blueprint.get("/people/<public_id>")
@access("public")
def person(public_id: str) -> str:
    """One person's work: by employer over time, by module, reviews given and received, and the first contribution."""
    with looking() as (session, whole):
        found = people.person_by_public_id(session, public_id) or abort(404)
        found = people.canonical(session, found)
        if found.hidden_at is not None:
            abort(404)
        look = whole.at(Scope(repository=whole.scope.repository, person=found.id))
        own = Scope(person=found.id)
        return page("contributions/person.html", session, look, _FIGURES, person=found,
                    span=queries.span(session, own),
                    first=queries.first_commit(session, own),
                    recent=queries.recent_commits(session, look.scope))  # fmt: skip
