"""The search box's page: what is found, by kind."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for

from app.auth import access
from app.db import current_db
from app.pages import veiled
from app.search import queries
from app.search.models import Kind
from app.search.queries import MOST_TEXT, Hit

blueprint = Blueprint("search", __name__)
TITLES = {
    Kind.PERSON: "People",
    Kind.ORGANIZATION: "Organizations",
    Kind.MODULE: "Modules",
    Kind.REPOSITORY: "Repositories",
    Kind.RELEASE: "Releases",
    Kind.CHANGE: "Changes",
    Kind.ISSUE: "Issues",
}
_PAGES = {
    Kind.PERSON: ("people.show", "public_id"),
    Kind.ORGANIZATION: ("members.show", "public_id"),
    Kind.MODULE: ("modules.show", "key"),
    Kind.REPOSITORY: ("contributions.repository", "public_id"),
    Kind.RELEASE: ("releases.one", "public_id"),
    Kind.CHANGE: ("reviews.show", "public_id"),
}


@blueprint.get("/search")
@access("public")
def results() -> str:
    """What a text finds among people, organizations, modules, repositories, releases, changes and issues."""
    text = " ".join(request.args.get("q", "").split())[:MOST_TEXT]
    with current_db().read() as session:
        found = queries.find(session, text, veil=veiled)
        is_behind = found.is_empty and queries.is_behind(session)
    groups = [(title, [(hit, url_of(hit)) for hit in found.hits[kind]])
              for kind, title in TITLES.items() if found.hits.get(kind)]  # fmt: skip
    return render_template("search/results.html", text=text, found=found, groups=groups, is_behind=is_behind)


def url_of(hit: Hit) -> str:
    """The page of a hit; an issue's is where it was written, or nowhere ("")."""
    if hit.kind not in _PAGES:
        return hit.url
    endpoint, name = _PAGES[hit.kind]
    values: dict[str, Any] = {name: hit.key}
    return url_for(endpoint, **values)
