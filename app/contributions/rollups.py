"""Makes the rollup from commits, identities and employments: for some days of a repository, or for some persons.

Each making deletes what it covers and counts it anew in one statement, so that a batch done twice, a moved
affiliation or an undone decision leave the same figures as counting everything from nothing. The sums by month and
year (`app.contributions.summing`) of whoever had or has such rows are made anew with them.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.contributions.metrics import CONTRIBUTIONS, Kind
from app.contributions.models import (
    Attribution,
    Commit,
    CommitModule,
    CommitTrailer,
    Repository,
    RepositoryCommit,
    Rollup,
)
from app.contributions.rules import COUNTING_RULES, TrailerKey
from app.contributions.stamps import stamp
from app.contributions.summing import sum_all, sum_persons
from app.db import Turn, holds_on, take_turn
from app.people.models import Employment, IdentityDecision, IdentityPerson
from app.people.rules import DecisionKind, Role

REVIEWING = (TrailerKey.REVIEWED, TrailerKey.APPROVED, TrailerKey.ACKED)
_COLUMNS = ("day", "repository_id", "module_key", "kind", "attribution", "organization_id", "person_id", "is_counted",
            "commits", "added", "deleted", "without_lines")  # fmt: skip


def roll_days(session: Session, repository_id: int, days: Collection[date]) -> None:
    """Count these days of a repository anew."""
    take_turn(session, Turn.FIGURES)
    for part in _parts(sorted(days)):
        those = (Rollup.repository_id == repository_id, Rollup.day.in_(part))
        concerned = set(session.scalars(sa.select(Rollup.person_id).where(*those).distinct()))
        session.execute(sa.delete(Rollup).where(*those))
        held = sa.and_(RepositoryCommit.repository_id == repository_id, RepositoryCommit.day.in_(part))
        _count(session, sa.select(RepositoryCommit).where(held).subquery("held"), persons=None)
        concerned |= set(session.scalars(sa.select(Rollup.person_id).where(*those).distinct()))
        for some in _parts(sorted(person for person in concerned if person is not None)):
            sum_persons(session, some, {day.year for day in part})
    stamp(session, by_people=False)


def roll_persons(session: Session, persons: Collection[int]) -> None:
    """Count everything of these persons anew: their identities, employers or roles have changed.

    Where one of them is or was a bot, also whoever is named in its commits: a landing bot's work is theirs. And where
    one of them begins or ceases to be somebody, whoever else is named in the commits that a bot landed with them: the
    first co-author may be another now.
    """
    take_turn(session, Turn.FIGURES)
    everyone = set(persons)
    for part in _parts(sorted(persons)):
        everyone |= set(session.scalars(_named_in_commits_of(_bots_among(part))))
        everyone |= set(session.scalars(_landed_beside(_unsettled_among(part))))
    for part in _parts(sorted(everyone)):
        session.execute(sa.delete(Rollup).where(Rollup.person_id.in_(part)))
        own = sa.select(IdentityPerson.identity_id).where(IdentityPerson.person_id.in_(part))
        touched = sa.union(
            sa.select(Commit.id).where(Commit.author_identity_id.in_(own)),
            sa.select(CommitTrailer.commit_id).where(CommitTrailer.identity_id.in_(own)),
        )
        held = sa.select(RepositoryCommit).where(RepositoryCommit.commit_id.in_(touched)).subquery("held")
        _count(session, held, persons=part)
        sum_persons(session, part)
    stamp(session, by_people=True)


def roll_all(session: Session) -> None:
    """Count everything anew."""
    take_turn(session, Turn.FIGURES)
    session.execute(sa.delete(Rollup))
    _count(session, sa.select(RepositoryCommit).subquery("held"), persons=None)
    session.execute(sa.update(Repository).values(counted_by=COUNTING_RULES))
    sum_all(session)
    stamp(session, by_people=True)


def _count(session: Session, held: sa.Subquery, *, persons: Collection[int] | None) -> None:
    credit = _credits(held)
    if persons is not None:
        credit = sa.select(credit).where(credit.c.person_id.in_(persons)).subquery("own_credit")
    for whole in (True, False):
        session.execute(sa.insert(Rollup).from_select(_COLUMNS, _sums(credit, by_module=not whole)))


def _sums(credit: sa.Subquery, *, by_module: bool) -> sa.Select[tuple[object, ...]]:
    employed = sa.and_(Employment.person_id == credit.c.person_id, holds_on(Employment, credit.c.day))
    attribution = sa.case(
        (Employment.id.is_(None), Attribution.UNKNOWN.value),
        (Employment.organization_id.is_(None), Attribution.INDEPENDENT.value),
        else_=Attribution.ORGANIZATION.value,
    )
    module = CommitModule.module_key if by_module else sa.cast(sa.null(), sa.String)
    is_own = credit.c.kind.in_((Kind.COMMIT.value, Kind.BOT.value))
    added, deleted = (CommitModule.added, CommitModule.deleted) if by_module else (Commit.added, Commit.deleted)
    keys = (credit.c.day, credit.c.repository_id, module, credit.c.kind, attribution, Employment.organization_id,
            credit.c.person_id, credit.c.is_counted)  # fmt: skip
    query = (
        sa.select(
            *keys,
            sa.func.count(),
            sa.func.sum(sa.case((is_own, sa.func.coalesce(added, 0)), else_=0)),
            sa.func.sum(sa.case((is_own, sa.func.coalesce(deleted, 0)), else_=0)),
            sa.func.sum(sa.case((sa.and_(is_own, Commit.added.is_(None)), 1), else_=0)),
        )
        .select_from(credit)
        .join(Commit, Commit.id == credit.c.commit_id)
        .join(Employment, employed, isouter=True)
    )
    if by_module:
        query = query.join(CommitModule, CommitModule.commit_id == credit.c.commit_id)
    # A constant NULL is no column to group by.
    return query.group_by(*(key for key in keys if by_module or key is not module))


def _credits(held: sa.Subquery) -> sa.Subquery:
    """One row for each (commit, person, kind): the author, and everybody whom a trailer names.

    A landing bot's commit is the first co-author's. Whoever a commit is credited to is not its co-author or reviewer as
    well, under whatever name. Who changes this raises COUNTING_RULES.
    """
    author = aliased(IdentityPerson)
    named = aliased(IdentityPerson)
    place = (held.c.repository_id, held.c.commit_id, held.c.day, held.c.is_counted)
    first = (
        sa.select(sa.func.min(CommitTrailer.id))
        .join(named, named.identity_id == CommitTrailer.identity_id)
        .where(CommitTrailer.commit_id == held.c.commit_id, CommitTrailer.key == TrailerKey.CO_AUTHORED,
               named.role == Role.PERSON)
        .correlate(held)
        .scalar_subquery()
    )  # fmt: skip
    wrote = (
        sa.select(
            *place, author.person_id.label("person_id"),
            sa.case(
                (author.role == Role.ASSISTANCE, Kind.ASSISTED.value),
                (author.role != Role.PERSON, Kind.BOT.value),
                (Commit.is_merge, Kind.MERGE.value),
                else_=Kind.COMMIT.value,
            ).label("kind"),
        )
        .select_from(held)
        .join(Commit, Commit.id == held.c.commit_id)
        .join(author, author.identity_id == Commit.author_identity_id)
        .where(sa.or_(author.role != Role.LANDING_BOT, first.is_(None)))
    )  # fmt: skip
    helper = aliased(IdentityPerson)
    is_co_author = CommitTrailer.key == TrailerKey.CO_AUTHORED
    credited, theirs = aliased(IdentityPerson), aliased(CommitTrailer)
    is_theirs = sa.exists().where(theirs.id == first, credited.identity_id == theirs.identity_id,
                                  credited.person_id == helper.person_id)  # fmt: skip
    helped = (
        sa.select(
            *place, helper.person_id.label("person_id"),
            sa.case(
                (helper.role == Role.ASSISTANCE, Kind.ASSISTED.value),
                (sa.and_(author.role == Role.LANDING_BOT, CommitTrailer.id == first), Kind.COMMIT.value),
                (is_co_author, Kind.CO_AUTHORED.value),
                (CommitTrailer.key == TrailerKey.ASSISTED, Kind.ASSISTED.value),
                else_=Kind.REVIEWED.value,
            ).label("kind"),
        )
        .select_from(held)
        .join(Commit, Commit.id == held.c.commit_id)
        .join(author, author.identity_id == Commit.author_identity_id)
        .join(CommitTrailer, CommitTrailer.commit_id == held.c.commit_id)
        .join(helper, helper.identity_id == CommitTrailer.identity_id)
        .where(
            CommitTrailer.key.in_((TrailerKey.CO_AUTHORED, TrailerKey.ASSISTED, *REVIEWING)),
            helper.person_id != author.person_id,
            sa.or_(author.role != Role.LANDING_BOT, CommitTrailer.id == first, ~is_theirs),
            sa.or_(helper.role == Role.PERSON, CommitTrailer.key == TrailerKey.ASSISTED,
                   sa.and_(helper.role == Role.ASSISTANCE, is_co_author)),
        )
        .distinct()
    )  # fmt: skip
    return sa.union_all(wrote, helped).subquery("credit")


def _bots_among(persons: Collection[int]) -> sa.CompoundSelect[Any]:
    now = sa.select(IdentityPerson.person_id).where(IdentityPerson.person_id.in_(persons),
                                                    IdentityPerson.role.in_((Role.BOT, Role.LANDING_BOT)))  # fmt: skip
    before = sa.select(Rollup.person_id).where(Rollup.person_id.in_(persons), Rollup.kind == Kind.BOT)
    return sa.union(now, before, landing_bots_among(persons))


def landing_bots_among(persons: Collection[int]) -> sa.Select[Any]:
    """Who of them is a landing bot by a decision or was one: where all its commits name people, it has no figures."""
    return (
        sa.select(IdentityPerson.person_id)
        .join(IdentityDecision, IdentityDecision.identity_id == IdentityPerson.identity_id)
        .where(IdentityPerson.person_id.in_(persons), IdentityDecision.kind == DecisionKind.LANDING_BOT_FOR)
    )


def _named_in_commits_of(persons: sa.CompoundSelect[Any]) -> sa.Select[Any]:
    author, named = aliased(IdentityPerson), aliased(IdentityPerson)
    return (
        sa.select(named.person_id)
        .distinct()
        .join(CommitTrailer, CommitTrailer.identity_id == named.identity_id)
        .join(Commit, Commit.id == CommitTrailer.commit_id)
        .join(author, author.identity_id == Commit.author_identity_id)
        .where(author.person_id.in_(persons))
    )


def _unsettled_among(persons: Collection[int]) -> sa.Select[Any]:
    """Who of them is a bot or a tool now, or contributed nothing so far as is counted."""
    counted = sa.exists().where(Rollup.person_id == IdentityPerson.person_id, Rollup.kind.in_(CONTRIBUTIONS))
    return sa.select(IdentityPerson.person_id).where(IdentityPerson.person_id.in_(persons),
                                                     sa.or_(IdentityPerson.role != Role.PERSON, ~counted))  # fmt: skip


def _landed_beside(persons: sa.Select[Any]) -> sa.CompoundSelect[Any]:
    """Everybody in the commits by landing bots that name one of these as a co-author; the bots themselves, too."""
    author, named, other = aliased(IdentityPerson), aliased(IdentityPerson), aliased(IdentityPerson)
    mine, theirs = aliased(CommitTrailer), aliased(CommitTrailer)
    landed = (
        sa.select(mine.commit_id, author.person_id)
        .join(named, named.identity_id == mine.identity_id)
        .join(Commit, Commit.id == mine.commit_id)
        .join(author, author.identity_id == Commit.author_identity_id)
        .where(named.person_id.in_(persons), mine.key == TrailerKey.CO_AUTHORED, author.role == Role.LANDING_BOT)
    ).subquery().c  # fmt: skip
    beside = (
        sa.select(other.person_id)
        .join(theirs, theirs.identity_id == other.identity_id)
        .where(theirs.commit_id.in_(sa.select(landed.commit_id)), theirs.key == TrailerKey.CO_AUTHORED)
    )
    return sa.union(sa.select(landed.person_id), beside)


def _parts(values: list[Any]) -> list[list[Any]]:
    return [values[start : start + 500] for start in range(0, len(values), 500)]
