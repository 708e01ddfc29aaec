"""The work of a scope in each repository: its commits, their people and organizations, beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import COMMITS, Kind
from app.contributions.models import Attribution, Repository, Rollup, Stretch, WorkSum
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope
from app.contributions.queries.worked import parts_of, widened
from app.contributions.windows import Window


@dataclass(frozen=True)
class RepositoryWork:
    """Commits in one repository; `with_lines`: those that are no merges, `without_lines`: of these, not counted."""

    commits: int
    unknown: int
    people: int
    organizations: int
    added: int
    deleted: int
    with_lines: int
    without_lines: int


@remembered
def work_by_repository(session: Session, scope: Scope, window: Window) -> Mapping[int, RepositoryWork]:
    """The commits of everything, or of an organization or a person, in each repository that holds any."""
    parts = []
    for stretch, since, until in parts_of(widened(session, window), (Stretch.YEAR, Stretch.MONTH)):
        table: Any = Rollup if stretch is None else WorkSum
        day = Rollup.day if stretch is None else WorkSum.starts_on
        query = sa.select(
            table.repository_id, table.kind, table.organization_id, table.attribution, table.person_id, table.commits,
            table.added, table.deleted, table.without_lines,
        ).where(*_held(scope, table), day.between(since, until))  # fmt: skip
        parts.append(query if stretch is None else query.where(WorkSum.stretch == stretch))
    if not parts:
        return {}
    read = (sa.union_all(*parts) if len(parts) > 1 else parts[0]).subquery("in_repositories").c
    is_own = sa.case((read.kind == Kind.COMMIT, 1), else_=0)
    is_unknown = sa.case((read.attribution == Attribution.UNKNOWN, 1), else_=0)
    rows = session.execute(
        sa.select(
            read.repository_id, sa.func.sum(read.commits), sa.func.sum(read.commits * is_unknown),
            sa.func.count(read.person_id.distinct()), sa.func.count(read.organization_id.distinct()),
            sa.func.sum(read.added), sa.func.sum(read.deleted), sa.func.sum(read.commits * is_own),
            sa.func.sum(read.without_lines * is_own),
        ).group_by(read.repository_id)
    )  # fmt: skip
    return {number: RepositoryWork(*map(int, sums)) for number, *sums in rows}


def _held(scope: Scope, table: Any) -> list[sa.ColumnElement[bool]]:
    # Named one by one, so that databases look into the index at each repository instead of reading all of it.
    of = sa.select(Repository.id)
    found = [table.repository_id.in_(of), table.module_key.is_(None), table.kind.in_(COMMITS)]
    if scope.repository:
        found.append(table.repository_id == scope.repository)
    if scope.organization:
        found.append(table.organization_id.in_(scope.organizations))
    if scope.person:
        found.append(table.person_id == scope.person)
    return found
