"""The grid: which commit is how good on which hardware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for
from sqlalchemy.orm import Session

from app.builds import queries
from app.builds.models import Build
from app.builds.rules import Cell, is_of_device
from app.contributions.clones import GitError
from app.contributions.models import Repository
from app.contributions.registry import clone_of
from app.governance_files import Target
from app.jobs import JobState
from app.settings import Settings

ROWS = 30


@dataclass(frozen=True)
class Line:
    """A commit with one cell for each target."""

    commit: str
    subject: str
    version: str
    cells: tuple[Cell, ...]


def grid(session: Session, settings: Settings, repository: Repository, targets: Sequence[Target]) -> list[Line]:
    """The commits last built, newest first."""
    commits = queries.latest_commits(session, repository.id, limit=ROWS)
    builds = queries.builds_of_commits(session, repository.id, commits)
    clone = clone_of(settings, repository)
    lines = []
    for commit in commits:
        mine = [build for build in builds if build.commit_sha == commit]
        try:
            subject = clone.commit(commit).message.split("\n", 1)[0][:120] if clone.exists else ""
        except GitError:
            subject = ""
        cells = tuple(cell(mine, target) for target in targets)
        lines.append(Line(commit, subject, mine[0].version if mine else "", cells))
    return lines


def cell(builds: Sequence[Build], target: Target) -> Cell:
    """How one commit stands on one target: the build's state until there is evidence, then the evidence."""
    build = next((one for one in builds if one.target_key == (target.tests_wheel_of or target.key)), None)
    if build is None:
        return Cell("none", "not built")
    url = url_for("builds.one", public_id=build.public_id)
    found = next((one for one in build.conformance if is_of_device(one.device, target.device)), None)
    if found is not None and not found.conforms:
        return Cell("failed", f"{found.failed} of {found.passed + found.failed} cases fail", url)
    if build.job.state in (JobState.FAILED, JobState.CANCELLED, JobState.NEEDS_PERSON):
        return Cell(build.job.state.value, f"{build.job.state.value.replace('_', ' ')} at {build.job.step}", url)
    if found is not None and build.job.state is JobState.SUCCEEDED:
        return Cell("passed", f"{found.passed} cases pass", url)
    if build.job.state is JobState.SUCCEEDED:
        return Cell("not_run", "no machine had this device", url)
    if build.job.state is JobState.RUNNING:
        return Cell("running", f"building: {build.job.step}", url)
    return Cell(build.job.state.value, "waits for a runner", url)
