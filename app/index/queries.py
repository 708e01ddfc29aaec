"""Read and write the index: claim a name, publish a file, yank a version."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import clock_of
from app.governance.queries import current
from app.governance_files import GovernanceError
from app.index.distributions import BadDistributionError, inspect
from app.index.models import Project, ProjectFile
from app.index.rules import normalized
from app.store import Store

MOST_FILE_BYTES = 2 << 30


class AlreadyPublishedError(Exception):
    """A file of that name is there with other contents; what is published never changes."""


def names(session: Session) -> list[str]:
    """The names of the foundation's projects, in order."""
    return list(session.scalars(sa.select(Project.name).order_by(Project.name)))


def project(session: Session, name: str) -> Project | None:
    """A project of the foundation by its normalized name."""
    return session.scalar(sa.select(Project).where(Project.name == name))


def is_ours(session: Session, name: str) -> bool:
    """Whether a normalized name is the foundation's: claimed by a release, or what its recipe builds.

    The recipe's name is ours before the first release too, so that nobody's file elsewhere stands in for it.
    """
    if project(session, name) is not None:
        return True
    try:
        return normalized(current(session).recipe.project) == name
    except GovernanceError:
        return False


def files(session: Session, project_id: int) -> list[ProjectFile]:
    """A project's files, oldest first."""
    wanted = sa.select(ProjectFile).where(ProjectFile.project_id == project_id)
    return list(session.scalars(wanted.order_by(ProjectFile.uploaded_at, ProjectFile.filename)))


def file_of(session: Session, filename: str) -> ProjectFile | None:
    """A published file by name."""
    return session.scalar(sa.select(ProjectFile).where(ProjectFile.filename == filename))


def claim(session: Session, name: str) -> Project:
    """Make a name the foundation's: from now on the index never asks another index for it."""
    found = project(session, normalized(name))
    if found is None:
        found = Project(name=normalized(name), created_at=clock_of(session).now())
        session.add(found)
        session.flush()
    return found


def publish(session: Session, store: Store, path: Path, filename: str, *, version: str | None = None) -> ProjectFile:
    """Publish a file after looking into it. The same file again is no second file.

    Raises: BadDistributionError; AlreadyPublishedError if other bytes were published under this name.
    """
    found = inspect(path, filename)
    if version is not None and found.version != version:
        raise BadDistributionError(filename, [f"it is version {found.version}; the release is {version}"])
    stored = store.put_file(path, most_bytes=MOST_FILE_BYTES)
    known = file_of(session, filename)
    if known is not None:
        if known.sha256 != stored.sha256:
            raise AlreadyPublishedError(
                f"{filename} is published with SHA-256 {known.sha256}; this one has {stored.sha256}. "
                "A published file never changes: release another version."
            )
        return known
    metadata = store.put([found.metadata], most_bytes=len(found.metadata))
    row = ProjectFile(
        project=claim(session, found.name), filename=filename, version=found.version, kind=found.kind,
        sha256=stored.sha256, size_bytes=stored.size_bytes,
        metadata_sha256=metadata.sha256 if found.kind == "wheel" else None,
        requires_python=found.requires_python, uploaded_at=clock_of(session).now(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def yank(session: Session, name: str, version: str, reason: str) -> list[ProjectFile]:
    """Mark every file of a version as yanked; pip then takes it only where it is pinned exactly. Files stay."""
    found = project(session, normalized(name))
    rows = [file for file in files(session, found.id) if file.version == version] if found else []
    for row in rows:
        row.yanked_reason = reason
    return rows
