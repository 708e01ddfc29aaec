"""The search box for programs: the same hits as on the page."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from app.api.fields import Answer, Asked, Limit, Word, one_of
from app.api.operations import example, operation
from app.pages import veiled
from app.search import queries
from app.search.models import Kind

Thing = Annotated[str, one_of(kind.name.lower() for kind in Kind)]


class HitFound(Answer):
    """Something found; `id` is what its own address takes (a module's key)."""

    id: str
    name: str
    about: str


class SearchFound(Answer):
    """Hits of each kind, the best first; `instead` tells which words were read as others, which nobody wrote."""

    words: list[str]
    people: list[HitFound]
    organizations: list[HitFound]
    modules: list[HitFound]
    repositories: list[HitFound]
    releases: list[HitFound]
    changes: list[HitFound]
    issues: list[HitFound]
    instead: dict[str, list[str]]


class SearchAsked(Asked):
    """What is looked for."""

    q: Annotated[Word, Field(description="Names, logins, titles, numbers; the beginning of a word is enough.")]
    kind: Annotated[Thing | None, Field(description="Only this kind.")] = None
    limit: Annotated[Limit, Field(description="How many hits of each kind at most.")] = 8


@example("q")
def _a_word(session: Session) -> str:
    return "core"


_PLURALS = {
    Kind.PERSON: "people", Kind.ORGANIZATION: "organizations", Kind.MODULE: "modules",
    Kind.REPOSITORY: "repositories", Kind.RELEASE: "releases", Kind.CHANGE: "changes", Kind.ISSUE: "issues",
}  # fmt: skip


@operation("/search", subject="Search")
def search(session: Session, asked: SearchAsked) -> SearchFound:
    """What a text finds among people, organizations, modules, repositories, releases, changes and issues."""
    kinds = tuple(Kind) if asked.kind is None else (Kind[asked.kind.upper()],)
    found = queries.find(session, asked.q, kinds=kinds, most=asked.limit, veil=veiled)
    hits = {
        name: [HitFound(id=one.key, name=veiled(one.name), about=veiled(one.about)) for one in found.hits.get(kind, [])]
        for kind, name in _PLURALS.items()
    }
    instead = {word: [veiled(one) for one in others] for word, others in found.instead.items()}
    return SearchFound(words=list(found.words), instead=instead, **hits)
