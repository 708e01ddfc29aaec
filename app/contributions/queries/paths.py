"""The paths that a module's commits changed: when, how often, and who knows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.contributions.models import ChangePath, Commit, CommitModule, CommitTrailer, RepositoryCommit
from app.contributions.queries.scopes import Scope, place_of, rows_of
from app.contributions.rules import TrailerKey
from app.contributions.windows import Window
from app.modules import queries as modules
from app.modules.rules import modules_of
from app.people.models import IdentityPerson
from app.people.rules import Role


@dataclass(frozen=True)
class PathWork:
    """The commits that changed a path: how many in each month, and by whom how many and when last.

    A landing bot's commit is the first co-author's, as everywhere. Bots and tools are in the months alone.
    """

    path: str
    months: Counter[date] = field(default_factory=Counter)
    people: Counter[int] = field(default_factory=Counter)
    last: dict[int, date] = field(default_factory=dict)


def path_work(session: Session, scope: Scope, window: Window, *, below: str = "") -> Mapping[str, PathWork]:
    """Path -> what happened to it, within a folder (or one file) if `below` names one; of a module its own paths."""
    person = sa.case(
        (IdentityPerson.role == Role.PERSON, IdentityPerson.person_id),
        (IdentityPerson.role == Role.LANDING_BOT, _first_co_author()),
    )
    read = _changed(scope, window, below).add_columns(ChangePath.path, Commit.day, person.label("person"))
    found: dict[str, PathWork | None] = {}
    own = _ownership(session, scope)
    for path, month, who, commits, last_on in _by_month(session, read, window):
        if path not in found:
            found[path] = PathWork(path) if own(path) else None
        if (one := found[path]) is None:
            continue
        one.months[month] += commits
        if who is not None:
            one.people[who] += commits
            if (last := one.last.get(who)) is None or last < last_on:
                one.last[who] = last_on
    return {path: one for path, one in found.items() if one is not None}


_GROUPED_DAYS = 2 * 366
"""Of shorter windows hardly two commits share path, month and author: grouping would sort long texts for nothing."""


def _by_month(
    session: Session, read: sa.Select[Any], window: Window
) -> Iterator[tuple[str, date, int | None, int, date]]:
    """(path, first of a month, who, how many commits, the last day of them), not each of them once only."""
    if window.days <= _GROUPED_DAYS:
        for path, day, who in rows_of(session, read):
            yield path, day.replace(day=1), who, 1, day
        return
    firsts = window.months()
    every = read.subquery().c
    month = place_of(every.day, firsts).label("month")
    keys = (every.path, month, every.person)
    query = sa.select(*keys, sa.func.count(), sa.func.max(every.day)).group_by(every.path, month, every.person)
    for path, place, who, commits, last_on in rows_of(session, query):
        yield path, firsts[place], who, commits, last_on


def _ownership(session: Session, scope: Scope) -> Callable[[str], bool]:
    """Whether a path is the scope's: a commit that touches a module touches others' paths, too."""
    module = scope.module
    if module is None:
        return lambda _: True
    of = modules.paths(session)
    return lambda path: module in modules_of(path, of)


def _first_co_author() -> sa.ScalarSelect[int]:
    """Whom a commit names first of its co-authors, if it is a person: whoever wrote what a landing bot landed."""
    named = aliased(IdentityPerson)
    return (
        sa.select(named.person_id)
        .select_from(CommitTrailer)
        .join(named, named.identity_id == CommitTrailer.identity_id)
        .where(CommitTrailer.commit_id == Commit.id, CommitTrailer.key == TrailerKey.CO_AUTHORED,
               named.role == Role.PERSON)
        .order_by(CommitTrailer.id)
        .limit(1)
        .correlate(Commit)
        .scalar_subquery()
    )  # fmt: skip


def _changed(scope: Scope, window: Window, below: str) -> sa.Select[tuple[()]]:
    query = (
        sa.select()
        .select_from(Commit)
        .join(ChangePath, ChangePath.commit_id == Commit.id)
        .join(RepositoryCommit, RepositoryCommit.commit_id == Commit.id)
        .outerjoin(IdentityPerson, IdentityPerson.identity_id == Commit.author_identity_id)
        .where(Commit.day.between(window.since, window.until))
    )
    held = RepositoryCommit.repository_id == scope.repository if scope.repository else RepositoryCommit.is_counted
    query = query.where(held)
    if scope.module:
        query = query.join(CommitModule, CommitModule.commit_id == Commit.id)
        query = query.where(CommitModule.module_key == scope.module)
    if below:
        # Letter by letter: SQLite's LIKE takes Docs/ for docs/.
        folder = sa.func.substr(ChangePath.path, 1, len(below) + 1) == f"{below}/"
        query = query.where(sa.or_(ChangePath.path == below, folder))
    return query
