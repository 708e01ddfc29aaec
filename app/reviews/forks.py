"""Reads the commits of open pull requests that come from forks: their heads are among the repository's own references.

They go into a repository of their own beside the clone (`Clone.proposed`): anybody may open a pull request, and what
they wrote is to be looked at, not built by its hash. Each head is asked for once; a push is another head. So one that
takes more room than a repository may, or that we cannot read, is not fetched again and again, nor does it hold the
others up: what broke stands in the job's log and result, by name.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.contributions.clones import Clone, GitError, OverLimitError
from app.contributions.jobs import limits_of
from app.contributions.models import Change, ChangeSource, ChangeState, Repository
from app.contributions.registry import clone_of
from app.jobs import Cancelled, LeaseLost, NotYet, StepContext, Workflow, schedule
from app.log import log
from app.reviews import store
from app.reviews.reading import ChangeRead, read_change

FOR_S = 30.0
AT_ONCE = 50
workflow = Workflow("read-forks", title="Read pull requests from forks for review", attempts=1)
schedule("read-forks", every_s=60, workflow="read-forks")


@workflow.step("read")
def read(step: StepContext) -> dict[str, Any]:
    """Read what is open and was not read yet, the latest first, one repository after another."""
    begun, done, away, broken = time.monotonic(), 0, set[int](), list[str]()
    while due := _due(step, away):
        with step.db.read() as session:
            repository = session.get_one(Repository, due[0].repository_id)
            clone = clone_of(step.settings, repository)
        heads: dict[int, str] = {}
        branches: dict[str, str] = {}
        with _told(step, repository.name, broken) as told:
            heads = _heads(step, repository, clone, [one.number for one in due if one.number])
            branches = clone.branches()
        if told.is_broken:
            away.add(repository.id)
            continue
        for change in due:
            _read_one(step, repository, clone, branches, change, heads.get(change.number or 0), broken)
        done += len(due)
        if time.monotonic() - begun > FOR_S:
            raise NotYet(0.1, f"{done:,} are read")
    return {"read": done, "broken": broken} if broken else {"read": done}


@dataclass
class _Told:
    is_broken: bool = False


@contextmanager
def _told(step: StepContext, name: str, broken: list[str]) -> Iterator[_Told]:
    """Go on with the next where something breaks, and say of which it was; an error of ours with where it was."""
    told = _Told()
    try:
        yield told
    except (LeaseLost, Cancelled, sa.exc.OperationalError):
        raise  # the job is another's by now, or the database is away
    except GitError as error:
        told.is_broken = True
        step.log(f"{name}: {error}")
    except Exception as error:
        told.is_broken = True
        broken.append(f"{name}: {type(error).__name__}: {error}"[:500])
        step.log(f"{name}: {''.join(traceback.format_exception(error))}")
        log.error("a fork's pull request cannot be read", exc_info=error, extra={"fields": {"change": name}})


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
    head: str | None, broken: list[str],
) -> None:  # fmt: skip
    with _told(step, f"{repository.name} #{change.number}", broken) as told:
        found: ChangeRead | None = None
        if head is not None:
            base = branches.get(change.base_ref) or clone.resolve(str(repository.default_branch))
            found = read_change(clone.proposed, base_branch=base, head=head)
        with step.lease.transaction() as (session, _job):
            _write(session, step, repository, change, found)
    if told.is_broken:
        with step.lease.transaction() as (session, _job):
            _write(session, step, repository, change, None)


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
