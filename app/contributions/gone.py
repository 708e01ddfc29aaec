"""Facts that their source took back: their rows go, and hearing late of their making does not bring them back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.measuring import measure_changes, measure_issues
from app.contributions.models import ChangeEvent, GoneFact, Issue, IssueEvent, RepositoryRelease
from app.contributions.stamps import stamp
from app.db import clock_of
from app.people.queries.identities import chunks, insert_new


def forget_events(session: Session, source: str, external_ids: Collection[str]) -> int:
    """Take back events of changes and issues; what they belonged to is measured again. Gives how many were there."""
    _mark(session, source, external_ids)
    changes = _delete(session, ChangeEvent, ChangeEvent.change_id, source, external_ids)
    issues = _delete(session, IssueEvent, IssueEvent.issue_id, source, external_ids)
    measure_changes(session, sorted(set(changes)))
    measure_issues(session, sorted(set(issues)))
    return len(changes) + len(issues)


def forget_issue(session: Session, repository_id: int, source: str, external_id: str) -> bool:
    """Take back an issue with all that happened to it; whether it was there."""
    _mark(session, source, [issue_mark(repository_id, external_id)])
    return _forget_one(session, Issue, repository_id, source, external_id)


def forget_release(session: Session, repository_id: int, source: str, external_id: str, *, for_good: bool) -> bool:
    """Take back a release; whether it was there. Not `for_good`: it is a draft again and may be published later."""
    if for_good:
        _mark(session, source, [release_mark(repository_id, external_id)])
    return _forget_one(session, RepositoryRelease, repository_id, source, external_id)


def gone(session: Session, source: str, marks: Sequence[str]) -> set[str]:
    """Which of these were taken back."""
    found: set[str] = set()
    for part in chunks(marks):
        found |= set(
            session.scalars(sa.select(GoneFact.mark).where(GoneFact.source == source, GoneFact.mark.in_(part)))
        )
    return found


def issue_mark(repository_id: int, external_id: str) -> str:
    """The mark of an issue; an event's is its external id."""
    return f"issue:{repository_id}:{external_id}"


def release_mark(repository_id: int, external_id: str) -> str:
    """The mark of a release."""
    return f"release:{repository_id}:{external_id}"


def _mark(session: Session, source: str, marks: Iterable[str]) -> None:
    now = clock_of(session).now()
    insert_new(session, GoneFact, [{"source": source, "mark": mark, "at": now} for mark in marks])


def _delete(
    session: Session, table: type[ChangeEvent] | type[IssueEvent], owner: sa.orm.InstrumentedAttribute[int],
    source: str, external_ids: Collection[str],
) -> list[int]:  # fmt: skip
    wanted = [table.source == source, table.external_id.in_(external_ids)]
    owners = list(session.scalars(sa.select(owner).where(*wanted)))
    session.execute(sa.delete(table).where(*wanted))
    return owners


def _forget_one(
    session: Session, table: type[Issue] | type[RepositoryRelease], repository_id: int, source: str, external_id: str
) -> bool:
    row = session.scalar(
        sa.select(table).where(
            table.repository_id == repository_id, table.source == source, table.external_id == external_id
        )
    )
    if row is None:
        return False
    session.delete(row)
    session.flush()
    stamp(session, by_people=False)
    return True
