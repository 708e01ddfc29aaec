"""The paths that a module's commits changed: when, how often, and who knows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.contributions.models import ChangePath, Commit, CommitModule, CommitTrailer, RepositoryCommit
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope
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


@remembered
def path_work(session: Session, scope: Scope, window: Window, *, below: str = "") -> Mapping[str, PathWork]:
    """Path -> what happened to it, within a folder (or one file) if `below` names one; of a module its own paths."""
    month = sa.func.substr(sa.cast(Commit.day, sa.String(10)), 1, 7)
    person = sa.case(
        (IdentityPerson.role == Role.PERSON, IdentityPerson.person_id),
        (IdentityPerson.role == Role.LANDING_BOT, _first_co_author()),
    )
    read = _changed(scope, window, below).add_columns(
        ChangePath.path, month.label("month"), person.label("person"), Commit.day
    ).subquery()  # fmt: skip
    keys = (read.c.path, read.c.month, read.c.person)
    rows = session.execute(sa.select(*keys, sa.func.count(), sa.func.max(read.c.day)).group_by(*keys))
    found: dict[str, PathWork] = {}
    starts: dict[str, date] = {}
    for path, text, who, commits, last_on in rows:
        if path not in found:
            found[path] = PathWork(path)
        if text not in starts:
            starts[text] = date.fromisoformat(f"{text}-01")
        one = found[path]
        one.months[starts[text]] += commits
        if who is not None:
            one.people[who] += commits
            one.last[who] = max(last_on, one.last.get(who, last_on))
    if scope.module is None:
        return found
    # A commit that touches a module touches others' paths, too.
    of = modules.paths(session)
    return {path: one for path, one in found.items() if scope.module in modules_of(path, of)}


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
