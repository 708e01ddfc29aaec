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
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.contributions.bulk import insert_rows, reserve
from app.contributions.clones import AT_ONCE, Clone
from app.contributions.history import LogEntry
from app.contributions.models import (
    ChangePath,
    Commit,
    CommitTrailer,
    LineCountDue,
    Repository,
    RepositoryCommit,
)
from app.contributions.modules import Finder, finder, record_modules
from app.contributions.rules import (
    Message,
    Trailer,
    TrailerKey,
    contribution_time,
    is_absurd,
    is_signed_off,
    read_message,
)
from app.contributions.settling import days_are_due
from app.db import Turn, take_turn
from app.people.queries import Wording, intern_identities, note_activity

BATCH = 2000
# Tables, not classes: rows are written without looking at each as an object.
_COMMIT, _PATH, _TRAILER, _HELD, _DUE = (
    row.__table__ for row in (Commit, ChangePath, CommitTrailer, RepositoryCommit, LineCountDue)
)
_COMMIT_COLUMNS = ("id", "sha", "author_identity_id", "committer_identity_id", "authored_at", "committed_at", "day",
                   "subject", "pull_request", "parents", "is_merge", "is_revert", "is_signed_off", "paths", "added",
                   "deleted", "is_redated")  # fmt: skip
Writing = Callable[[], AbstractContextManager[Session]]
Report = Callable[[int, int], None]
Read = list[tuple[LogEntry, Message]]


@dataclass(frozen=True)
class Plan:
    """What separates the rows from the branch: commits to read (oldest first) and commits to take back.

    Of those to read some may be in the rows already, if a reading was broken off (`is_resumed`).
    """

    missing: Sequence[str]
    gone: Sequence[str]
    head: str | None
    is_resumed: bool = False


def plan(session: Session, clone: Clone, repository: Repository) -> Plan:
    """What there is to do so that the rows hold the default branch's commits, no more and no fewer."""
    head = repository.head_sha
    done, begun = repository.ingested_sha, repository.reading_sha
    if head is None:
        return Plan([], sorted(_held(session, repository.id)), None)
    earlier = [sha for sha in (done, begun) if sha is not None]
    if all(clone.has(sha) for sha in earlier):
        # What the rows hold comes from the head they were whole for and from the one that was being read since.
        gone: Sequence[str] = clone.list_commits(earlier, exclude=[head])
        follows = done is not None and clone.is_ancestor(done, head)
        wanted = clone.list_commits([head], exclude=[done] if follows and done else [])
    else:
        wanted = clone.list_commits([head])
        gone = sorted(set(_held(session, repository.id)).difference(wanted))
    return Plan(wanted, gone, head, is_resumed=next(iter(_held(session, repository.id)), None) is not None)


@dataclass
class Reader:
    """Reads a plan's commits into rows. `writing` opens the transaction of one batch.

    `settle` is called now and then, so that a long reading shows figures early (`settling.settle`); whoever runs the
    reader settles at the end. Lines are counted later (`lines.LineCounter`).
    """

    clone: Clone
    repository_id: int
    job: str
    source: str
    now: datetime
    writing: Writing
    report: Report
    batch: int = BATCH
    settle: Callable[[], object] = lambda: None
    known_people: dict[Wording, int] = field(default_factory=dict)
    find: Finder | None = None
    taken_back: int = 0
    _skipped: int = 0

    def run(self, todo: Plan) -> int:
        """Take back what is gone, read what is missing; gives how many commits were read."""
        for part in _parts(todo.gone, self.batch):
            with self.writing() as session:
                take_turn(session, Turn.HISTORY)
                self.taken_back += take_back(session, self.repository_id, part)
        if todo.head is not None:
            with self.writing() as session:
                session.get_one(Repository, self.repository_id).reading_sha = todo.head
        read, settle_at, total = 0, self.batch, len(todo.missing)
        entries = self.clone.read_commits(todo.missing) if not todo.is_resumed else self._unheld(todo.missing)
        while batch := list(islice(entries, self.batch)):
            with self.writing() as session:
                self.write(session, batch)
            read += len(batch)
            self.report(read + self._skipped, total)
            if read >= settle_at:
                # Settling looks at every identity: ever rarer, so that its cost stays in proportion to the whole.
                self.settle()
                settle_at = read * 4
        return read

    def _unheld(self, shas: Sequence[str]) -> Iterator[LogEntry]:
        """The commits that the rows do not hold for this repository."""
        for part in _parts(shas, AT_ONCE):
            with self.writing() as session:
                held = set(session.scalars(sa.select(Commit.sha).join(
                    RepositoryCommit, RepositoryCommit.commit_id == Commit.id).where(
                    RepositoryCommit.repository_id == self.repository_id,
                    Commit.sha.in_(part))))  # fmt: skip
            self._skipped += len(held)
            yield from self.clone.read_commits([sha for sha in part if sha not in held])

    def write(self, session: Session, entries: Sequence[LogEntry]) -> None:
        """Write one batch: commits that are new, which repository holds them, the figures of their days."""
        take_turn(session, Turn.HISTORY)
        known = _known(session, [entry.sha for entry in entries])
        shas = {row.sha for row in known}
        fresh = [entry for entry in entries if entry.sha not in shas]
        days = {row.id: row.day for row in known}
        # Where nobody could count the lines so far, this repository's clone may be able to.
        due = [row.id for row in known if row.added is None]
        if fresh:
            made = self._make(session, fresh)
            days |= made
            due += [number for entry, number in zip(fresh, made, strict=True) if entry.changes]
        self._hold(session, days, old=[row.id for row in known])
        if not self.clone.is_partial:
            insert_rows(session, _DUE, ("repository_id", "commit_id"), ((self.repository_id, number) for number in due))
        days_are_due(session, self.repository_id, set(days.values()))
        digest = hashlib.sha256("\n".join(entry.sha for entry in entries).encode()).hexdigest()
        audit.observe(session, job=self.job, source=self.source, range=f"{entries[0].sha}..{entries[-1].sha}",
                      rows=len(entries), sha256=digest)  # fmt: skip

    def _make(self, session: Session, fresh: Sequence[LogEntry]) -> dict[int, date]:
        """Rows of commits that nobody held before; their numbers and days, in order."""
        read = [(entry, read_message(entry.message)) for entry in fresh]
        people = self._intern(session, read)
        numbers = reserve(session, _COMMIT, len(fresh))
        rows = [_commit_row(number, entry, message, people, self.now)
                for number, (entry, message) in zip(numbers, read, strict=True)]  # fmt: skip
        insert_rows(session, _COMMIT, _COMMIT_COLUMNS, rows)
        insert_rows(session, _PATH, ("commit_id", "path", "status"), (
            (number, change.path, change.status)
            for number, entry in zip(numbers, fresh, strict=True) for change in entry.changes))  # fmt: skip
        insert_rows(session, _TRAILER, ("commit_id", "key", "value", "identity_id"), (
            row for number, (_entry, message) in zip(numbers, read, strict=True)
            for row in _trailer_rows(number, message, people)))  # fmt: skip
        self.find = self.find or finder(session)
        record_modules(session, ((number, entry.changes) for number, entry in zip(numbers, fresh, strict=True)),
                       find=self.find)  # fmt: skip
        return {number: row[6] for number, row in zip(numbers, rows, strict=True)}

    def _intern(self, session: Session, read: Read) -> dict[Wording, int]:
        """The row numbers of everybody in these commits, noted as seen on those days."""
        seen = _activity(read, self.now)
        unknown = [wording for wording in seen if wording not in self.known_people]
        found = {wording: self.known_people[wording] for wording in seen if wording in self.known_people}
        found |= intern_identities(session, unknown)
        note_activity(session, {found[wording]: span for wording, span in seen.items()})
        self.known_people.update(found)
        return found

    def _hold(self, session: Session, days: dict[int, date], *, old: Sequence[int]) -> None:
        counted: set[int] = set()
        for part in _parts(old, 1000):
            counted |= set(session.scalars(sa.select(RepositoryCommit.commit_id).where(
                RepositoryCommit.commit_id.in_(part), RepositoryCommit.is_counted)))  # fmt: skip
        insert_rows(session, _HELD, ("repository_id", "commit_id", "day", "is_counted"), (
            (self.repository_id, number, day, number not in counted) for number, day in days.items()))  # fmt: skip


def take_back(session: Session, repository_id: int, shas: Sequence[str]) -> int:
    """These commits are no longer on the default branch: another repository that holds one counts it from now on.

    Gives how many of them it held.
    """
    ids = [row.id for row in _known(session, shas)]
    own_due = sa.and_(LineCountDue.repository_id == repository_id, LineCountDue.commit_id.in_(ids))
    session.execute(sa.delete(LineCountDue).where(own_due))
    own = sa.and_(RepositoryCommit.repository_id == repository_id, RepositoryCommit.commit_id.in_(ids))
    held = session.scalars(sa.select(RepositoryCommit.day).where(own)).all()
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
    days_are_due(session, repository_id, set(held))
    return len(held)


def day_of(entry: LogEntry, now: datetime) -> date:
    """The day on which a commit counts."""
    return contribution_time(entry.authored_s, entry.committed_s, now=now).date()


def _author(entry: LogEntry) -> Wording:
    return "git", entry.author_name, entry.author_email, ""


def _committer(entry: LogEntry) -> Wording:
    return "git", entry.committer_name, entry.committer_email, ""


def _named(trailer: Trailer) -> Wording | None:
    if trailer.login:
        # A profile's address or an @ says whose login it is; a bare word is what Phabricator calls somebody.
        host = "gitlab" if "gitlab.com/" in trailer.value else "github"
        is_bare = "/" not in trailer.value and not trailer.value.startswith("@")
        return "phabricator" if is_bare else host, trailer.name, trailer.email, trailer.login
    return ("git", trailer.name, trailer.email, "") if trailer.name or trailer.email else None


def _activity(read: Read, now: datetime) -> dict[Wording, tuple[date, date]]:
    """Every identity of the batch with the first and last day on which it did something."""
    seen: dict[Wording, tuple[date, date]] = {}
    for entry, message in read:
        day = day_of(entry, now)
        keys = [_author(entry), _committer(entry), *(key for t in message.trailers if (key := _named(t)) is not None)]
        for key in keys:
            first, last = seen.get(key, (day, day))
            seen[key] = (min(first, day), max(last, day))
    return seen


def _commit_row(
    number: int, entry: LogEntry, message: Message, people: dict[Wording, int], now: datetime
) -> tuple[Any, ...]:
    authored = contribution_time(entry.authored_s, entry.committed_s, now=now)
    committed = contribution_time(entry.committed_s, entry.authored_s, now=now)
    lines = None if entry.changes else 0
    return (
        number, entry.sha, people[_author(entry)], people[_committer(entry)], authored, committed, authored.date(),
        message.subject, message.pull_request, " ".join(entry.parents), entry.is_merge, message.is_revert,
        is_signed_off(message, entry.author_email), len(entry.changes), lines, lines,
        is_absurd(entry.authored_s, now=now),
    )  # fmt: skip


def _trailer_rows(commit_id: int, message: Message, people: dict[Wording, int]) -> Iterator[tuple[Any, ...]]:
    for trailer in message.trailers:
        key = _named(trailer)
        yield commit_id, trailer.key, trailer.value, people[key] if key else None
    for sha in message.reverts:
        yield commit_id, TrailerKey.REVERTS, sha, None


def _known(session: Session, shas: Sequence[str]) -> list[sa.Row[str, int, date, int | None]]:
    """Those of these commits that the rows have: `sha`, `id`, `day`, and `added`, None as long as nobody counted."""
    query = sa.select(Commit.sha, Commit.id, Commit.day, Commit.added)
    return [row for part in _parts(shas, 1000) for row in session.execute(query.where(Commit.sha.in_(part)))]


def _held(session: Session, repository_id: int) -> Iterable[str]:
    return session.scalars(
        sa.select(Commit.sha)
        .join(RepositoryCommit, RepositoryCommit.commit_id == Commit.id)
        .where(RepositoryCommit.repository_id == repository_id)
    )


def _parts(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
