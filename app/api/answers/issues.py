"""Issues of the repositories' trackers, and their timelines."""

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
from app.api.conditions import begins, ends, same
from app.api.fields import (
    Answer,
    Asked,
    Day,
    IssueId,
    Items,
    Number,
    Paged,
    PersonId,
    PersonName,
    RepositoryId,
    RepositoryRef,
)
from app.api.operations import example, operation
from app.api.paging import listed
from app.contributions.models import Issue, IssueEvent, IssueMeasure, IssueState
from app.contributions.private import is_shown
from app.pages import veiled


class IssueLine(Answer):
    """A question, a report or a wish; `author` is null for nobody known, and for who asked to be hidden."""

    id: str
    repository: RepositoryRef
    number: int | None
    url: str
    title: str
    author: PersonName | None
    state: IssueState
    labels: list[str]
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


class IssueWaits(Answer):
    """What its timeline comes to."""

    is_answered: bool
    waited_s: Annotated[int | None, Field(description="Until somebody else answered; null while it waits.")]
    lasted_s: Annotated[int | None, Field(description="Until it was closed; null while it is open.")]
    comments: int


class IssueRecord(IssueLine):
    """An issue with what its timeline comes to."""

    measures: IssueWaits | None


class IssuesAsked(Paged):
    """Which issues."""

    repository: RepositoryId | None = None
    state: IssueState | None = None
    number: Annotated[Number | None, Field(description="Its number at its forge.")] = None
    author: PersonId | None = None
    since: Annotated[Day | None, Field(description="Opened on this day or later.")] = None
    until: Annotated[Day | None, Field(description="Opened on this day or before.")] = None


class IssueAsked(Asked):
    """Which issue."""

    issue: IssueId


class OfIssueAsked(Paged):
    """Of which issue."""

    issue: IssueId


@operation("/issues", subject="Issues")
def issues(session: Session, asked: IssuesAsked) -> Items[IssueLine]:
    """Issues, those that the portal learned of last first."""
    query = sa.select(Issue).where(
        is_shown(Issue.repository_id),
        *same(Issue.repository_id, names.repository_number(session, asked.repository)),
        *same(Issue.state, asked.state), *same(Issue.number, asked.number),
        *begins(Issue.opened_at, asked.since), *ends(Issue.opened_at, asked.until),
    )  # fmt: skip
    if asked.author is not None:
        query = query.where(Issue.author_identity_id.in_(names.identities(names.person(session, asked.author))))
    return listed(session, query, [Issue.id], asked, lambda rows: _issues(session, [row.Issue for row in rows]),
                  newest_first=True)  # fmt: skip


@operation("/issues/{issue}", subject="Issues")
def issue(session: Session, asked: IssueAsked) -> IssueRecord:
    """One issue."""
    found = _issue(session, asked.issue)
    (line,) = _issues(session, [found])
    measure = session.get(IssueMeasure, found.id)
    return IssueRecord(**dict(line), measures=IssueWaits.model_validate(measure) if measure else None)


@operation("/issues/{issue}/timeline", subject="Issues")
def issue_timeline(session: Session, asked: OfIssueAsked) -> Items[TimelineEntry]:
    """What happened to an issue, the oldest first."""
    found = _issue(session, asked.issue)
    return timeline(session, IssueEvent, IssueEvent.issue_id == found.id, asked)


@example("issue")
def _an_issue(session: Session) -> str | None:
    return session.scalar(sa.select(Issue.public_id).where(is_shown(Issue.repository_id)).order_by(Issue.id).limit(1))


def _issue(session: Session, public_id: str) -> Issue:
    found = session.scalar(sa.select(Issue).where(Issue.public_id == public_id, is_shown(Issue.repository_id)))
    return found or abort(404, f"There is no issue {public_id}.")


def _issues(session: Session, found: Sequence[Issue]) -> list[IssueLine]:
    authors = names.people_of_identities(session, [one.author_identity_id for one in found])
    holders: dict[int, Any] = names.repositories_of(session, [one.repository_id for one in found])
    return [
        IssueLine(
            id=one.public_id, repository=holders[one.repository_id], number=one.number, url=one.url,
            title=veiled(one.title), author=PersonName.of(authors.get(one.author_identity_id)), state=one.state,
            labels=[veiled(text) for text in one.labels], opened_at=one.opened_at, updated_at=one.updated_at,
            closed_at=one.closed_at,
        )
        for one in found
    ]  # fmt: skip
