"""Writes what was read of a branch into the tables: one change a branch, its commits and files replaced whole."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import clock_of
from app.reviews.models import Change, ChangeCommit, ChangeFile, ChangeSource, ChangeState
from app.reviews.reading import ChangeRead


def change_of(repository_id: int, branch: str) -> sa.Select[Change]:
    """The change of a branch."""
    return sa.select(Change).where(
        Change.repository_id == repository_id, Change.source_kind == ChangeSource.BRANCH, Change.source_ref == branch
    )


def open_refs(repository_id: int) -> sa.Select[str]:
    """The branches of a repository whose changes are open."""
    return sa.select(Change.source_ref).where(
        Change.repository_id == repository_id,
        Change.source_kind == ChangeSource.BRANCH,
        Change.state == ChangeState.OPEN,
    )


def put(session: Session, known: Change | None, *, repository_id: int, branch: str, found: ChangeRead) -> Change:
    """Open the change of a branch or move it to what was read; a branch that comes back opens its change again."""
    now = clock_of(session).now()
    change = known or Change(
        repository_id=repository_id, source_kind=ChangeSource.BRANCH, source_ref=branch, opened_at=now, updated_at=now
    )
    if known is None or (change.head_sha, change.state) != (found.head, ChangeState.OPEN):
        change.updated_at = now
    last = found.commits[-1]
    change.base_sha, change.head_sha, change.title = found.base, found.head, found.title
    change.author_name, change.author_email = last.author_name, last.author_email
    change.additions, change.deletions, change.too_long = found.additions, found.deletions, found.too_long
    change.state, change.closed_at = ChangeState.OPEN, None
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
        }
        for position, commit in enumerate(found.commits)
    ]
    session.execute(sa.insert(ChangeCommit), commits)
    if found.paths:
        session.execute(sa.insert(ChangeFile), [{"change_id": change.id, "path": path} for path in found.paths])
    return change


def close(session: Session, change: Change, state: ChangeState) -> None:
    """Close an open change as merged or closed."""
    change.state = state
    change.closed_at = change.updated_at = clock_of(session).now()
