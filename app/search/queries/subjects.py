"""What is indexed of each kind: its words and its rank. One more kind is one more function and its triggers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.models import Change, Issue, Repository, RepositoryCommit, Rollup
from app.contributions.private import is_shown
from app.members.models import Organization, OrganizationDomain
from app.modules.models import Module
from app.people.models import Identity, IdentityPerson, Person
from app.people.rules import PROOF, Role
from app.releases.models import Release
from app.search.models import Kind
from app.search.rules import words_of

_DAY_ZERO = date(1970, 1, 1)


@dataclass(frozen=True)
class Indexed:
    """A thing as it is to be indexed."""

    rank: int
    words: tuple[str, ...]


Subject = Callable[[Session, Collection[int]], dict[int, Indexed]]


def people(session: Session, numbers: Collection[int]) -> dict[int, Indexed]:
    """By name and login, ranked by work; nobody who is hidden or turned out to be another."""
    rows = session.execute(
        sa.select(Person.id, Person.name).where(Person.id.in_(numbers), FINDABLE[Kind.PERSON])
    ).all()
    logins: dict[int, list[str]] = {}
    # What somebody proved in order to sign in is theirs to show; only what sources write is found.
    for person, login in session.execute(
        sa.select(IdentityPerson.person_id, Identity.login)
        .join(Identity, Identity.id == IdentityPerson.identity_id)
        .where(IdentityPerson.person_id.in_(numbers), Identity.login != "", ~Identity.source.startswith(PROOF))
        .order_by(Identity.id)
    ):
        logins.setdefault(person, []).append(login)
    work = _work(session, Rollup.person_id, numbers)
    return {
        row.id: _indexed(_bucket(work.get(row.id, 0)), row.name, *dict.fromkeys(logins.get(row.id, ()))) for row in rows
    }


def organizations(session: Session, numbers: Collection[int]) -> dict[int, Indexed]:
    """By name and domains, ranked by work."""
    domains: dict[int, list[str]] = {}
    for number, domain in session.execute(
        sa.select(OrganizationDomain.organization_id, OrganizationDomain.domain)
        .where(OrganizationDomain.organization_id.in_(numbers))
        .order_by(OrganizationDomain.domain, OrganizationDomain.id)
    ):
        domains.setdefault(number, []).append(domain)
    work = _work(session, Rollup.organization_id, numbers)
    rows = session.execute(sa.select(Organization.id, Organization.name).where(Organization.id.in_(numbers)))
    return {row.id: _indexed(_bucket(work.get(row.id, 0)), row.name, *domains.get(row.id, ())) for row in rows}


def modules(session: Session, numbers: Collection[int]) -> dict[int, Indexed]:
    """By key, name and what they are for, in the order of the file."""
    query = sa.select(Module).where(Module.id.in_(numbers), FINDABLE[Kind.MODULE])
    return {one.id: _indexed(-one.position, one.key, one.name, one.summary) for one in session.scalars(query)}


def repositories(session: Session, numbers: Collection[int]) -> dict[int, Indexed]:
    """By name, ranked by commits."""
    counted = {
        number: count
        for number, count in session.execute(
            sa.select(RepositoryCommit.repository_id, sa.func.count())
            .where(RepositoryCommit.repository_id.in_(numbers))
            .group_by(RepositoryCommit.repository_id)
        )
    }
    rows = session.execute(sa.select(Repository.id, Repository.name).where(Repository.id.in_(numbers)))
    return {row.id: _indexed(_bucket(counted.get(row.id, 0)), row.name) for row in rows}


def releases(session: Session, numbers: Collection[int]) -> dict[int, Indexed]:
    """By project and version, the newest first."""
    rows = session.execute(sa.select(Release.id, Release.project, Release.version).where(Release.id.in_(numbers)))
    return {row.id: _indexed(row.id, f"{row.project} {row.version}", row.version.replace(".", "")) for row in rows}


def changes(session: Session, numbers: Collection[int]) -> dict[int, Indexed]:
    """By title, number and repository, those opened last first."""
    rows = session.execute(
        sa.select(Change.id, Change.title, Change.number, Change.opened_at, Change.source_ref, Repository.name)
        .join(Repository, Repository.id == Change.repository_id)
        .where(Change.id.in_(numbers), FINDABLE[Kind.CHANGE])
    )
    return {
        row.id: _indexed((row.opened_at.date() - _DAY_ZERO).days, f"{row.number or row.source_ref} {row.name}",
                         row.title)
        for row in rows
    }  # fmt: skip


def issues(session: Session, numbers: Collection[int]) -> dict[int, Indexed]:
    """By title, number and repository, those opened last first; a bot's behind all others."""
    rows = session.execute(
        sa.select(Issue.id, Issue.title, Issue.number, Issue.opened_at, Repository.name, IdentityPerson.role)
        .join(Repository, Repository.id == Issue.repository_id)
        .outerjoin(IdentityPerson, IdentityPerson.identity_id == Issue.author_identity_id)
        .where(Issue.id.in_(numbers), FINDABLE[Kind.ISSUE])
    )
    return {
        row.id: _indexed(0 if row.role not in (None, Role.PERSON) else (row.opened_at.date() - _DAY_ZERO).days,
                         f"{row.number or ''} {row.name}", row.title)
        for row in rows
    }  # fmt: skip


SUBJECTS: dict[Kind, Subject] = {
    Kind.PERSON: people,
    Kind.ORGANIZATION: organizations,
    Kind.MODULE: modules,
    Kind.REPOSITORY: repositories,
    Kind.RELEASE: releases,
    Kind.CHANGE: changes,
    Kind.ISSUE: issues,
}
NUMBERS: dict[Kind, sa.orm.InstrumentedAttribute[int]] = {
    Kind.PERSON: Person.id, Kind.ORGANIZATION: Organization.id, Kind.MODULE: Module.id,
    Kind.REPOSITORY: Repository.id, Kind.RELEASE: Release.id, Kind.CHANGE: Change.id,
    Kind.ISSUE: Issue.id,
}  # fmt: skip
FINDABLE: dict[Kind, sa.ColumnElement[bool]] = {
    Kind.PERSON: sa.and_(Person.hidden_at.is_(None), Person.merged_into_id.is_(None)),
    Kind.MODULE: Module.retired_on.is_(None),
    Kind.CHANGE: is_shown(Change.repository_id),
    Kind.ISSUE: is_shown(Issue.repository_id),
}
"""Of which rows there are entries, where that is not all of them."""
BY_WORK = (Kind.PERSON, Kind.ORGANIZATION, Kind.REPOSITORY)
"""The kinds whose rank moves without a word of theirs being touched."""


def _indexed(rank: int, *texts: str) -> Indexed:
    return Indexed(rank, tuple(words_of(" ".join(texts))))


def _bucket(count: int) -> int:
    """A rank that moves when work grows by a tenth, so that an active person is not indexed anew every day."""
    return round(8 * math.log2(1 + count))


def _work(session: Session, column: Any, numbers: Collection[int]) -> dict[int, int]:
    rows = session.execute(
        sa.select(column, sa.func.sum(Rollup.commits))
        .where(column.in_(numbers), sa.func.coalesce(Rollup.module_key, "") == "")
        .group_by(column)
    )
    return {number: int(commits) for number, commits in rows if number is not None}
