"""The figures of who comes, stays, comes back and drifts away, of files, and of releases; for a scope and window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import Flow, Spread, durations, flow, spread
from app.contributions.models import (
    Commit,
    CommitModule,
    RepositoryCommit,
    RepositoryRelease,
)
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import EVERYTHING, Scope
from app.contributions.queries.work import contributors_of, first_days
from app.contributions.windows import Window
from app.db import holds_on
from app.people.models import Employment, IdentityPerson
from app.people.rules import Role


@dataclass(frozen=True)
class Releases:
    """Releases of a window; `between_s`: the seconds from one release of a repository to its next."""

    published: int
    prereleases: int
    between_s: Spread


@remembered
def people_flow(session: Session, scope: Scope, window: Window) -> Flow:
    """The contributors of a window: new, staying, returning, and those who drift away."""
    active = contributors_of(session, scope, window)
    before = contributors_of(session, scope, window.before)
    return flow(active, before, first_days=came(session, scope, window), since=window.since)


def came(session: Session, scope: Scope, window: Window) -> Mapping[int, date]:
    """`first_days` of those who came in the window or later, or in the one before it: pages show both side by side."""
    return first_days(session, scope, window.before.since)


def quarter_of(day: date) -> int:
    """Quarters counted from the year 0: `quarter_of(date(2026, 4, 1)) - quarter_of(date(2025, 4, 1)) == 4`."""
    return day.year * 4 + (day.month - 1) // 3


def quarter_begins(quarter: int) -> date:
    """The first day of a quarter.

    >>> quarter_begins(quarter_of(date(2026, 6, 3)))
    datetime.date(2026, 4, 1)
    """
    return date(quarter // 4, quarter % 4 * 3 + 1, 1)


@remembered
def files(session: Session, scope: Scope, window: Window) -> int:
    """Paths that the commits of people changed, once for each commit."""
    author, within = IdentityPerson, (window.since, window.until)
    if scope == EVERYTHING and (known := _files_of_all(session, window)) is not None:
        return known
    query = sa.select(sa.func.sum(Commit.paths)).where(Commit.day.between(*within))
    held = RepositoryCommit.repository_id == scope.repository if scope.repository else RepositoryCommit.is_counted
    if scope.module:
        touched = sa.select(CommitModule.commit_id).where(CommitModule.module_key == scope.module)
        query = query.where(Commit.id.in_(touched))
    if scope.organization:
        is_held = sa.exists().where(RepositoryCommit.commit_id == Commit.id, held)
        return int(session.scalar(query.where(*_made_for(scope), is_held)) or 0)
    if scope.person:  # of few commits, which are looked up one by one
        theirs = sa.select(author.identity_id).where(author.person_id == scope.person, author.role == Role.PERSON)
        is_held = sa.exists().where(RepositoryCommit.commit_id == Commit.id, held)
        mine = Commit.author_identity_id.in_(session.scalars(theirs).all())
        return int(session.scalar(query.where(mine, is_held)) or 0)
    # Two ranges of days read from indexes alone, and no row of the wide table.
    commits = sa.select(RepositoryCommit.commit_id).where(RepositoryCommit.day.between(*within), held)
    query = (
        query.join(author, author.identity_id == Commit.author_identity_id)
        .where(author.role == Role.PERSON, Commit.id.in_(commits))
    )  # fmt: skip
    return int(session.scalar(query) or 0)


def _files_of_all(session: Session, window: Window) -> int | None:
    """As `files`, without asking of each commit whether a repository holds it; None where some are held by none.

    Each is counted in at most one repository: as many counted ones as commits are all of them.
    """
    author, within = IdentityPerson, (window.since, window.until)
    bots = sa.select(author.identity_id).where(author.role != Role.PERSON)  # a short list
    of_people = sa.func.sum(sa.case((Commit.author_identity_id.in_(bots), 0), else_=Commit.paths))
    query = sa.select(sa.func.count(), of_people).where(Commit.day.between(*within))
    commits, paths = session.execute(query).one()
    counted = sa.select(sa.func.count()).where(RepositoryCommit.day.between(*within), RepositoryCommit.is_counted)
    return int(paths or 0) if session.scalar(counted) == commits else None


def _made_for(scope: Scope) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Commits by people who worked for the scope's organization on that day."""
    author, employed = IdentityPerson, Employment
    ever = (
        sa.select(author.identity_id)
        .join(employed, employed.person_id == author.person_id)
        .where(employed.organization_id.in_(scope.organizations), author.role == Role.PERSON)
    )
    on_that_day = ever.where(author.identity_id == Commit.author_identity_id, holds_on(employed, Commit.day))
    # Who ever worked there is a short list. As a sum, so that databases go through the index of days, which has all
    # that is asked, and not through each author's commits of all years.
    return (Commit.author_identity_id + 0).in_(ever), on_that_day.correlate(Commit).exists()


@remembered
def releases(session: Session, scope: Scope, window: Window) -> Releases:
    """What repositories published in the window, pre-releases apart, and how long from one release to the next.

    A step between two releases belongs to the window in which it ends. The days since a repository's last release
    are none: nobody owes another.
    """
    table = RepositoryRelease
    begin, end = (datetime.combine(day, time(), UTC) for day in (window.since, window.until + timedelta(days=1)))
    mine = [table.repository_id == scope.repository] if scope.repository else []
    earlier = (
        sa.select(table.repository_id, sa.func.max(table.published_at))
        .where(*mine, table.published_at < begin, table.is_prerelease.is_(False))
        .group_by(table.repository_id)
    )
    last = {repository: at.timestamp() for repository, at in session.execute(earlier)}
    query = (
        sa.select(table.repository_id, table.published_at, table.is_prerelease)
        .where(*mine, table.published_at >= begin, table.published_at < end)
        .order_by(table.repository_id, table.published_at, table.id)
    )
    published = prereleases = 0
    gaps: list[float] = []
    for repository, at, is_prerelease in session.execute(query):
        if is_prerelease:
            prereleases += 1
            continue
        published += 1
        if repository in last:
            gaps.append(int(at.timestamp() - last[repository]))
        last[repository] = at.timestamp()
    return Releases(published, prereleases, spread(durations(gaps)))


@remembered
def releases_over_time(session: Session, scope: Scope, window: Window) -> Mapping[tuple[date, bool], int]:
    """(day, whether it was a pre-release) -> releases of the scope's repository, or of all."""
    begin, end = (datetime.combine(day, time(), UTC) for day in (window.since, window.until + timedelta(days=1)))
    query = sa.select(RepositoryRelease.published_at, RepositoryRelease.is_prerelease).where(
        RepositoryRelease.published_at >= begin, RepositoryRelease.published_at < end
    )
    if scope.repository:
        query = query.where(RepositoryRelease.repository_id == scope.repository)
    return Counter((at.date(), is_prerelease) for at, is_prerelease in session.execute(query))
