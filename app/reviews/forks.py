"""Reads the commits of open pull requests that come from forks: their heads are among the repository's own references.

They go into a repository of their own beside the clone (`Clone.proposed`): anybody may open a pull request, and what
they wrote is to be looked at, not built by its hash. Each head is asked for once; a push is another head. So one that
takes more room than a repository may is not fetched again and again, nor does it hold the others up.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.contributions.clones import Clone, GitError, OverLimitError
from app.contributions.jobs import limits_of
from app.contributions.models import Change, ChangeSource, ChangeState, Repository
from app.contributions.registry import clone_of
from app.jobs import NotYet, StepContext, Workflow, schedule
from app.reviews import store
from app.reviews.reading import ChangeRead, read_change

FOR_S = 30.0
AT_ONCE = 50
workflow = Workflow("read-forks", title="Read pull requests from forks for review", attempts=1)
schedule("read-forks", every_s=60, workflow="read-forks")


@workflow.step("read")
def read(step: StepContext) -> dict[str, int]:
    """Read what is open and was not read yet, the latest first, one repository after another."""
    begun, done, away = time.monotonic(), 0, set[int]()
    while due := _due(step, away):
        with step.db.read() as session:
            repository = session.get_one(Repository, due[0].repository_id)
            clone = clone_of(step.settings, repository)
        try:
            heads = _heads(step, repository, clone, [one.number for one in due if one.number])
            branches = clone.branches()
        except GitError as error:
            step.log(f"{repository.name}: {error}")
            away.add(repository.id)
            continue
        for change in due:
            _read_one(step, repository, clone, branches, change, heads.get(change.number or 0))
        done += len(due)
        if time.monotonic() - begun > FOR_S:
            raise NotYet(0.1, f"{done:,} are read")
    return {"read": done}


def _heads(step: StepContext, repository: Repository, clone: Clone, numbers: list[int]) -> dict[int, str]:
    """Number -> head of those that the source has. One that takes more room than may be is left out, others come."""
    try:
        return clone.fetch_pulls(
            repository.url, numbers, reach=repository.reach, limits=limits_of(step.settings),
            report=lambda said: step.progress(None, f"fetching: {said}"),
        )  # fmt: skip
    except OverLimitError as error:
        if len(numbers) == 1:
            step.log(f"{repository.name} #{numbers[0]}: {error}")
            return {}
    half = len(numbers) // 2
    return {**_heads(step, repository, clone, numbers[:half]), **_heads(step, repository, clone, numbers[half:])}


def _due(step: StepContext, away: set[int]) -> list[Change]:
    """Of one repository the open pull requests from forks whose head was not asked for yet."""
    wanted = (
        sa.select(Change)
        .join(Repository, Repository.id == Change.repository_id)
        .where(
            Change.state == ChangeState.OPEN, Change.source_kind == ChangeSource.PULL_REQUEST, Change.head_ref == "",
            Change.head_sha != "", Change.asked_sha != Change.head_sha, Repository.fetched_at.is_not(None),
            Repository.default_branch.is_not(None), Repository.id.not_in(away),
        )
        .order_by(Change.repository_id, Change.updated_at.desc(), Change.id)
        .limit(AT_ONCE)
    )  # fmt: skip
    with step.db.read() as session:
        found = list(session.scalars(wanted))
    return [one for one in found if one.repository_id == found[0].repository_id]


def _read_one(
    step: StepContext, repository: Repository, clone: Clone, branches: Mapping[str, str], change: Change,
    head: str | None,
) -> None:  # fmt: skip
    found: ChangeRead | None = None
    try:
        if head is not None:
            base = branches.get(change.base_ref) or clone.resolve(str(repository.default_branch))
            found = read_change(clone.proposed, base_branch=base, head=head)
    except GitError as error:
        step.log(f"{repository.name} #{change.number}: {error}")
    with step.lease.transaction() as (session, _job):
        _write(session, step, repository, change, found)


def _write(
    session: Session, step: StepContext, repository: Repository, seen: Change, found: ChangeRead | None
) -> None:  # fmt: skip
    """Write down what was read, unless the pull request was closed or moved meanwhile."""
    known = session.get_one(Change, seen.id)
    if (known.state, known.head_ref, known.head_sha) != (ChangeState.OPEN, "", seen.head_sha):
        return
    if found is not None:
        audit.observe(session, job=step.job.public_id, source=repository.public_id,
                      range=f"#{seen.number}@{found.head}", rows=len(found.commits), sha256=found.sha256)  # fmt: skip
        store.put(session, known, repository_id=repository.id, branch="", found=found)
    known.asked_sha = known.head_sha
