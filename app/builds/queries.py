"""Read builds, and ask for one: the plan of a build is made from the clone, then kept in one transaction."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from app import audit
from app.audit import Actor
from app.builds.models import Artefact, ArtefactKind, Build, RunnerRow
from app.contributions.models import Branch, Repository
from app.contributions.registry import clone_of
from app.db import clock_of
from app.governance_files import Recipe
from app.jobs import Job, JobState, JobStep, enqueue, retry
from app.settings import Settings


@dataclass(frozen=True)
class Plan:
    """What git says about a commit that shall be built."""

    repository_id: int
    repository: str
    commit: str
    commits: int
    committed_at: int
    is_protected: bool


def plan(settings: Settings, session: Session, repository: Repository, commit: str) -> Plan:
    """Ask the clone about a commit. Raises: GitError if it is not there."""
    clone = clone_of(settings, repository)
    sha = clone.resolve(commit)
    heads = session.scalars(
        sa.select(Branch.head_sha).where(Branch.repository_id == repository.id, Branch.is_protected)
    )
    is_protected = any(clone.has(head) and clone.is_ancestor(sha, head) for head in heads)
    # Zip archives know no time before 1980.
    committed_at = max(clone.commit(sha).committed_s or 0, 315_532_800)
    return Plan(
        repository.id, repository.public_id, sha, len(clone.list_commits([sha])), committed_at, is_protected
    )  # fmt: skip


def request_build(
    session: Session,
    planned: Plan,
    recipe: Recipe,
    *,
    target: str,
    actor: Actor,
    is_local: bool,
    is_trusted: bool | None = None,
) -> Build:
    """The build of this commit for this target: the one there is, else a new one. A commit is built once."""
    known = build_of(session, planned.repository_id, planned.commit, target)
    if known is not None:
        return known
    trusted = planned.is_protected if is_trusted is None else is_trusted
    version = _free_version(session, recipe.version_of(planned.commits), planned.commit)
    payload = {
        "commit": planned.commit, "version": version, "trusted": trusted, "limits": recipe.limits.for_runner(),
        "steps": recipe.steps_for_runner(),
        "stamps": recipe.stamps_for(version=version, commit=planned.commit, is_local=is_local),
        "environment": {"SOURCE_DATE_EPOCH": str(planned.committed_at)},
    }  # fmt: skip
    key = f"{planned.repository}:{planned.commit}:{target}"
    job = enqueue(session, "build", payload, key=key, hardware=target, actor=actor)
    build = Build(
        repository_id=planned.repository_id, commit_sha=planned.commit, target_key=target, version=version,
        is_local=is_local, is_trusted=trusted, created_at=clock_of(session).now(), job_id=job.id,
    )  # fmt: skip
    session.add(build)
    session.flush()
    return build


def build_again(session: Session, build: Build, *, actor: Actor, reason: str) -> bool:
    """Let a build that failed or was cancelled go on from the step where it stopped; False if it is in no such state.

    A person asked, so it is one entry of the audit log.
    """
    if not retry(session, build.job):
        return False
    audit.record(session, actor=actor, action="builds.retry", thing=build.public_id, reason=reason)
    return True


def build_of(session: Session, repository_id: int, commit: str, target: str) -> Build | None:
    """The build of a commit for a target."""
    return session.scalar(
        sa.select(Build).where(
            Build.repository_id == repository_id, Build.commit_sha == commit, Build.target_key == target
        )
    )


def build_by_public_id(session: Session, public_id: str) -> Build | None:
    """A build with its artefacts and evidence."""
    wanted = sa.select(Build).where(Build.public_id == public_id)
    return session.scalar(wanted.options(selectinload(Build.artefacts), selectinload(Build.conformance)))


def builds_of_commits(session: Session, repository_id: int, commits: Sequence[str]) -> list[Build]:
    """All builds of these commits, with their evidence."""
    wanted = sa.select(Build).where(Build.repository_id == repository_id, Build.commit_sha.in_(commits))
    return list(session.scalars(wanted.options(selectinload(Build.conformance)).order_by(Build.id)))


def latest_commits(session: Session, repository_id: int, *, limit: int) -> list[str]:
    """The commits last asked to be built, newest first."""
    latest = sa.func.max(Build.id).label("latest")
    wanted = sa.select(Build.commit_sha, latest).where(Build.repository_id == repository_id)
    return [
        row.commit_sha
        for row in session.execute(wanted.group_by(Build.commit_sha).order_by(latest.desc()).limit(limit))
    ]


def artefact(session: Session, build_id: int, filename: str) -> Artefact | None:
    """A file that a build handed over."""
    return session.scalar(sa.select(Artefact).where(Artefact.build_id == build_id, Artefact.filename == filename))


def artefacts_of_kind(session: Session, build_id: int, kind: ArtefactKind) -> list[Artefact]:
    """What a build handed over of one kind."""
    wanted = sa.select(Artefact).where(Artefact.build_id == build_id, Artefact.kind == kind)
    return list(session.scalars(wanted.order_by(Artefact.filename)))


def steps_done(session: Session, job_id: int) -> dict[str, JobStep]:
    """The recorded steps of a job by name, in order."""
    rows = session.scalars(sa.select(JobStep).where(JobStep.job_id == job_id).order_by(JobStep.id))
    return {row.name: row for row in rows}


def running_builds(session: Session) -> int:
    """How many builds are under way or wait for a runner."""
    states = [state for state in JobState if not state.is_finished]
    count = session.scalar(sa.select(sa.func.count()).select_from(Build).join(Job).where(Job.state.in_(states)))
    return int(count or 0)


# --- logs ------------------------------------------------------------------------------------------------------------


def log_file(settings: Settings, job: str, fence: int) -> Path:
    """Where the log of one try at a job lies."""
    return settings.folder("logs") / job / f"{fence:04d}.log"


def read_log(settings: Settings, job: Job, *, offset: int = 0, limit_bytes: int = 1 << 20) -> tuple[bytes, int]:
    """The log of the last try from `offset` on, and where it goes on."""
    path = log_file(settings, job.public_id, job.fence)
    try:
        with path.open("rb") as file:
            file.seek(max(0, offset))
            data = file.read(limit_bytes)
            return data, file.tell()
    except FileNotFoundError:
        return b"", 0


# --- runners ---------------------------------------------------------------------------------------------------------


def token_hash(token: str) -> str:
    """What the portal keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def register_runner(session: Session, name: str, hardware: Sequence[str], *, actor: Actor, reason: str) -> str:
    """Let a runner in under this name, and give back its token; a runner of that name loses its old one."""
    token = secrets.token_urlsafe(32)
    row = session.scalar(sa.select(RunnerRow).where(RunnerRow.name == name))
    if row is None:
        row = RunnerRow(name=name, token_sha256=token_hash(token), hardware=list(hardware),
                        registered_at=clock_of(session).now())  # fmt: skip
        session.add(row)
    row.token_sha256, row.hardware, row.revoked_at = token_hash(token), list(hardware), None
    session.flush()
    audit.record(session, actor=actor, action="builds.runner.register", thing=row.public_id, reason=reason,
                 data={"name": name, "hardware": list(hardware)})  # fmt: skip
    return token


def runner_by_token(session: Session, token: str) -> RunnerRow | None:
    """The runner that holds this registration token, unless it was revoked."""
    return session.scalar(
        sa.select(RunnerRow).where(RunnerRow.token_sha256 == token_hash(token), RunnerRow.revoked_at.is_(None))
    )


def runners(session: Session) -> list[RunnerRow]:
    """Every runner by name."""
    return list(session.scalars(sa.select(RunnerRow).order_by(RunnerRow.name)))


def describe(build: Build) -> dict[str, Any]:
    """A build in plain values, for its page's title and for other programs."""
    return {
        "build": build.public_id, "commit": build.commit_sha, "version": build.version, "target": build.target_key,
        "state": build.job.state.value, "local": build.is_local,
    }  # fmt: skip


def _free_version(session: Session, version: str, commit: str) -> str:
    """The version, or with the commit added (PEP 440's local part) where another commit has it already."""
    taken = session.scalar(sa.select(Build.id).where(Build.version == version, Build.commit_sha != commit).limit(1))
    return version if taken is None else f"{version}+g{commit[:12]}"
