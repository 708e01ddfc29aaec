"""Changes: pull requests and branches as one kind of thing, their timelines, and what was said of them here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from flask import abort
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.answers import names
from app.api.answers.timelines import TimelineEntry, timeline
from app.api.answers.work import author_shown
from app.api.conditions import begins, ends, same
from app.api.fields import (
    Answer,
    Asked,
    ChangeId,
    Day,
    Items,
    Key,
    Number,
    OrganizationId,
    Paged,
    PersonId,
    PersonName,
    RepositoryId,
    RepositoryRef,
)
from app.api.operations import example, operation
from app.api.paging import listed
from app.contributions.models import (
    Change,
    ChangeCommit,
    ChangeEvent,
    ChangeMeasure,
    ChangeModule,
    ChangeSource,
    ChangeState,
)
from app.contributions.private import is_shown
from app.pages import veiled
from app.reviews.models import Review, Side
from app.reviews.queries import change_by_public_id
from app.reviews.rules import Verdict


class ChangeLine(Answer):
    """A change: a pull request of a forge, or a branch beside the default one."""

    id: str
    repository: RepositoryRef
    source: ChangeSource
    number: Annotated[int | None, Field(description="The pull request's, at its forge.")]
    url: str
    title: str
    author: PersonName | None
    author_name: Annotated[str, Field(description="As its source writes the author.")]
    state: ChangeState
    is_draft: bool
    labels: list[str]
    additions: int
    deletions: int
    files: int | None
    opened_at: datetime
    updated_at: datetime
    merged_at: datetime | None
    closed_at: datetime | None


class ProposedCommit(Answer):
    """A commit between base and head."""

    sha: str
    subject: str
    author_name: str
    authored_at: datetime


class Waits(Answer):
    """What its timeline comes to."""

    is_answered: bool
    waited_s: Annotated[int | None, Field(description="Until somebody else answered; null while it waits.")]
    lasted_s: Annotated[int | None, Field(description="Until it was closed; null while it is open.")]
    reviewers: int
    reviews: int
    comments: int
    pushes: int


class ChangeRecord(ChangeLine):
    """A change with its commits and what its timeline comes to."""

    base_ref: str
    head_ref: str
    base_sha: str
    head_sha: str
    modules: list[str]
    commits: list[ProposedCommit]
    measures: Waits | None


class Said(Answer):
    """What a person said of a change at one head, in the portal."""

    id: str
    person: PersonName | None
    verdict: Verdict
    text: str
    head_sha: str
    path: str | None
    side: Side | None
    line: int | None
    said_at: datetime


class ChangesAsked(Paged):
    """Which changes."""

    repository: RepositoryId | None = None
    state: ChangeState | None = None
    source: ChangeSource | None = None
    number: Annotated[Number | None, Field(description="The pull request's number at its forge.")] = None
    author: PersonId | None = None
    organization: Annotated[
        OrganizationId | None, Field(description="Those of whoever worked for it on the day of opening.")
    ] = None
    module: Annotated[Key | None, Field(description="Those that touch its paths.")] = None
    since: Annotated[Day | None, Field(description="Opened on this day or later.")] = None
    until: Annotated[Day | None, Field(description="Opened on this day or before.")] = None


class ChangeAsked(Asked):
    """Which change."""

    change: ChangeId


class OfChangeAsked(Paged):
    """Of which change."""

    change: ChangeId


@operation("/changes", subject="Changes")
def changes(session: Session, asked: ChangesAsked) -> Items[ChangeLine]:
    """Pull requests and branches, those that the portal learned of last first."""
    query = sa.select(Change).where(
        is_shown(Change.repository_id), *same(Change.repository_id, names.repository_number(session, asked.repository)),
        *same(Change.state, asked.state), *same(Change.source_kind, asked.source), *same(Change.number, asked.number),
        *begins(Change.opened_at, asked.since), *ends(Change.opened_at, asked.until),
    )  # fmt: skip
    if asked.author is not None:
        query = query.where(Change.author_identity_id.in_(names.identities(names.person(session, asked.author))))
    if asked.organization is not None:
        whose = names.organization(session, asked.organization)
        opened = sa.select(ChangeMeasure.change_id).where(ChangeMeasure.organization_id == whose.id)
        query = query.where(Change.id.in_(opened))
    if asked.module is not None:
        touched = sa.select(ChangeModule.change_id).where(ChangeModule.module_key == asked.module)
        query = query.where(Change.id.in_(touched))
    return listed(session, query, [Change.id], asked, lambda rows: lines_of(session, [row.Change for row in rows]),
                  newest_first=True)  # fmt: skip


@operation("/changes/{change}", subject="Changes")
def change(session: Session, asked: ChangeAsked) -> ChangeRecord:
    """One change with its commits."""
    found = change_of(session, asked.change)
    (line,) = lines_of(session, [found])
    commits = session.scalars(
        sa.select(ChangeCommit).where(ChangeCommit.change_id == found.id).order_by(ChangeCommit.position)
    )
    touched = session.scalars(
        sa.select(ChangeModule.module_key).where(ChangeModule.change_id == found.id).order_by(ChangeModule.module_key)
    )
    measure = session.get(ChangeMeasure, found.id)
    return ChangeRecord(
        **dict(line), base_ref=veiled(found.base_ref), head_ref=veiled(found.head_ref), base_sha=found.base_sha,
        head_sha=found.head_sha, modules=list(touched), measures=Waits.model_validate(measure) if measure else None,
        commits=[
            ProposedCommit(sha=one.sha, subject=veiled(one.subject), author_name=veiled(one.author_name),
                           authored_at=one.authored_at)
            for one in commits
        ],
    )  # fmt: skip


@operation("/changes/{change}/timeline", subject="Changes")
def change_timeline(session: Session, asked: OfChangeAsked) -> Items[TimelineEntry]:
    """What happened to a change, the oldest first."""
    found = change_of(session, asked.change)
    return timeline(session, ChangeEvent, ChangeEvent.change_id == found.id, asked)


@operation("/changes/{change}/reviews", subject="Changes")
def change_reviews(session: Session, asked: OfChangeAsked) -> Items[Said]:
    """What was said of a change in the portal, the oldest first."""
    found = change_of(session, asked.change)

    def make(rows: Sequence[Any]) -> list[Said]:
        persons = names.people_of(session, [row.Review.person_id for row in rows])
        return [
            Said(id=one.public_id, person=persons[one.person_id], verdict=one.verdict, text=veiled(one.text),
                 head_sha=one.head_sha, path=one.path, side=one.side, line=one.line, said_at=one.said_at)
            for one in (row.Review for row in rows)
        ]  # fmt: skip

    query = sa.select(Review).where(Review.change_id == found.id)
    return listed(session, query, [Review.id], asked, make)


@example("change")
def _a_change(session: Session) -> str | None:
    shown = sa.select(Change.public_id).where(is_shown(Change.repository_id))
    return session.scalar(shown.order_by(Change.id).limit(1))


def change_of(session: Session, public_id: str) -> Change:
    """The change of a path; 404 for none such."""
    return change_by_public_id(session, public_id) or abort(404, f"There is no change {public_id}.")


def lines_of(session: Session, found: Sequence[Change]) -> list[ChangeLine]:
    """These changes as lists show them."""
    authors = names.people_of_identities(session, [one.author_identity_id for one in found])
    holders = names.repositories_of(session, [one.repository_id for one in found])
    return [
        ChangeLine(
            id=one.public_id, repository=holders[one.repository_id], source=one.source_kind, number=one.number,
            url=one.url, title=veiled(one.title), author=PersonName.of(authors.get(one.author_identity_id)),
            author_name=author_shown(one.author_name, one.author_identity_id, authors), state=one.state,
            is_draft=one.is_draft, labels=[veiled(text) for text in one.labels], additions=one.additions,
            deletions=one.deletions, files=one.files, opened_at=one.opened_at, updated_at=one.updated_at,
            merged_at=one.merged_at, closed_at=one.closed_at,
        )
        for one in found
    ]  # fmt: skip
