"""Brings the figures up to what the rows say: who is who, whom they worked for, and the rollup of what is due.

What must be counted again is written down with the change that made it so, and forgotten with the counting: a kill
in between leaves it due.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.bulk import insert_rows
from app.contributions.metrics import COMMITS
from app.contributions.models import (
    Attribution,
    Commit,
    CommitModule,
    CommitTrailer,
    RepositoryCommit,
    Rollup,
    RollupDue,
)
from app.contributions.rollups import landing_bots_among, roll_days, roll_persons
from app.db import Database
from app.people.models import IdentityPerson
from app.people.queries import on_change, provide_areas, provide_attributions, provide_weights, resolve

DAYS_AT_ONCE = 400
PERSONS_AT_ONCE = 400
AT_ONCE = 20
Writing = Callable[[], AbstractContextManager[Session]]


def days_are_due(session: Session, repository_id: int, days: Collection[date]) -> None:
    """Note that these days of a repository must be counted again."""
    if days:
        session.execute(sa.insert(RollupDue), [{"repository_id": repository_id, "day": day} for day in sorted(days)])


@on_change
def persons_changed(session: Session, persons: Collection[int]) -> None:
    """Count everything of these persons again: at once if they are few, else soon (the job `watch` looks each minute).

    Identities move between persons: as soon as one of them has figures, those of all are counted.
    """
    listed = sorted(persons)
    parts = [listed[start : start + 500] for start in range(0, len(listed), 500)]
    if not any(_has_figures(session, part) for part in parts):
        return
    if len(listed) <= AT_ONCE:
        roll_persons(session, listed)
    else:
        insert_rows(session, RollupDue.__table__, ("person_id",), ((person,) for person in listed))


def _has_figures(session: Session, persons: Collection[int]) -> bool:
    """Whether one of them has figures, or would have if they were no bot: they are named in what is counted already."""
    if session.scalar(sa.select(Rollup.id).where(Rollup.person_id.in_(persons)).limit(1)):
        return True
    if session.scalar(landing_bots_among(persons).limit(1)) is not None:
        return True
    being_counted = sa.select(RollupDue.repository_id).where(RollupDue.repository_id.is_not(None))
    named = (
        sa.select(CommitTrailer.id)
        .join(IdentityPerson, IdentityPerson.identity_id == CommitTrailer.identity_id)
        .join(RepositoryCommit, RepositoryCommit.commit_id == CommitTrailer.commit_id)
        .where(IdentityPerson.person_id.in_(persons), RepositoryCommit.repository_id.not_in(being_counted))
    )
    return session.scalar(named.limit(1)) is not None


@provide_weights
def commits_of(session: Session, persons: Collection[int] | None) -> Mapping[int, int]:
    """How many commits each of these persons (None: everybody) has; the queue of proposals is in that order."""
    query = (
        sa.select(Rollup.person_id, sa.func.sum(Rollup.commits))
        .where(Rollup.module_key.is_(None), Rollup.is_counted.is_(True), Rollup.kind.in_(COMMITS))
        .group_by(Rollup.person_id)
    )
    parts = [query]
    if persons is not None:
        listed = sorted(persons)
        chunks = [listed[start : start + 500] for start in range(0, len(listed), 500)]
        parts = [query.where(Rollup.person_id.in_(chunk)) for chunk in chunks]
    return {person: int(commits) for part in parts for person, commits in session.execute(part) if person is not None}


@provide_attributions
def attributed_to(session: Session, person: int) -> Mapping[int | None, int]:
    """For whom a person's commits count: organization (0: independent, None: nobody knows) -> commits."""
    query = (
        sa.select(Rollup.attribution, Rollup.organization_id, sa.func.sum(Rollup.commits))
        .where(Rollup.person_id == person, Rollup.module_key.is_(None), Rollup.is_counted.is_(True),
               Rollup.kind.in_(COMMITS))
        .group_by(Rollup.attribution, Rollup.organization_id)
    )  # fmt: skip
    return {
        organization or (0 if attribution is Attribution.INDEPENDENT else None): int(commits)
        for attribution, organization, commits in session.execute(query)
    }


@provide_areas
def modules_of(session: Session, identities: Collection[int]) -> Mapping[int, frozenset[str]]:
    """The modules that each of these identities committed to: whoever has the same name and works there is likelier."""
    found: dict[int, set[str]] = defaultdict(set)
    listed = sorted(identities)
    for start in range(0, len(listed), 500):
        query = (
            sa.select(Commit.author_identity_id, CommitModule.module_key)
            .join(CommitModule, CommitModule.commit_id == Commit.id)
            .where(Commit.author_identity_id.in_(listed[start : start + 500]))
            .distinct()
        )
        for identity, module in session.execute(query):
            found[identity].add(module)
    return {identity: frozenset(modules) for identity, modules in found.items()}


def settle(writing: Writing) -> int:
    """Resolve identities and count everything that is due, in transactions of bounded size; gives how many there were.

    The figures are whole again when this ends; in between, days not yet counted are missing from them.
    """
    with writing() as session:
        resolve(session)  # tells persons_changed
    return count_due(writing)


def count_due(writing: Writing) -> int:
    """As `settle`, where nobody's identity or employer can have changed: nothing is resolved."""
    count = 0
    while done := _settle_some(writing):
        count += done
    return count


def anything_due(db: Database) -> bool:
    """Whether somebody left figures to be counted again."""
    with db.read() as session:
        return session.scalar(sa.select(RollupDue.id).limit(1)) is not None


def _settle_some(writing: Writing) -> int:
    with writing() as session:
        return _settle_part(session)


def _settle_part(session: Session) -> int:
    by_day = sa.select(RollupDue).where(RollupDue.repository_id.is_not(None)).order_by(RollupDue.repository_id,
                                                                                      RollupDue.day)  # fmt: skip
    days: dict[int, set[date]] = defaultdict(set)
    rows = session.scalars(by_day.limit(DAYS_AT_ONCE)).all()
    for row in rows:
        if row.repository_id is not None and row.day is not None:
            days[row.repository_id].add(row.day)
    for repository_id, due in days.items():
        roll_days(session, repository_id, due)
    if not rows:
        rows = session.scalars(sa.select(RollupDue).order_by(RollupDue.person_id).limit(PERSONS_AT_ONCE)).all()
        roll_persons(session, {row.person_id for row in rows if row.person_id is not None})
    numbers = [row.id for row in rows]
    session.execute(sa.delete(RollupDue).where(RollupDue.id.in_(numbers)))
    return len(rows)
