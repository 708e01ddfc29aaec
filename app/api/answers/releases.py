"""The foundation's own releases with their gates, the builds that they are made of, and who builds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from flask import abort
from pydantic import Field
from sqlalchemy.orm import Session, selectinload

from app.api.answers import names
from app.api.conditions import same
from app.api.fields import (
    Answer,
    Asked,
    BuildId,
    Items,
    Key,
    Paged,
    PersonName,
    ReleaseId,
    RepositoryId,
    RepositoryRef,
    Sha,
)
from app.api.operations import example, operation
from app.api.paging import listed
from app.builds.models import ArtefactKind, Build, RunnerRow
from app.builds.queries import build_by_public_id, steps_done
from app.db import clock_of
from app.jobs import JobState
from app.pages import veiled
from app.releases import queries as release_queries
from app.releases.models import Release
from app.rulebook.gates import State
from app.settings import current_settings


class ReleaseLine(Answer):
    """A release on its way to the index, or there."""

    id: str
    project: str
    version: str
    state: Annotated[str, Field(description="In one word or two, where it stands.")]
    repository: RepositoryRef
    commit: str
    is_local: Annotated[bool, Field(description="Built and signed by one machine alone, reviewed by nobody.")]
    created_at: datetime
    published_at: datetime | None
    yanked_at: datetime | None
    yanked_reason: str | None


class GateSeen(Answer):
    """A gate with its verdict, and one sentence for each thing that it looks at."""

    key: str
    title: str
    clause: str
    state: State
    reasons: list[str]


class ReleaseFile(Answer):
    """A file of the release, known by its hash."""

    filename: str
    sha256: str
    size_bytes: int


class SignatureGiven(Answer):
    """A sign-off for a module, with its public reason."""

    module: str
    person: PersonName | None
    reason: str


class Decided(Answer):
    """Who decided to publish, and why."""

    person: PersonName | None
    reason: str
    decided_at: datetime | None


class ReleaseRecord(ReleaseLine):
    """A release with its gates, who signed and decided, and its files."""

    gates: list[GateSeen]
    signatures: list[SignatureGiven]
    decision: Decided | None
    files: list[ReleaseFile]
    builds: list[str]
    job: str


class BuildLine(Answer):
    """One commit built for one hardware target."""

    id: str
    repository: RepositoryRef
    commit: str
    target: str
    version: str
    state: JobState
    is_local: bool
    created_at: datetime


class Conformance(Answer):
    """What the conformance suite found on one device."""

    device: str
    hardware: str
    driver: str
    conforms: bool
    passed: int
    failed: int
    unsupported: int
    not_run: int
    seconds: float
    report_sha256: str


class ArtefactMade(ReleaseFile):
    """A file that a build handed over."""

    kind: ArtefactKind


class BuildStep(Answer):
    """A step that is done: how long it took, how much memory at most, and which runner did it."""

    name: str
    seconds: float
    peak_memory_bytes: int
    runner: str


class BuildRecord(BuildLine):
    """A build with its steps, evidence and files."""

    job: str
    error: str | None
    steps: list[BuildStep]
    isolation: str
    source_sha256: str | None
    conformance: list[Conformance]
    artefacts: list[ArtefactMade]


class RunnerSeen(Answer):
    """A runner: what it builds and tests on, and when it last asked for work."""

    name: str
    hardware: list[str]
    isolation: Annotated[str, Field(description="By what it keeps builds apart.")]
    seen_at: datetime | None
    revoked_at: datetime | None


class ReleasesAsked(Paged):
    """Which releases: all of them."""


class ReleaseAsked(Asked):
    """Which release."""

    release: ReleaseId


class BuildsAsked(Paged):
    """Which builds."""

    repository: RepositoryId | None = None
    commit: Sha | None = None
    target: Annotated[Key | None, Field(description="A hardware target of governance/hardware.yaml.")] = None


class RunnersAsked(Paged):
    """Which runners: all of them."""


class BuildAsked(Asked):
    """Which build."""

    build: BuildId


@operation("/releases", subject="Releases")
def releases(session: Session, asked: ReleasesAsked) -> Items[ReleaseLine]:
    """The foundation's releases, the newest first."""

    def make(rows: Sequence[Any]) -> list[ReleaseLine]:
        holders = names.repositories_of(session, [row.Release.repository_id for row in rows])
        return [ReleaseLine(**_release(row.Release, holders[row.Release.repository_id])) for row in rows]

    return listed(session, sa.select(Release), [Release.id], asked, make, newest_first=True)


@operation("/releases/{release}", subject="Releases")
def release(session: Session, asked: ReleaseAsked) -> ReleaseRecord:
    """One release: its gates with their reasons, and its files."""
    found = release_queries.release_by_public_id(session, asked.release)
    if found is None:
        abort(404, f"There is no release {asked.release}.")
    about = release_queries.matter(session, current_settings(), found, at=clock_of(session).now())
    holder = names.repositories_of(session, [found.repository_id])[found.repository_id]
    decided = about.publication
    signers = [one.person for one in about.signatures] + ([decided.person] if decided else [])
    who = names.people_of(session, [int(person) for person in signers])
    return ReleaseRecord(
        **_release(found, holder), job=found.job.public_id,
        signatures=[SignatureGiven(module=one.module, person=who[int(one.person)], reason=veiled(one.reason))
                    for one in about.signatures],
        decision=Decided(person=who[int(decided.person)], reason=veiled(decided.reason), decided_at=found.decided_at)
        if decided else None,
        gates=[
            GateSeen(key=one.key, title=one.title, clause=one.clause, state=one.verdict.state,
                     reasons=[veiled(text) for text in one.verdict.reasons])
            for one in release_queries.gate_states(session, about)
        ],
        files=[ReleaseFile.model_validate(one) for one in release_queries.files_of(session, found)],
        builds=[one.public_id for one in release_queries.builds_of(session, found)],
    )  # fmt: skip


@operation("/builds", subject="Builds")
def builds(session: Session, asked: BuildsAsked) -> Items[BuildLine]:
    """Builds of commits for hardware targets, the newest first."""
    query = sa.select(Build).options(selectinload(Build.job)).where(
        *same(Build.repository_id, names.repository_number(session, asked.repository)),
        *same(Build.commit_sha, asked.commit), *same(Build.target_key, asked.target),
    )  # fmt: skip

    def make(rows: Sequence[Any]) -> list[BuildLine]:
        holders = names.repositories_of(session, [row.Build.repository_id for row in rows])
        return [BuildLine(**_build(row.Build, holders[row.Build.repository_id])) for row in rows]

    return listed(session, query, [Build.id], asked, make, newest_first=True)


@operation("/builds/{build}", subject="Builds")
def build(session: Session, asked: BuildAsked) -> BuildRecord:
    """One build: its evidence and its files."""
    found = build_by_public_id(session, asked.build) or abort(404, f"There is no build {asked.build}.")
    holder = names.repositories_of(session, [found.repository_id])[found.repository_id]
    done = [(name, step.result) for name, step in steps_done(session, found.job_id).items()]
    return BuildRecord(
        **_build(found, holder), job=found.job.public_id, error=veiled(found.job.error) if found.job.error else None,
        steps=[BuildStep(name=name, seconds=told["seconds"], peak_memory_bytes=told["peak_memory_bytes"],
                         runner=told["runner"]) for name, told in done],
        isolation=found.isolation, source_sha256=found.source_sha256,
        conformance=[Conformance.model_validate(one) for one in found.conformance],
        artefacts=[ArtefactMade.model_validate(one) for one in found.artefacts],
    )  # fmt: skip


@operation("/runners", subject="Releases")
def runners(session: Session, asked: RunnersAsked) -> Items[RunnerSeen]:
    """The runners that build and test."""
    return listed(session, sa.select(RunnerRow), [RunnerRow.id], asked,
                  lambda rows: [RunnerSeen.model_validate(row.RunnerRow) for row in rows])  # fmt: skip


@example("release")
def _a_release(session: Session) -> str | None:
    return session.scalar(sa.select(Release.public_id).order_by(Release.id).limit(1))


@example("build")
def _a_build(session: Session) -> str | None:
    return session.scalar(sa.select(Build.public_id).order_by(Build.id).limit(1))


def _release(one: Release, repository: RepositoryRef) -> dict[str, Any]:
    return {
        "id": one.public_id, "project": one.project, "version": one.version, "state": one.state,
        "repository": repository, "commit": one.commit_sha, "is_local": one.is_local, "created_at": one.created_at,
        "published_at": one.published_at, "yanked_at": one.yanked_at,
        "yanked_reason": veiled(one.yanked_reason) if one.yanked_reason is not None else None,
    }  # fmt: skip


def _build(one: Build, repository: RepositoryRef) -> dict[str, Any]:
    return {"id": one.public_id, "repository": repository, "commit": one.commit_sha, "target": one.target_key,
            "version": one.version, "state": one.job.state, "is_local": one.is_local,
            "created_at": one.created_at}  # fmt: skip
