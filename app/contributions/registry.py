"""Which repositories the foundation counts: adding one, its clone, and its branches as last fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, jobs
from app.checks import Broken, RefusedError, UnfoundError, checked, has_reason
from app.contributions.clones import Clone, GitError, Source, ask
from app.contributions.events import branch_gone, branch_moved
from app.contributions.models import Branch, Repository, RepositoryState
from app.contributions.sources import Reach, check_source
from app.db import clock_of
from app.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Moved:
    """A branch that is new (old None), has another head, or is gone (new None)."""

    branch: str
    old_sha: str | None
    new_sha: str | None


def clone_of(settings: Settings, repository: Repository) -> Clone:
    """The repository's bare clone in the portal's home."""
    return Clone(settings.folder("clones") / f"{repository.public_id}.git")


def name_of(location: str) -> str:
    """A short name out of a path or address.

    >>> name_of("https://example.org/team/tensor.git"), name_of("/srv/flambeau/.git")
    ('tensor', 'flambeau')
    """
    parts = [part for part in PurePosixPath(location.split("://", 1)[-1]).parts if part not in ("/", ".git")]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", parts[-1].removesuffix(".git") if parts else "").strip("-.")
    return name[:100] or "repository"


def _is_a_name(name: str) -> Broken:
    if name and not _NAME.fullmatch(name):
        yield "name", f"{name!r} is no name: use letters, digits, dots and dashes, at most 100"


def _name_is_free(session: Session, name: str) -> Broken:
    if name and session.scalar(sa.select(Repository.id).where(sa.func.lower(Repository.name) == name.lower())):
        yield "name", f"{name} is taken by another repository; choose another name"


def _own_name_is_free(session: Session, location: str, name: str) -> Broken:
    return () if name else _name_is_free(session, name_of(location))


def _is_a_new_repository(session: Session, location: str, reach: Reach) -> Broken:
    try:
        source = ask(location, reach=reach)
    except GitError as error:
        yield "location", str(error)
    else:
        if session.scalar(sa.select(Repository.id).where(Repository.url == source.location)):
            yield "location", f"{source.location} is added already"


@checked(_is_a_new_repository, _is_a_name, _name_is_free, _own_name_is_free, has_reason)
def add_repository(
    session: Session, location: str, *, name: str = "", actor: audit.Actor, reason: str, is_foundation: bool = True,
    reach: Reach = Reach.ANYWHERE,
) -> Repository:  # fmt: skip
    """Add a repository (named after its address unless said otherwise) and enqueue its reading; one audit entry.

    `reach`: how far the address may go, now and at each later fetch; PUBLIC for what came through a form.
    Raises: RefusedError; whether the address answers as a git repository is asked of it, which can take a minute.
    """
    now, name = clock_of(session).now(), name or name_of(location)
    url = check_source(location, reach=reach)
    repository = Repository(name=name, url=url, is_foundation=is_foundation, reach=reach, added_at=now)
    session.add(repository)
    session.flush()
    audit.record(session, actor=actor, action="contributions.repository.add", thing=repository.public_id,
                 reason=reason, data={"name": name, "url": repository.url})  # fmt: skip
    enqueue_ingest(session, repository, actor=actor, key=f"{repository.public_id}:first")
    return repository


def ensure_repository(session: Session, location: str, *, name: str, actor: audit.Actor, reason: str) -> Repository:
    """The repository at this path or address, added if it is not there yet. Raises: GitError if it is none."""
    url = check_source(location)
    found = session.scalar(sa.select(Repository).where(Repository.url == url))
    if found is not None:
        return found
    try:
        return add_repository(session, location, name=name, actor=actor, reason=reason)
    except RefusedError as error:
        raise GitError(error.told) from None


def enqueue_ingest(session: Session, repository: Repository, *, actor: audit.Actor, key: str) -> jobs.Job:
    """Ask for a reading of the repository; the same key asks only once."""
    return jobs.enqueue(session, "ingest", {"repository": repository.public_id}, actor=actor, key=key)


def enqueue_lines(session: Session, repository: Repository, *, actor: audit.Actor, key: str) -> jobs.Job:
    """Ask for the lines of the repository's commits to be counted; the same key asks only once."""
    return jobs.enqueue(session, "lines", {"repository": repository.public_id}, actor=actor, key=key)


def being_read(session: Session, workflow: str = "ingest") -> set[str]:
    """The public ids of the repositories that a workflow reads just now, or is to read."""
    job = jobs.Job
    rows = session.scalars(sa.select(job.payload).where(job.workflow == workflow, job.state.in_(jobs.UNDER_WAY)))
    return {str(payload["repository"]) for payload in rows}


def by_public_id(session: Session, public_id: str) -> Repository | None:
    """A repository by its public id."""
    return session.scalar(sa.select(Repository).where(Repository.public_id == public_id))


def repository_named(session: Session, text: str) -> Repository:
    """The repository that a form names. Raises: UnfoundError."""
    found = by_public_id(session, text)
    if found is None:
        raise UnfoundError("is none of those that the portal reads")
    return found


def known_branches(session: Session, repository_id: int) -> dict[str, Branch]:
    """The branches as last recorded, by name."""
    rows = session.scalars(sa.select(Branch).where(Branch.repository_id == repository_id))
    return {branch.name: branch for branch in rows}


def record_branches(session: Session, repository: Repository, source: Source) -> list[Moved]:
    """Bring the branch rows to what was fetched, and tell other slices of every new head (protected ones first)."""
    now = clock_of(session).now()
    known = known_branches(session, repository.id)
    moved = []
    for name in sorted(source.branches, key=lambda name: (name != source.default_branch, name)):
        head, is_protected = source.branches[name], name == source.default_branch
        branch = known.pop(name, None)
        old = branch.head_sha if branch else None
        if branch is None:
            branch = Branch(repository_id=repository.id, name=name, head_sha=head, is_protected=is_protected,
                            moved_at=now)  # fmt: skip
            session.add(branch)
        became_protected = is_protected and not branch.is_protected
        branch.is_protected = is_protected
        if old == head and not became_protected:
            continue
        branch.head_sha, branch.moved_at = head, now
        moved.append(Moved(name, old, head))
        session.flush()
        branch_moved(session, repository, branch, old, head)
    for name, branch in sorted(known.items()):
        moved.append(Moved(name, branch.head_sha, None))
        branch_gone(session, repository, branch)
        session.delete(branch)
    repository.default_branch = source.default_branch
    repository.head_sha = source.branches.get(source.default_branch) if source.default_branch else None
    repository.fetched_at, repository.problem = now, ""
    if repository.state is not RepositoryState.READY or repository.ingested_sha != repository.head_sha:
        repository.state = RepositoryState.READING
    session.flush()
    return moved
