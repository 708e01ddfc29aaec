"""Brings the commits of a clone's default branch into rows: in batches, each whole in its own transaction.

A batch that was committed is not done again after a kill: what is still missing is asked of the rows themselves. A
rewritten history takes back what is no longer there. Identities are written as the commits have them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.contributions.clones import Clone
from app.contributions.history import LogEntry
from app.contributions.models import (
    ChangePath,
    Commit,
    CommitTrailer,
    Repository,
    RepositoryCommit,
)
from app.contributions.modules import record_modules
from app.contributions.rules import Message, Trailer, TrailerKey, contribution_time, is_signed_off, read_message
from app.contributions.settling import days_are_due
from app.people.queries import Wording, intern_identities, note_activity

BATCH = 1000
# Tables, not classes: SQLAlchemy then writes rows without looking at each as an object.
_COMMIT, _PATH, _TRAILER, _HELD = (
    cast(sa.Table, row.__table__) for row in (Commit, ChangePath, CommitTrailer, RepositoryCommit)
)
Writing = Callable[[], AbstractContextManager[Session]]
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """What separates the rows from the branch: commits to read (oldest first) and commits to take back."""

    missing: list[str]
    gone: list[str]
    head: str | None


def plan(session: Session, clone: Clone, repository: Repository) -> Plan:
    """What there is to do so that the rows hold the default branch's commits."""
    head = repository.head_sha
    if head is None:
        return Plan([], sorted(_held(session, repository.id)), None)
    done = repository.ingested_sha
    follows = done is not None and clone.has(done) and clone.is_ancestor(done, head)
    wanted = clone.list_commits([head], exclude=[done] if follows and done else [])
    held = set(_held(session, repository.id))
    gone = [] if follows or (done is None and not held) else sorted(held - set(wanted))
    return Plan([sha for sha in wanted if sha not in held], gone, head)


@dataclass
class Reader:
    """Reads a plan's commits into rows. `writing` opens the transaction of one batch.

    `settle` is called now and then, so that a long reading shows figures early (`settling.settle`); whoever runs the
    reader settles at the end.
    """

    clone: Clone
    repository_id: int
    job: str
    source: str
    now: datetime
    writing: Writing
    report: Report
    batch: int = BATCH
    lines: bool = True
    settle: Callable[[], object] = lambda: None
    known_people: dict[Wording, int] = field(default_factory=dict)

    def run(self, todo: Plan) -> int:
        """Take back what is gone, read what is missing; gives how many commits were read."""
        for part in _parts(todo.gone, self.batch):
            with self.writing() as session:
                take_back(session, self.repository_id, part)
        entries = self.clone.read_commits(todo.missing, lines=self.lines)
        finished, settle_at = 0, self.batch
        while batch := list(islice(entries, self.batch)):
            with self.writing() as session:
                self.write(session, batch)
            finished += len(batch)
            self.report(finished, len(todo.missing))
            if finished >= settle_at:
                # Settling looks at every identity: ever rarer, so that its cost stays in proportion to the whole.
                self.settle()
                settle_at = finished * 4
        return finished

    def write(self, session: Session, entries: Sequence[LogEntry]) -> None:
        """Write one batch: commits that are new, which repository holds them, the figures of their days."""
        known = _ids(session, [entry.sha for entry in entries])
        fresh = [entry for entry in entries if entry.sha not in known]
        read = [(entry, read_message(entry.message)) for entry in fresh]
        people = self._intern(session, read)
        if fresh:
            session.execute(
                sa.insert(_COMMIT), [_commit_row(entry, message, people, self.now) for entry, message in read]
            )
            known |= _ids(session, [entry.sha for entry in fresh])
            _insert(session, _PATH, (row for entry in fresh for row in _path_rows(entry, known[entry.sha])))
            trailers = (row for entry, message in read for row in _trailer_rows(message, known[entry.sha], people))
            _insert(session, _TRAILER, trailers)
            record_modules(session, [(known[entry.sha], entry.changes) for entry in fresh])
        days = self._hold(session, [known[entry.sha] for entry in entries])
        days_are_due(session, self.repository_id, days)
        digest = hashlib.sha256("\n".join(entry.sha for entry in entries).encode()).hexdigest()
        audit.observe(session, job=self.job, source=self.source, range=f"{entries[0].sha}..{entries[-1].sha}",
                      rows=len(entries), sha256=digest)  # fmt: skip

    def _intern(self, session: Session, read: list[tuple[LogEntry, Message]]) -> dict[Wording, int]:
        """The row numbers of everybody in these commits, noted as seen on those days."""
        seen = _activity(read, self.now)
        unknown = [wording for wording in seen if wording not in self.known_people]
        found = {wording: self.known_people[wording] for wording in seen if wording in self.known_people}
        found |= intern_identities(session, unknown)
        note_activity(session, {found[wording]: span for wording, span in seen.items()})
        self.known_people.update(found)
        return found

    def _hold(self, session: Session, ids: list[int]) -> set[date]:
        days = dict(session.execute(sa.select(Commit.id, Commit.day).where(Commit.id.in_(ids))).all())
        counted = set(session.scalars(sa.select(RepositoryCommit.commit_id).where(
            RepositoryCommit.commit_id.in_(ids), RepositoryCommit.is_counted)))  # fmt: skip
        rows = [{"repository_id": self.repository_id, "commit_id": commit_id, "day": days[commit_id],
                 "is_counted": commit_id not in counted} for commit_id in ids]  # fmt: skip
        session.execute(sa.insert(_HELD), rows)
        return set(days.values())


def take_back(session: Session, repository_id: int, shas: Sequence[str]) -> None:
    """These commits are no longer on the default branch: another repository that holds one counts it from now on."""
    ids = list(_ids(session, shas).values())
    own = sa.and_(RepositoryCommit.repository_id == repository_id, RepositoryCommit.commit_id.in_(ids))
    days = set(session.scalars(sa.select(RepositoryCommit.day).where(own)))
    counted = set(session.scalars(sa.select(RepositoryCommit.commit_id).where(own, RepositoryCommit.is_counted)))
    session.execute(sa.delete(RepositoryCommit).where(own))
    heirs = session.execute(
        sa.select(sa.func.min(RepositoryCommit.repository_id), RepositoryCommit.commit_id, RepositoryCommit.day)
        .where(RepositoryCommit.commit_id.in_(counted))
        .group_by(RepositoryCommit.commit_id, RepositoryCommit.day)
    ).all()
    for heir, commit_id, day in heirs:
        inherited = sa.and_(RepositoryCommit.repository_id == heir, RepositoryCommit.commit_id == commit_id)
        session.execute(sa.update(RepositoryCommit).where(inherited).values(is_counted=True))
        days_are_due(session, heir, {day})
    days_are_due(session, repository_id, days)


def day_of(entry: LogEntry, now: datetime) -> date:
    """The day on which a commit counts."""
    return contribution_time(entry.authored_s, entry.committed_s, now=now).date()


def _author(entry: LogEntry) -> Wording:
    return "git", entry.author_name, entry.author_email, ""


def _committer(entry: LogEntry) -> Wording:
    return "git", entry.committer_name, entry.committer_email, ""


def _named(trailer: Trailer) -> Wording | None:
    if trailer.login:
        return "github", trailer.name, trailer.email, trailer.login
    return ("git", trailer.name, trailer.email, "") if trailer.name or trailer.email else None


def _activity(read: Iterable[tuple[LogEntry, Message]], now: datetime) -> dict[Wording, tuple[date, date]]:
    """Every identity of the batch with the first and last day on which it did something."""
    seen: dict[Wording, tuple[date, date]] = {}
    for entry, message in read:
        day = day_of(entry, now)
        keys = [_author(entry), _committer(entry), *(key for t in message.trailers if (key := _named(t)) is not None)]
        for key in keys:
            first, last = seen.get(key, (day, day))
            seen[key] = (min(first, day), max(last, day))
    return seen


def _commit_row(entry: LogEntry, message: Message, people: dict[Wording, int], now: datetime) -> dict[str, object]:
    authored = contribution_time(entry.authored_s, entry.committed_s, now=now)
    return {
        "sha": entry.sha,
        "author_identity_id": people[_author(entry)],
        "committer_identity_id": people[_committer(entry)],
        "authored_at": authored,
        "committed_at": contribution_time(entry.committed_s, entry.authored_s, now=now),
        "day": authored.date(),
        "subject": message.subject,
        "pull_request": message.pull_request,
        "parents": " ".join(entry.parents),
        "is_merge": entry.is_merge,
        "is_revert": message.is_revert,
        "is_signed_off": is_signed_off(message, entry.author_email),
        "paths": len(entry.changes),
        "added": sum(change.added or 0 for change in entry.changes) if entry.lines_counted else None,
        "deleted": sum(change.deleted or 0 for change in entry.changes) if entry.lines_counted else None,
    }


def _path_rows(entry: LogEntry, commit_id: int) -> Iterator[dict[str, object]]:
    for change in entry.changes:
        yield {"commit_id": commit_id, "path": change.path, "status": change.status, "added": change.added,
               "deleted": change.deleted}  # fmt: skip


def _trailer_rows(message: Message, commit_id: int, people: dict[Wording, int]) -> Iterator[dict[str, object]]:
    for trailer in message.trailers:
        key = _named(trailer)
        yield {"commit_id": commit_id, "key": trailer.key, "value": trailer.value,
               "identity_id": people[key] if key else None}  # fmt: skip
    for sha in message.reverts:
        yield {"commit_id": commit_id, "key": TrailerKey.REVERTS, "value": sha, "identity_id": None}


def _insert(session: Session, table: sa.Table, rows: Iterable[dict[str, object]]) -> None:
    for part in _parts(list(rows), 5000):
        session.execute(sa.insert(table), part)


def _ids(session: Session, shas: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in _parts(list(shas), 1000):
        found.update(session.execute(sa.select(Commit.sha, Commit.id).where(Commit.sha.in_(part))).all())
    return found


def _held(session: Session, repository_id: int) -> Iterable[str]:
    return session.scalars(
        sa.select(Commit.sha)
        .join(RepositoryCommit, RepositoryCommit.commit_id == Commit.id)
        .where(RepositoryCommit.repository_id == repository_id)
    )


def _parts(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
