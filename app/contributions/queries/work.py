"""Reads the rollup: the counted work of a scope and window, names for it, and lists of what lies behind the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app import marks
from app.bodies import queries as bodies
from app.contributions.metrics import COMMITS, CONTRIBUTIONS
from app.contributions.models import (
    Branch,
    Commit,
    CommitModule,
    LineCountDue,
    Repository,
    RepositoryCommit,
    RepositoryState,
    Rollup,
    RollupDue,
    Stretch,
    WorkSum,
)
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import EVERYTHING, Scope, each_of, rows_of
from app.contributions.queries.worked import committed, contributed, ends, summed, worked
from app.contributions.windows import Window
from app.jobs import Job
from app.members.models import Organization
from app.modules import queries as modules
from app.people import queries as people
from app.people.models import IdentityPerson, Person

_ROWS_LOOKED_AT = 45
"""So many outermost rows of a scope's rollup tell on which days its latest or first commits are looked for."""


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


@remembered
def first_days(session: Session, scope: Scope, since: date) -> Mapping[int, date]:
    """The first day within the scope of each whose first contribution of all time came on a day or later."""
    by_sums = not (scope.repository and scope.module)
    table: Any = WorkSum if by_sums else Rollup
    first = sa.func.min(WorkSum.first_on if by_sums else Rollup.day)
    query = (
        sa.select(table.person_id, first)
        .where(*scope.of(table), table.kind.in_(CONTRIBUTIONS), table.person_id.is_not(None))
        .group_by(table.person_id).having(first >= since)
    )  # fmt: skip
    if by_sums:
        query = query.where(WorkSum.stretch == Stretch.YEAR)
    return {person: day for person, day in rows_of(session, query)}


def contributors_of(session: Session, scope: Scope, window: Window) -> set[int]:
    """Who contributed in a window."""
    return {person for person in work_of_people(session, scope, window) if person is not None}


class Done(NamedTuple):
    """What somebody did in a window: commits (None: none at all, but other contributions), and the last day of it."""

    commits: int | None
    last_on: date


@remembered
def work_of_people(session: Session, scope: Scope, window: Window) -> Mapping[int | None, Done]:
    """Every contributor's work in the window; None stands for commits by nobody that is known."""
    found = worked(session, scope, window, contributed, coarsest=Stretch.YEAR).c
    commits = sa.func.sum(sa.case((found.kind.in_(COMMITS), found.commits)))
    rows = rows_of(session, sa.select(found.person_id, commits, sa.func.max(found.last_on)).group_by(found.person_id))
    return {person: Done(None if number is None else int(number), last) for person, number, last in rows}


def span(session: Session, scope: Scope) -> tuple[date, date] | None:
    """The first and the last day with anything in the scope."""
    if scope == EVERYTHING:
        return ends(session, Rollup.is_counted.is_(True))
    if scope.repository and scope.module:
        query = sa.select(sa.func.min(Rollup.day), sa.func.max(Rollup.day)).where(*scope.conditions())
    else:
        query = sa.select(sa.func.min(WorkSum.first_on), sa.func.max(WorkSum.last_on)).where(
            *scope.of(WorkSum), WorkSum.stretch == Stretch.YEAR)  # fmt: skip
    row = session.execute(query).one()
    return (row[0], row[1]) if row[0] is not None else None


@remembered
def commits_by_module(session: Session, scope: Scope, window: Window) -> dict[str, int]:
    """Commits that touched each module; one that touches two counts in both."""
    where = [committed]
    if scope == EVERYTHING:
        # Named one by one, modules are looked up in the index that holds all sums; "any module" would read every row.
        keys = _module_keys(session)
        where.append(lambda table: table.module_key.in_(keys))
    counted: Counter[str] = Counter()
    for key, commits in summed(session, scope, window, *where, coarsest=Stretch.YEAR, any_module=True,
                               by=lambda found: (found.module_key,),
                               sums=lambda found: (sa.func.sum(found.commits),)):  # fmt: skip
        counted[key] += int(commits)
    return dict(sorted(counted.items(), key=lambda one: (-one[1], one[0])))


@remembered
def _module_keys(session: Session) -> tuple[str, ...]:
    """The modules with any work."""
    each = each_of(WorkSum.module_key, WorkSum.stretch == Stretch.YEAR, WorkSum.repository_id.is_(None))
    return tuple(session.scalars(sa.select(each.value).where(each.value.is_not(None))))


@dataclass(frozen=True, slots=True)
class Named:
    """What figures say of an organization."""

    id: int
    public_id: str
    name: str


def organizations(session: Session, numbers: Collection[int | None]) -> dict[int, Organization]:
    """Organizations by row number."""
    wanted = sorted({number for number in numbers if number is not None})
    return {one.id: one for one in session.scalars(sa.select(Organization).where(Organization.id.in_(wanted)))}


def seats_held(session: Session, organization: int, day: date) -> list[tuple[str, str, Person | None, date]]:
    """(body, seat, holder, since when) of each seat to which an organization had appointed somebody on a day."""
    found = bodies.appointments_for(session, organization, day)
    holders = persons(session, [appointment.person_id for appointment, _, _ in found])
    return [(body.name, seat.name, holders.get(appointment.person_id), appointment.starts_on)
            for appointment, seat, body in found]  # fmt: skip


def named_organizations(session: Session, numbers: Collection[int | None]) -> dict[int, Named]:
    """As `organizations`, of very many, with what figures say of them alone."""
    wanted = sorted({number for number in numbers if number is not None})
    query = sa.select(Organization.id, Organization.public_id, Organization.name)
    if len(wanted) < 100:
        query = query.where(Organization.id.in_(wanted))
    rows = (Named(*row) for row in session.execute(query))
    asked = set(wanted)
    return {one.id: one for one in rows if one.id in asked}


def persons(session: Session, numbers: Collection[int | None]) -> dict[int, Person]:
    """Persons by row number, as who they turned out to be; nobody's number is left out."""
    return people.names_of(session, {number for number in numbers if number is not None})


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


commit_count_known = remembered(commit_count)


def recent_commits(session: Session, scope: Scope, *, most: int = 15) -> list[RecentCommit]:
    """The latest commits of a scope, as their authors dated them."""
    return _outermost(session, scope, most)


def first_commit(session: Session, scope: Scope) -> RecentCommit | None:
    """The very first commit of a scope, as its author dated it."""
    return next(iter(_outermost(session, scope, 1, is_first=True)), None)


def _outermost(session: Session, scope: Scope, most: int, *, is_first: bool = False) -> list[RecentCommit]:
    """The latest commits, or the first ones.

    They are looked for on the scope's outermost days first: the rollup tells which these are, and most often that is
    all.
    """
    day = Rollup.day if is_first else Rollup.day.desc()
    order = (Rollup.module_key.desc(), day) if scope == EVERYTHING else (day,)
    outermost = sa.select(Rollup.day).where(*scope.conditions()).order_by(*order).limit(_ROWS_LOOKED_AT)
    days = session.scalars(outermost).all()
    found = _commits(session, scope, most, within=days[-1], is_first=is_first) if days else []
    return found if len(found) == most else _commits(session, scope, most, is_first=is_first)


def _commits(
    session: Session, scope: Scope, most: int, *, within: date | None = None, is_first: bool = False
) -> list[RecentCommit]:
    """The latest (or first) commits, of those since a day (or until it)."""
    day: Any = Commit.day if scope.person else RepositoryCommit.day
    # A person's are few: as a case, so that no database goes through everybody's by day until it meets one of them.
    first_key = sa.case((Commit.is_merge, day), else_=day) if scope.person else day
    author = aliased(IdentityPerson)
    held = RepositoryCommit.repository_id == scope.repository if scope.repository else RepositoryCommit.is_counted
    query = (
        sa.select(Commit.id, RepositoryCommit.repository_id)
        .join(RepositoryCommit, RepositoryCommit.commit_id == Commit.id)
        .where(held)
    )
    if within is not None:
        query = query.where(day <= within if is_first else day >= within)
    if scope.person:
        own = sa.select(IdentityPerson.identity_id).where(IdentityPerson.person_id == scope.person)
        query = query.where(Commit.author_identity_id.in_(session.scalars(own).all()))
    if scope.module:
        touched = sa.exists().where(CommitModule.commit_id == Commit.id, CommitModule.module_key == scope.module)
        query = query.where(touched)
    if scope.organization:
        worked = sa.select(sa.literal(1)).where(
            Rollup.organization_id.in_(scope.organizations), Rollup.person_id == author.person_id,
            Rollup.day == Commit.day, Rollup.module_key.is_(None))  # fmt: skip
        query = query.join(author, author.identity_id == Commit.author_identity_id).where(sa.exists(worked))

    def order(by_day: Any) -> list[Any]:
        keys = (by_day, Commit.authored_at, Commit.id)
        return [key if is_first else key.desc() for key in keys]

    # All else is asked of those few alone.
    few = query.order_by(*order(first_key)).limit(most).subquery("few")
    shown = (
        sa.select(Commit, Person, author.role, Repository.name, Repository.public_id)
        .join(few, few.c.id == Commit.id)
        .join(Repository, Repository.id == few.c.repository_id)
        .outerjoin(author, author.identity_id == Commit.author_identity_id)
        .outerjoin(Person, Person.id == author.person_id)
        .order_by(*order(Commit.day))
    )
    return [
        RecentCommit(commit.sha, commit.subject, commit.authored_at, person, role.value if role else "person", name,
                     public_id, commit.added, commit.deleted, commit.is_merge)
        for commit, person, role, name, public_id in session.execute(shown)
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
    return passes_of(session, [repository])[repository.id]


def passes_of(session: Session, repositories: Collection[Repository]) -> dict[int, Passes]:
    """How far the reading of each of these repositories is, by row number."""
    reading, counting = latest_readings(session), latest_readings(session, workflow="lines")
    due = sa.select(LineCountDue.repository_id, sa.func.count()).group_by(LineCountDue.repository_id)
    lines_due = {number: count for number, count in session.execute(due)}
    known = commit_counts(session) if len(repositories) > 1 else {}
    found = {}
    for one in repositories:
        if one.state is RepositoryState.READING:
            commits = commit_count(session, one.id)  # what is remembered may be a little old, which a bar would show
        else:
            commits = known.get(one.id, 0) if len(repositories) > 1 else commit_count_known(session, one.id)
        found[one.id] = Passes(
            commits, lines_due.get(one.id, 0), reading.get(one.public_id), counting.get(one.public_id)
        )
    return found


@remembered
def commit_counts(session: Session) -> dict[int, int]:
    """Commits that are read, of each repository's default branch."""
    # Counted one repository after the other, each in its stretch of an index: nothing is sorted or kept by repository.
    each = sa.select(sa.func.count()).where(RepositoryCommit.repository_id == Repository.id).scalar_subquery()
    return {number: count for number, count in session.execute(sa.select(Repository.id, each))}


def latest_readings(session: Session, *, workflow: str = "ingest") -> dict[str, Job]:
    """The last job that read each repository (or reads it now), or (workflow `lines`) counts its lines, by public id.

    Of those whose job is one of the newest.
    """
    newest = session.scalars(sa.select(Job).where(Job.workflow == workflow).order_by(Job.id.desc()).limit(200))
    found: dict[str, Job] = {}
    for job in newest:
        found.setdefault(str(job.payload.get("repository")), job)
    return found


def is_counting(session: Session) -> bool:
    """Whether some figures are about to be counted again, so that pages can say so."""
    return bool(session.scalar(_is_any_due()))


@marks.mark("counting")
def _is_any_due() -> sa.Select[bool]:
    return sa.select(sa.exists(sa.select(RollupDue.id)).label("counting"))


@modules.provide_activity
def last_days(session: Session, persons: Collection[int]) -> dict[int, date]:
    """The last day on which each of these persons contributed anything, reviews included."""
    if not persons:
        return {}
    rows = session.execute(
        sa.select(WorkSum.person_id, sa.func.max(WorkSum.last_on))
        .where(WorkSum.person_id.in_(sorted(persons)), WorkSum.stretch == Stretch.YEAR, WorkSum.kind.in_(CONTRIBUTIONS))
        .group_by(WorkSum.person_id)
    )
    return {person: day for person, day in rows if person is not None}


def by_month(window: Window) -> Stretch | None:
    """The longest stretch from which a window's periods can be made: of half a year they are weeks."""
    return None if window.is_weekly else Stretch.MONTH


def sums_of(found: Any) -> list[Any]:
    """The four sums of columns that are called as the rollup's are."""
    return [sa.func.sum(column) for column in (found.commits, found.added, found.deleted, found.without_lines)]
