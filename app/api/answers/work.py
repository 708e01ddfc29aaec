"""Repositories, their branches and releases, and the commits on their default branches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from flask import abort
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.answers import names
from app.api.fields import (
    Answer,
    Asked,
    Day,
    Items,
    Key,
    OrganizationId,
    Paged,
    PersonId,
    PersonName,
    RepositoryId,
    RepositoryRef,
    Sha,
)
from app.api.operations import example, operation
from app.api.paging import listed
from app.contributions.models import (
    Branch,
    Commit,
    CommitModule,
    Repository,
    RepositoryCommit,
    RepositoryRelease,
    RepositoryState,
)
from app.contributions.private import is_shown
from app.contributions.queries import passes
from app.contributions.registry import by_public_id
from app.pages import veiled
from app.people.queries.persons import HIDDEN_NAME


class RepositoryLine(Answer):
    """A repository whose default branch is counted."""

    id: str
    name: str
    url: str
    is_foundation: bool
    state: RepositoryState
    default_branch: str | None
    ingested_sha: Annotated[str | None, Field(description="The commit up to which its history is in the figures.")]
    ingested_at: datetime | None


class BranchSeen(Answer):
    """A branch as last fetched."""

    name: str
    head_sha: str
    is_default: bool
    moved_at: datetime


class RepositoryRecord(RepositoryLine):
    """A repository with how far its reading is, and its branches."""

    problem: str
    commits: int
    lines_counted_share: float
    branches: list[BranchSeen]


class PublishedRelease(Answer):
    """A release that a repository published."""

    tag: str
    name: str
    url: str
    is_prerelease: bool
    published_at: datetime
    repository: RepositoryRef


class CommitLine(Answer):
    """A commit on a default branch; `author` is null for a hidden person, and for a name that nobody is known by."""

    sha: str
    subject: str
    author: PersonName | None
    authored_at: datetime
    committed_at: datetime
    repository: RepositoryRef
    pull_request: int | None
    added: Annotated[int | None, Field(description="Lines; null until they are counted, and where they cannot be.")]
    deleted: int | None
    is_merge: bool
    is_revert: bool
    is_signed_off: bool


class CommitRecord(CommitLine):
    """A commit with everything that follows from it."""

    parents: list[str]
    paths: Annotated[int, Field(description="How many paths it changed.")]
    modules: list[str]
    repositories: list[RepositoryRef]


class RepositoriesAsked(Paged):
    """Which repositories: all of them."""


class RepositoryAsked(Asked):
    """Which repository."""

    repository: RepositoryId


class RepositoryReleasesAsked(Paged):
    """Whose releases."""

    repository: RepositoryId


class CommitsAsked(Paged):
    """Which commits."""

    repository: RepositoryId | None = None
    author: PersonId | None = None
    organization: Annotated[
        OrganizationId | None, Field(description="Those of whoever worked for it on the commit's day.")
    ] = None
    module: Annotated[Key | None, Field(description="Those that touch its paths.")] = None
    since: Annotated[Day | None, Field(description="The first day (of the author, in UTC).")] = None
    until: Annotated[Day | None, Field(description="The last day.")] = None


class CommitAsked(Asked):
    """Which commit."""

    commit: Annotated[Sha, Field(description="The whole hash.")]


@operation("/repositories", subject="Repositories")
def repositories(session: Session, asked: RepositoriesAsked) -> Items[RepositoryLine]:
    """Every repository that is counted."""
    return listed(session, sa.select(Repository), [Repository.id], asked,
                  lambda rows: [RepositoryLine(**_repository(row.Repository)) for row in rows])  # fmt: skip


@operation("/repositories/{repository}", subject="Repositories")
def repository(session: Session, asked: RepositoryAsked) -> RepositoryRecord:
    """One repository: how far its reading is, and its branches."""
    found = by_public_id(session, asked.repository) or abort(404, f"There is no repository {asked.repository}.")
    far = passes(session, found)
    order = (Branch.is_protected.desc(), Branch.moved_at.desc(), Branch.name)
    branches = session.scalars(sa.select(Branch).where(Branch.repository_id == found.id).order_by(*order))
    return RepositoryRecord(
        **_repository(found), problem=found.problem, commits=far.commits, lines_counted_share=far.lines_share,
        branches=[BranchSeen(name=veiled(one.name), head_sha=one.head_sha, is_default=one.is_protected,
                             moved_at=one.moved_at) for one in branches],
    )  # fmt: skip


@operation("/repositories/{repository}/releases", subject="Repositories")
def repository_releases(session: Session, asked: RepositoryReleasesAsked) -> Items[PublishedRelease]:
    """What a repository published, the newest first."""
    found = by_public_id(session, asked.repository) or abort(404, f"There is no repository {asked.repository}.")
    query = sa.select(RepositoryRelease).where(
        RepositoryRelease.repository_id == found.id, is_shown(RepositoryRelease.repository_id)
    )
    whose = RepositoryRef(id=found.public_id, name=found.name)

    def make(rows: Sequence[Any]) -> list[PublishedRelease]:
        return [
            PublishedRelease(tag=one.tag, name=veiled(one.name), url=one.url,
                             is_prerelease=one.is_prerelease, published_at=one.published_at, repository=whose)
            for one in (row.RepositoryRelease for row in rows)
        ]  # fmt: skip

    keys = [RepositoryRelease.published_at, RepositoryRelease.id]
    return listed(session, query, keys, asked, make, newest_first=True)


@operation("/commits", subject="Commits")
def commits(session: Session, asked: CommitsAsked) -> Items[CommitLine]:
    """Commits on default branches, the newest first.

    Of one repository they are in the order of their authors' days. Of the whole foundation they are in the order in
    which they were committed, and each stands once, in the repository that counts it.
    """
    query = (
        sa.select(Commit, RepositoryCommit.repository_id.label("repository"))
        .select_from(RepositoryCommit)
        .join(Commit, Commit.id == RepositoryCommit.commit_id)
    )
    number = names.repository_number(session, asked.repository)
    query = query.where(RepositoryCommit.repository_id == number if number else RepositoryCommit.is_counted.is_(True))
    if asked.author is not None:
        written = names.identities(names.person(session, asked.author))
        query = query.where(Commit.author_identity_id.in_(written))
    if asked.module is not None:
        touched = sa.select(CommitModule.commit_id).where(CommitModule.module_key == asked.module)
        query = query.where(Commit.id.in_(touched))
    day = RepositoryCommit.day if number else Commit.day
    if asked.organization is not None:
        whose = names.organization(session, asked.organization)
        query = query.where(names.worked_for(whose, Commit.author_identity_id, day))
    if asked.since is not None:
        query = query.where(day >= asked.since)
    if asked.until is not None:
        query = query.where(day <= asked.until)
    keys = [RepositoryCommit.day, RepositoryCommit.commit_id] if number else [Commit.committed_at, Commit.id]
    return listed(session, query, keys, asked, lambda rows: _commits(session, rows), newest_first=True)


@operation("/commits/{commit}", subject="Commits")
def commit(session: Session, asked: CommitAsked) -> CommitRecord:
    """One commit."""
    found = session.scalar(sa.select(Commit).where(Commit.sha == asked.commit))
    where = [] if found is None else list(
        session.scalars(
            sa.select(RepositoryCommit.repository_id)
            .where(RepositoryCommit.commit_id == found.id)
            .order_by(RepositoryCommit.is_counted.desc(), RepositoryCommit.repository_id)
        )
    )  # fmt: skip
    if found is None or not where:
        abort(404, f"There is no commit {asked.commit} on a default branch.")
    holders = names.repositories_of(session, where)
    author = names.people_of_identities(session, [found.author_identity_id]).get(found.author_identity_id)
    touched = session.scalars(
        sa.select(CommitModule.module_key).where(CommitModule.commit_id == found.id).order_by(CommitModule.module_key)
    )
    return CommitRecord(
        **_commit(found, PersonName.of(author), holders[where[0]]), parents=found.parents.split(), paths=found.paths,
        modules=list(touched), repositories=[holders[number] for number in where],
    )  # fmt: skip


@example("repository")
def _a_repository(session: Session) -> str | None:
    return session.scalar(sa.select(Repository.public_id).order_by(Repository.id).limit(1))


@example("commit")
def _a_commit(session: Session) -> str | None:
    held = sa.select(RepositoryCommit.commit_id).limit(1).scalar_subquery()
    return session.scalar(sa.select(Commit.sha).where(Commit.id == held))


def author_shown(name: str, identity: int | None, known: dict[int | None, Any]) -> str:
    """The name of whoever wrote something, as pages show it: none for who asked to be hidden."""
    one = known.get(identity)
    return HIDDEN_NAME if one is not None and one.hidden_at is not None else veiled(name)


def _commits(session: Session, rows: Sequence[Any]) -> list[CommitLine]:
    authors = names.people_of_identities(session, [row.Commit.author_identity_id for row in rows])
    holders = names.repositories_of(session, [row.repository for row in rows])
    return [
        CommitLine(**_commit(row.Commit, PersonName.of(authors.get(row.Commit.author_identity_id)),
                             holders[row.repository]))
        for row in rows
    ]  # fmt: skip


def _commit(one: Commit, author: PersonName | None, repository: RepositoryRef) -> dict[str, Any]:
    return {
        "sha": one.sha, "subject": veiled(one.subject), "author": author, "authored_at": one.authored_at,
        "committed_at": one.committed_at, "repository": repository, "pull_request": one.pull_request,
        "added": one.added, "deleted": one.deleted, "is_merge": one.is_merge, "is_revert": one.is_revert,
        "is_signed_off": one.is_signed_off,
    }  # fmt: skip


def _repository(one: Repository) -> dict[str, Any]:
    return {"id": one.public_id, "name": one.name, "url": one.url, "is_foundation": one.is_foundation,
            "state": one.state, "default_branch": one.default_branch, "ingested_sha": one.ingested_sha,
            "ingested_at": one.ingested_at}  # fmt: skip
