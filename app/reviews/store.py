"""Writes what was read of a branch into the tables: one change a branch, its commits and files replaced whole.

A branch that a pull request comes from is that pull request's change: its forge says whether it is open.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.facts import Event, record_change_events
from app.contributions.metrics import EventKind
from app.contributions.models import Change, ChangeCommit, ChangeFile, ChangeSource, ChangeState
from app.db import clock_of
from app.people.queries import intern_identities
from app.reviews.reading import ChangeRead
from app.settings import Settings

SOURCE = "portal"


def change_of(repository_id: int, branch: str) -> sa.Select[Change]:
    """The change of a branch: its own, or that of the open pull request which comes from it."""
    own = sa.and_(Change.source_kind == ChangeSource.BRANCH, Change.source_ref == branch)
    requested = sa.and_(
        Change.source_kind == ChangeSource.PULL_REQUEST, Change.head_ref == branch, Change.state == ChangeState.OPEN
    )
    query = sa.select(Change).where(Change.repository_id == repository_id, sa.or_(own, requested))
    return query.order_by(sa.case((requested, 0), else_=1), Change.id).limit(1)


def open_refs(repository_id: int) -> sa.Select[str]:
    """The branches of a repository whose changes are open."""
    branch = sa.case((Change.source_kind == ChangeSource.BRANCH, Change.source_ref), else_=Change.head_ref)
    return sa.select(branch).where(
        Change.repository_id == repository_id, Change.state == ChangeState.OPEN, branch != ""
    )


def is_from_fork() -> sa.ColumnElement[bool]:
    """Whether a change is a pull request that comes from elsewhere."""
    return sa.and_(Change.source_kind == ChangeSource.PULL_REQUEST, Change.head_ref == "")


def kept_since(settings: Settings, now: datetime) -> datetime:
    """Commits of a pull request that was closed before this are not kept."""
    return now - timedelta(days=settings.proposed_days)


def put(session: Session, known: Change | None, *, repository_id: int, branch: str, found: ChangeRead) -> Change:
    """Open the change of a branch or move it to what was read; a branch that comes back opens its change again."""
    now = clock_of(session).now()
    change = known or Change(
        repository_id=repository_id, source_kind=ChangeSource.BRANCH, source_ref=branch, opened_at=now, updated_at=now
    )
    is_told = change.source_kind is ChangeSource.PULL_REQUEST
    kind = _what_happened(known, found.head)
    has_come_back = not is_told and change.state is not ChangeState.OPEN
    if known is None or change.head_sha != found.head or has_come_back:
        change.updated_at = now
    last = found.commits[-1]
    change.base_sha, change.head_sha = found.base, found.head
    change.author_name, change.author_email = last.author_name, last.author_email
    change.additions, change.deletions, change.too_long = found.additions, found.deletions, found.too_long
    change.files = len(found.paths)
    if not is_told:
        author = ("git", last.author_name, last.author_email, "")
        change.author_identity_id = intern_identities(session, [author])[author]
        change.title, change.state, change.closed_at, change.merged_at = found.title, ChangeState.OPEN, None, None
    session.add(change)
    session.flush()
    for table in (ChangeCommit, ChangeFile):
        session.execute(sa.delete(table).where(table.change_id == change.id))
    commits = [
        {
            "change_id": change.id,
            "position": position,
            "sha": commit.sha,
            "subject": commit.subject,
            "author_name": commit.author_name,
            "author_email": commit.author_email,
            "authored_at": datetime.fromtimestamp(max(0, min(commit.authored_s, 2**32)), UTC),
            "missing_sign_offs": commit.missing_sign_offs,
            "co_authors": commit.co_authors,
        }
        for position, commit in enumerate(found.commits)
    ]
    session.execute(sa.insert(ChangeCommit), commits)
    if found.paths:
        session.execute(sa.insert(ChangeFile), [{"change_id": change.id, "path": path} for path in found.paths])
    _tell(session, change, None if is_told else kind, now)
    return change


def close(session: Session, change: Change, state: ChangeState) -> None:
    """Close an open change as merged or closed; a pull request stays as its forge has it."""
    if change.source_kind is ChangeSource.PULL_REQUEST:
        return
    change.state = state
    change.closed_at = change.updated_at = now = clock_of(session).now()
    change.merged_at = now if state is ChangeState.MERGED else None
    session.flush()
    _tell(session, change, EventKind.MERGED if state is ChangeState.MERGED else EventKind.CLOSED, now)


def _what_happened(known: Change | None, head: str) -> EventKind | None:
    """What a reading of the branch says that happened; None: nothing did."""
    if known is None:
        return EventKind.OPENED
    if known.state is not ChangeState.OPEN:
        return EventKind.REOPENED
    return EventKind.PUSHED if known.head_sha != head else None


def _tell(session: Session, change: Change, kind: EventKind | None, now: datetime) -> None:
    """Put it into the change's timeline, and measure the change. Who pushed a branch git does not say."""
    told = []
    if kind is not None:
        name = f"{change.public_id}/{kind.value}"
        if kind is not EventKind.OPENED:
            name += f"/{change.head_sha}/{int(now.timestamp())}"
        told.append(Event(kind, now, name, value=change.head_sha))
    record_change_events(session, SOURCE, {change.id: told})
