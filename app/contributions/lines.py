"""Counts the lines of commits that are read already: the second pass, newest first, in batches that each are whole.

Git must open every file of every commit for it, many times the work of listing them (decision 0603). What is still to
be counted stands in rows (`line_count_due`), so whoever comes after a kill goes on where the last batch ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.contributions.bulk import insert_rows, update_rows
from app.contributions.clones import AT_ONCE, Clone
from app.contributions.history import LineCounts
from app.contributions.models import ChangePath, Commit, CommitModule, LineCountDue, Repository, RepositoryCommit
from app.contributions.modules import Finder, finder
from app.contributions.settling import count_due, days_are_due
from app.db import Turn, take_turn

BATCH = 1000
SETTLE_EVERY = 5000  # commits: not where a run of git ends, so that git goes on while the rollup is counted
_COMMIT, _PATH, _MODULE = (row.__table__ for row in (Commit, ChangePath, CommitModule))
Report = Callable[[int, int], None]


def due_count(session: Session, repository_id: int) -> int:
    """How many commits of a repository wait for their lines to be counted."""
    return session.scalar(sa.select(sa.func.count()).where(LineCountDue.repository_id == repository_id)) or 0


@dataclass
class LineCounter:
    """Counts the lines of a repository's commits. `writing` opens the transaction of one batch.

    `report` hears (counted now, still to count) after each batch; `is_over` is asked then whether to stop for now.
    """

    clone: Clone
    repository_id: int
    job: str
    source: str
    writing: Callable[[], AbstractContextManager[Session]]
    report: Report = lambda _done, _left: None
    is_over: Callable[[], bool] = lambda: False
    batch: int = BATCH
    find: Finder | None = None
    uncounted: int = 0

    def run(self) -> int:
        """Count until nothing is due or `is_over` says so; gives how many commits were done.

        Afterwards `uncounted` is how many of them could not be counted, because a file's content is missing.
        """
        done = settled = 0
        over = False
        while not over and (numbers := self._next()):
            with closing(self.clone.count_lines(list(numbers))) as counts:
                while not over and (batch := list(islice(counts, self.batch))):
                    with self.writing() as session:
                        self._write(session, [(numbers[one.sha], one) for one in batch])
                        left = due_count(session, self.repository_id)
                    done += len(batch)
                    self.report(done, left)
                    over = self.is_over()
                    if done - settled >= SETTLE_EVERY:
                        count_due(self.writing)
                        settled = done
        count_due(self.writing)
        return done

    def _next(self) -> dict[str, int]:
        """The newest commits that are due, by hash; those that another repository's clone was counted from are done."""
        with self.writing() as session:
            take_turn(session, Turn.HISTORY)
            counted = sa.select(Commit.id).join(LineCountDue, LineCountDue.commit_id == Commit.id).where(
                LineCountDue.repository_id == self.repository_id, Commit.added.is_not(None))  # fmt: skip
            session.execute(sa.delete(LineCountDue).where(LineCountDue.repository_id == self.repository_id,
                                                          LineCountDue.commit_id.in_(counted)))  # fmt: skip
            rows = session.execute(
                sa.select(Commit.sha, Commit.id)
                .join(LineCountDue, LineCountDue.commit_id == Commit.id)
                .where(LineCountDue.repository_id == self.repository_id)
                .order_by(LineCountDue.commit_id.desc())
                .limit(AT_ONCE)
            )
            return {sha: number for sha, number in rows}

    def _write(self, session: Session, counted: Sequence[tuple[int, LineCounts]]) -> None:
        take_turn(session, Turn.HISTORY)
        known = {number: counts.paths for number, counts in counted if counts.paths is not None}
        self.uncounted += len(counted) - len(known)
        found = {(number, path): lines for number, paths in known.items() for path, *lines in paths}
        update_rows(session, _PATH, ("id", "added", "deleted"), (
            (row, *lines) for row, number, path in _paths_of(session, list(known))
            if (lines := found.get((number, path))) and lines[0] is not None))  # fmt: skip
        update_rows(session, _COMMIT, ("id", "added", "deleted"), (
            (number, sum(added or 0 for _, added, _ in paths), sum(deleted or 0 for _, _, deleted in paths))
            for number, paths in known.items()))  # fmt: skip
        self._write_modules(session, known)
        numbers = [number for number, _counts in counted]
        for part in _parts(numbers):
            session.execute(sa.delete(LineCountDue).where(LineCountDue.repository_id == self.repository_id,
                                                          LineCountDue.commit_id.in_(part)))  # fmt: skip
        for repository_id, days in _days_of(session, list(known)).items():
            days_are_due(session, repository_id, days)
        shas = [counts.sha for _number, counts in counted]
        audit.observe(session, job=self.job, source=self.source, range=f"{shas[0]}..{shas[-1]}", rows=len(shas),
                      sha256=hashlib.sha256("\n".join(shas).encode()).hexdigest())  # fmt: skip

    def _write_modules(self, session: Session, known: dict[int, list[tuple[str, int | None, int | None]]]) -> None:
        self.find = self.find or finder(session)
        rows = []
        for number, paths in known.items():
            sums: dict[str, list[int]] = {}
            for path, added, deleted in paths:
                for key in self.find(path):
                    lines = sums.setdefault(key, [0, 0])
                    lines[0] += added or 0
                    lines[1] += deleted or 0
            rows += [(number, key, *lines) for key, lines in sums.items()]
        for part in _parts([*known]):
            session.execute(sa.delete(CommitModule).where(CommitModule.commit_id.in_(part)))
        insert_rows(session, _MODULE, ("commit_id", "module_key", "added", "deleted"), rows)


def _paths_of(session: Session, numbers: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    for part in _parts(numbers):
        query = sa.select(_PATH.c.id, _PATH.c.commit_id, _PATH.c.path).where(_PATH.c.commit_id.in_(part))
        rows = session.execute(query)
        yield from ((row.id, row.commit_id, row.path) for row in rows)


def _days_of(session: Session, numbers: Sequence[int]) -> dict[int, set[Any]]:
    """The days of these commits in every repository that holds them."""
    everywhere = sa.select(Repository.id)  # the index begins with the repository
    found: dict[int, set[Any]] = {}
    for part in _parts(numbers):
        rows = session.execute(
            sa.select(RepositoryCommit.repository_id, RepositoryCommit.day)
            .where(RepositoryCommit.repository_id.in_(everywhere), RepositoryCommit.commit_id.in_(part))
            .distinct()
        )
        for repository_id, day in rows:
            found.setdefault(repository_id, set()).add(day)
    return found


def _parts(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), 1000):
        yield values[start : start + 1000]
