"""The paths that a module's commits changed: when, how often, and who knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.models import ChangePath, Commit, CommitModule, RepositoryCommit
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope
from app.contributions.windows import Window
from app.people.models import IdentityPerson
from app.people.rules import Role


@dataclass(frozen=True)
class PathChanges:
    """Commits that changed a path in one month."""

    path: str
    month: date
    commits: int


@dataclass(frozen=True)
class PathKnower:
    """How often a person's commits changed a path, and when last."""

    path: str
    person: int
    commits: int
    last_on: date


@remembered
def path_changes(session: Session, scope: Scope, window: Window, *, below: str = "") -> list[PathChanges]:
    """How often each path was changed in each month, within a folder (or one file) if `below` names one."""
    month = sa.func.substr(sa.cast(Commit.day, sa.String(10)), 1, 7)
    query = _changed([ChangePath.path, month, sa.func.count()], scope, window, below)
    rows = session.execute(query.group_by(ChangePath.path, month))
    return [PathChanges(path, date.fromisoformat(f"{text}-01"), number) for path, text, number in rows]


@remembered
def path_knowers(session: Session, scope: Scope, window: Window, *, below: str = "") -> list[PathKnower]:
    """Who changed each path how often in the window, bots and tools left out."""
    person = IdentityPerson.person_id
    query = _changed([ChangePath.path, person, sa.func.count(), sa.func.max(Commit.day)], scope, window, below)
    query = query.join(IdentityPerson, IdentityPerson.identity_id == Commit.author_identity_id)
    rows = session.execute(query.where(IdentityPerson.role == Role.PERSON).group_by(ChangePath.path, person))
    return [PathKnower(path, number, commits, last_on) for path, number, commits, last_on in rows]


def _changed(columns: Sequence[Any], scope: Scope, window: Window, below: str) -> sa.Select[Any]:
    query = (
        sa.select(*columns)
        .select_from(Commit)
        .join(ChangePath, ChangePath.commit_id == Commit.id)
        .join(RepositoryCommit, RepositoryCommit.commit_id == Commit.id)
        .where(Commit.day.between(window.since, window.until))
    )
    held = RepositoryCommit.repository_id == scope.repository if scope.repository else RepositoryCommit.is_counted
    query = query.where(held)
    if scope.module:
        query = query.join(CommitModule, CommitModule.commit_id == Commit.id)
        query = query.where(CommitModule.module_key == scope.module)
    if below:
        folder = ChangePath.path.startswith(f"{below}/", autoescape=True)
        query = query.where(sa.or_(ChangePath.path == below, folder))
    return query
