"""How good the data is: what nobody knows, how fresh each repository is, and what employers are stated by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import Kind
from app.contributions.models import Commit, LineCountDue, Repository, RepositoryCommit
from app.contributions.queries.repository_work import work_by_repository
from app.contributions.queries.scopes import EVERYTHING, Scope
from app.contributions.queries.totals import cells_by_organization
from app.contributions.queries.work import commit_counts
from app.contributions.windows import Window
from app.db import holds_on
from app.people.models import Employment, Person
from app.people.rules import StatementSource


@dataclass(frozen=True)
class Known:
    """Commits of a repository, and those of them that are attributed to nobody's employer."""

    commits: int
    unknown: int

    @property
    def share(self) -> float:
        """The unknown share."""
        return self.unknown / self.commits if self.commits else 0.0


@dataclass(frozen=True)
class Freshness:
    """How far a repository is read: commits held, the newest one's day, and those whose lines are still to count."""

    repository: Repository
    commits: int
    newest_on: date | None
    lines_due: int

    @property
    def is_behind(self) -> bool:
        """Whether its source has a head that is not in the rows yet."""
        return self.repository.head_sha != self.repository.ingested_sha


@dataclass(frozen=True)
class Stated:
    """Employments in force on a day that rest on one kind of source: how many people, and how sure it is of them."""

    people: int
    mean_confidence: float


def known_by_repository(session: Session, window: Window) -> dict[int, Known]:
    """Each repository's commits in the window by people, and how many are unattributed."""
    found = work_by_repository(session, EVERYTHING, window)
    return {number: Known(one.commits, one.unknown) for number, one in found.items()}


def tools_over_time(session: Session, scope: Scope, window: Window) -> dict[Kind, dict[date, int]]:
    """Commits by bots, and commits that say a tool assisted, by the window's buckets."""
    found: dict[Kind, dict[date, int]] = {Kind.BOT: {}, Kind.ASSISTED: {}}
    for cell in cells_by_organization(session, scope, window):
        if cell.kind in found:
            days = found[cell.kind]
            days[cell.first] = days.get(cell.first, 0) + cell.commits
    return found


def freshness(session: Session) -> list[Freshness]:
    """Every repository with how far it is read, those with a problem first, then the longest unread."""
    held, due = commit_counts(session), _lines_due(session)
    newest = sa.select(sa.func.max(RepositoryCommit.day)).where(RepositoryCommit.repository_id == Repository.id)
    rows = session.execute(sa.select(Repository, newest.scalar_subquery()).order_by(Repository.id))
    found = [Freshness(one, held.get(one.id, 0), day, due.get(one.id, 0)) for one, day in rows]
    return sorted(found, key=lambda one: (not one.repository.problem, one.repository.ingested_at is not None,
                                          one.repository.ingested_at and one.repository.ingested_at.timestamp(),
                                          one.repository.id))  # fmt: skip


def stated_by(session: Session, day: date) -> dict[StatementSource, Stated]:
    """On what it rests for whom people work on a day, strongest source first."""
    rows = session.execute(
        sa.select(Employment.source, sa.func.count(sa.distinct(Employment.person_id)),
                  sa.func.avg(Employment.confidence))
        .where(holds_on(Employment, day))
        .group_by(Employment.source)
    )  # fmt: skip
    found = {source: Stated(people, float(confidence)) for source, people, confidence in rows}
    return {source: found[source] for source in StatementSource if source in found}


def redated(session: Session, window: Window) -> int:
    """Commits counted on a day of the window whose author's date was absurd, so that another stands in its place."""
    mine = (Commit.is_redated, Commit.day.between(window.since, window.until))
    return session.scalar(sa.select(sa.func.count()).select_from(Commit).where(*mine)) or 0


def hidden_people(session: Session) -> int:
    """How many people asked to be hidden; their counts stay in every figure."""
    return session.scalar(
        sa.select(sa.func.count(Person.id)).where(Person.hidden_at.is_not(None), Person.merged_into_id.is_(None))
    ) or 0  # fmt: skip


def _lines_due(session: Session) -> dict[int, int]:
    column = LineCountDue.repository_id
    rows = session.execute(sa.select(column, sa.func.count()).group_by(column))
    return {repository: number for repository, number in rows}
