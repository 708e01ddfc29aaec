"""Reads the rollup: the counted work of a scope and window, names for it, and lists of what lies behind the figures."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.contributions.metrics import COMMITS, CONTRIBUTIONS, Cell, Summary, contributors, grouped, summarize
from app.contributions.models import (
    Attribution,
    Branch,
    Commit,
    CommitModule,
    LineCountDue,
    Repository,
    RepositoryCommit,
    Rollup,
    RollupDue,
)
from app.contributions.windows import Window
from app.jobs import Job
from app.members import queries as members
from app.members.models import Organization
from app.modules import queries as modules
from app.people.models import IdentityPerson, Person


@dataclass(frozen=True)
class Scope:
    """What a page looks at: everything, or one repository, module, organization or person (by row number or key)."""

    repository: int | None = None
    module: str | None = None
    organization: int | None = None
    person: int | None = None
    with_owned: frozenset[int] = frozenset()

    @property
    def organizations(self) -> tuple[int, ...]:
        """The organization, and those it owns that are to count with it (`members.queries.group_members`)."""
        return () if self.organization is None else tuple(sorted({self.organization, *self.with_owned}))

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """The rollup's rows of this scope; a commit in two repositories counts once for the whole."""
        found: list[sa.ColumnElement[bool]] = []
        found.append(Rollup.repository_id == self.repository if self.repository else Rollup.is_counted.is_(True))
        found.append(Rollup.module_key == self.module if self.module else Rollup.module_key.is_(None))
        if self.organization:
            found.append(Rollup.organization_id.in_(self.organizations))
        if self.person:
            found.append(Rollup.person_id == self.person)
        return found


EVERYTHING = Scope()


@dataclass(frozen=True)
class RecentCommit:
    """A line of a list of commits."""

    sha: str
    subject: str
    authored_at: datetime
    author: Person | None
    role: str
    repository: str
    repository_public_id: str
    added: int | None
    deleted: int | None
    is_merge: bool


def cells(session: Session, scope: Scope, window: Window, *, by_group: bool = False) -> list[Cell]:
    """The counted work of a scope and window, summed over the window's periods.

    `by_group`: a company counts for whoever owns it in the end, so that all related companies are one.
    """
    if by_group:
        return grouped(cells(session, scope, window), members.groups(session))
    bucket = bucket_of(window)
    rows = session.execute(
        sa.select(bucket, Rollup.kind, Rollup.person_id, Rollup.organization_id, Rollup.attribution,
                  sa.func.sum(Rollup.commits), sa.func.sum(Rollup.added), sa.func.sum(Rollup.deleted),
                  sa.func.sum(Rollup.without_lines))
        .where(*scope.conditions(), Rollup.day >= window.since, Rollup.day <= window.until)
        .group_by(bucket, Rollup.kind, Rollup.person_id, Rollup.organization_id, Rollup.attribution)
    )  # fmt: skip
    return [
        Cell(day_of(first), kind, person, organization, attribution is not Attribution.UNKNOWN, int(commits),
             int(added), int(deleted), int(without))
        for first, kind, person, organization, attribution, commits, added, deleted, without in rows
    ]  # fmt: skip


def first_days(session: Session, scope: Scope, persons: Collection[int] | None = None) -> dict[int, date]:
    """Each contributor's first day of all time within the scope."""
    some = sorted(persons) if persons is not None and len(persons) < 500 else None
    if scope == EVERYTHING:
        first = sa.select(sa.func.min(Rollup.day)).where(*_of_each_person()).scalar_subquery()
        looked_up = sa.select(Person.id, first.label("first"))
        if some is not None:
            looked_up = looked_up.where(Person.id.in_(some))
        return {person: day for person, day in session.execute(looked_up) if day is not None}
    query = (
        sa.select(Rollup.person_id, sa.func.min(Rollup.day))
        .where(*scope.conditions(), Rollup.kind.in_(CONTRIBUTIONS), Rollup.person_id.is_not(None))
        .group_by(Rollup.person_id)
    )
    if some is not None:
        query = query.where(Rollup.person_id.in_(some))
    return {person: day for person, day in session.execute(query) if person is not None}


def contributors_of(session: Session, scope: Scope, window: Window) -> set[int]:
    """Who contributed in a window."""
    within = (Rollup.day >= window.since, Rollup.day <= window.until)
    if scope == EVERYTHING:
        return set(session.scalars(sa.select(Person.id).where(sa.exists().where(*_of_each_person(), *within))))
    query = sa.select(Rollup.person_id).distinct().where(
        *scope.conditions(), Rollup.kind.in_(CONTRIBUTIONS), *within, Rollup.person_id.is_not(None))  # fmt: skip
    return {person for person in session.scalars(query) if person is not None}


def _of_each_person() -> list[sa.ColumnElement[bool]]:
    """A person's contributions to everything: to look up each person's is far less than to read everybody's rows.

    The module is asked for in a form that no index answers, so that the way in is the person.
    """
    is_whole = sa.func.coalesce(Rollup.module_key, "") == ""
    return [Rollup.person_id == Person.id, Rollup.is_counted.is_(True), is_whole, Rollup.kind.in_(CONTRIBUTIONS)]


def summary(session: Session, scope: Scope, window: Window, found: Collection[Cell]) -> Summary:
    """The figures of a scope and window, from its cells."""
    people = contributors(found)
    return summarize(
        found,
        first_days=first_days(session, scope, people),
        since=window.since,
        before=contributors_of(session, scope, window.before),
    )


def span(session: Session, scope: Scope) -> tuple[date, date] | None:
    """The first and the last day with anything in the scope."""
    row = session.execute(sa.select(sa.func.min(Rollup.day), sa.func.max(Rollup.day)).where(*scope.conditions())).one()
    return (row[0], row[1]) if row[0] is not None else None


def commits_by_module(session: Session, scope: Scope, window: Window) -> dict[str, int]:
    """Commits that touched each module; one that touches two counts in both."""
    anywhere: list[sa.ColumnElement[bool]] = []
    anywhere.append(Rollup.repository_id == scope.repository if scope.repository else Rollup.is_counted.is_(True))
    if scope.organization:
        anywhere.append(Rollup.organization_id.in_(scope.organizations))
    if scope.person:
        anywhere.append(Rollup.person_id == scope.person)
    rows = session.execute(
        sa.select(Rollup.module_key, sa.func.sum(Rollup.commits))
        .where(*anywhere, Rollup.module_key.is_not(None), Rollup.kind.in_(COMMITS), Rollup.day >= window.since,
               Rollup.day <= window.until)
        .group_by(Rollup.module_key).order_by(sa.func.sum(Rollup.commits).desc(), Rollup.module_key)
    )  # fmt: skip
    return {key: int(commits) for key, commits in rows if key is not None}


def daily_commits(session: Session, scope: Scope, window: Window) -> dict[date, int]:
    """Commits by people, day by day."""
    rows = session.execute(
        sa.select(Rollup.day, sa.func.sum(Rollup.commits))
        .where(*scope.conditions(), Rollup.kind.in_(COMMITS), Rollup.day >= window.since, Rollup.day <= window.until)
        .group_by(Rollup.day)
    )
    return {day: int(commits) for day, commits in rows}


def organizations(session: Session, numbers: Collection[int | None]) -> dict[int, Organization]:
    """Organizations by row number."""
    wanted = sorted({number for number in numbers if number is not None})
    return {one.id: one for one in session.scalars(sa.select(Organization).where(Organization.id.in_(wanted)))}


def persons(session: Session, numbers: Collection[int | None]) -> dict[int, Person]:
    """Persons by row number."""
    wanted = sorted({number for number in numbers if number is not None})
    return {one.id: one for one in session.scalars(sa.select(Person).where(Person.id.in_(wanted)))}


def repositories(session: Session) -> list[Repository]:
    """Every repository, the first added first."""
    return list(session.scalars(sa.select(Repository).order_by(Repository.id)))


def branches(session: Session, repository_id: int) -> list[Branch]:
    """A repository's branches: the default one, then the latest moved first."""
    order = (Branch.is_protected.desc(), Branch.moved_at.desc(), Branch.name)
    return list(session.scalars(sa.select(Branch).where(Branch.repository_id == repository_id).order_by(*order)))


def commit_count(session: Session, repository_id: int) -> int:
    """Commits on the default branch that are read."""
    query = sa.select(sa.func.count()).where(RepositoryCommit.repository_id == repository_id)
    return session.scalar(query) or 0


def recent_commits(session: Session, scope: Scope, *, most: int = 15) -> list[RecentCommit]:
    """The latest commits of a scope, as their authors dated them."""
    author = aliased(IdentityPerson)
    query = (
        sa.select(Commit, Person, author.role, Repository.name, Repository.public_id)
        .join(RepositoryCommit, RepositoryCommit.commit_id == Commit.id)
        .join(Repository, Repository.id == RepositoryCommit.repository_id)
        .outerjoin(author, author.identity_id == Commit.author_identity_id)
        .outerjoin(Person, Person.id == author.person_id)
        .order_by(RepositoryCommit.day.desc(), Commit.authored_at.desc(), Commit.id.desc())
        .limit(most)
    )
    where = RepositoryCommit.repository_id == scope.repository if scope.repository else RepositoryCommit.is_counted
    query = query.where(where)
    if scope.person:
        query = query.where(author.person_id == scope.person)
    if scope.module:
        touched = sa.select(CommitModule.commit_id).where(CommitModule.module_key == scope.module)
        query = query.where(Commit.id.in_(touched))
    if scope.organization:
        worked = sa.select(sa.literal(1)).where(
            Rollup.organization_id.in_(scope.organizations), Rollup.person_id == author.person_id,
            Rollup.day == Commit.day, Rollup.module_key.is_(None))  # fmt: skip
        query = query.where(sa.exists(worked))
    return [
        RecentCommit(commit.sha, commit.subject, commit.authored_at, person, role.value if role else "person", name,
                     public_id, commit.added, commit.deleted, commit.is_merge)
        for commit, person, role, name, public_id in session.execute(query)
    ]  # fmt: skip


@dataclass(frozen=True)
class Passes:
    """How far both readings of a repository are: commits in the rows, those of them without lines yet, their jobs."""

    commits: int
    lines_due: int
    reading: Job | None
    counting: Job | None

    @property
    def lines_share(self) -> float:
        """The share of the commits that wait for nothing."""
        return 1 - self.lines_due / self.commits if self.commits else 1.0


def passes(session: Session, repository: Repository) -> Passes:
    """How far the reading of a repository is."""
    due = sa.select(sa.func.count()).where(LineCountDue.repository_id == repository.id)
    return Passes(
        commit_count(session, repository.id),
        session.scalar(due) or 0,
        latest_reading(session, repository.public_id),
        latest_reading(session, repository.public_id, workflow="lines"),
    )


def latest_reading(session: Session, repository: str, *, workflow: str = "ingest") -> Job | None:
    """The last job that read a repository (or reads it now), or (workflow `lines`) counts its lines."""
    newest = session.scalars(sa.select(Job).where(Job.workflow == workflow).order_by(Job.id.desc()).limit(200))
    return next((job for job in newest if job.payload.get("repository") == repository), None)


def is_counting(session: Session) -> bool:
    """Whether some figures are about to be counted again, so that pages can say so."""
    return session.scalar(sa.select(RollupDue.id).limit(1)) is not None


@modules.provide_activity
def last_days(session: Session, persons: Collection[int]) -> dict[int, date]:
    """The last day on which each of these persons contributed anything, reviews included."""
    rows = session.execute(
        sa.select(Rollup.person_id, sa.func.max(Rollup.day))
        .where(Rollup.person_id.in_(sorted(persons)), Rollup.kind.in_(CONTRIBUTIONS))
        .group_by(Rollup.person_id)
    )
    return {person: day for person, day in rows if person is not None}


def bucket_of(window: Window) -> sa.ColumnElement[str]:
    """The first day of the day's period (or, for weeks, the day itself: weeks are made later)."""
    if window.days <= 184:
        return sa.cast(Rollup.day, sa.String(10))
    return sa.func.substr(sa.cast(Rollup.day, sa.String(10)), 1, 7)


def day_of(bucket: str | date) -> date:
    """The first day of a bucket."""
    if isinstance(bucket, date):
        return bucket
    return date.fromisoformat(bucket if len(bucket) == 10 else f"{bucket}-01")
