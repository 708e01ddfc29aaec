"""What GitHub does not show any more: comments that a timeline lacks, what no number leads to, releases.

A comment is missed only where the timeline is from after it was written, and nothing is missed in its first hour:
GitHub answers from several copies of itself, of which one may be behind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.gone import forget_events, forget_issue, forget_release
from app.contributions.measuring import measure_changes
from app.contributions.models import (
    Change,
    ChangeEvent,
    ChangeSource,
    ChangeState,
    Issue,
    IssueEvent,
    RepositoryRelease,
)
from app.db import clock_of
from app.github.mapping import Reading
from app.github.pages import Thing

SETTLES = timedelta(hours=1)


def forget_lost_comments(
    session: Session, table: type[ChangeEvent] | type[IssueEvent], told: Mapping[int, Thing], reading: Reading
) -> int:
    """Take back the comments of these rows that their whole timelines do not have; how many there were."""
    owner = ChangeEvent.change_id if table is ChangeEvent else IssueEvent.issue_id
    if not told:
        return 0
    rows = session.execute(
        sa.select(owner, table.external_id, table.at).where(
            owner.in_(list(told)), table.source == reading.source, table.at < reading.now - SETTLES,
            table.external_id.startswith(reading.comment_id(""), autoescape=True),
        )
    )  # fmt: skip
    shown = {row: {event.external_id for event in thing.events} for row, thing in told.items()}
    lost = [name for row, name, at in rows if name not in shown[row] and at <= told[row].updated_at]
    return forget_events(session, reading.source, lost) if lost else 0


def issues_of(
    session: Session, repository_id: int, source: str, numbers: Collection[int], *, now: datetime
) -> list[str]:
    """The external ids of the issues that bear these numbers and have been there for a while."""
    mine = sa.select(Issue.external_id).where(Issue.repository_id == repository_id, Issue.source == source)
    return list(session.scalars(mine.where(Issue.number.in_(numbers), Issue.opened_at < now - SETTLES)))


def open_pulls_of(session: Session, repository_id: int, numbers: Collection[int], *, now: datetime) -> dict[int, int]:
    """Row -> number of the open pull requests that bear these numbers and have been there for a while."""
    mine = Change.repository_id == repository_id, Change.source_kind == ChangeSource.PULL_REQUEST
    wanted = sa.select(Change.id, Change.number).where(
        *mine, Change.number.in_(numbers), Change.state == ChangeState.OPEN, Change.opened_at < now - SETTLES
    )
    return {row: number for row, number in session.execute(wanted) if number is not None}


def close_lost_pulls(session: Session, rows: Collection[int]) -> None:
    """Close pull requests that are shown no more: GitHub hides them with an account that it suspends.

    What was said and done stays. Nobody knows when it was, so they are closed as of now; one that is shown again is
    told as it is by the weekly look, and is open again.
    """
    now = clock_of(session).now()
    for change in session.scalars(sa.select(Change).where(Change.id.in_(rows))):
        change.state, change.closed_at, change.updated_at = ChangeState.CLOSED, now, now
    session.flush()
    measure_changes(session, sorted(rows))


def forget_issues(session: Session, repository_id: int, source: str, external_ids: Collection[str]) -> None:
    """Take back issues with all that happened to them."""
    for one in external_ids:
        forget_issue(session, repository_id, source, one)


def unlisted_releases(session: Session, repository_id: int, source: str, listed: Collection[str]) -> set[str]:
    """The external ids of known releases that a whole list lacks."""
    mine = RepositoryRelease.repository_id == repository_id, RepositoryRelease.source == source
    return set(session.scalars(sa.select(RepositoryRelease.external_id).where(*mine))) - set(listed)


def forget_releases(session: Session, repository_id: int, source: str, external_ids: Collection[str]) -> None:
    """Take back releases; one that is a draft again may be published later."""
    for one in external_ids:
        forget_release(session, repository_id, source, one, for_good=False)
