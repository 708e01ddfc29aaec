"""Reads the commits of pull requests that come from forks: their heads are among the repository's own references.

The open ones first; then those that were closed before anybody read them, which GitHub keeps all the same, as far back
as such commits are kept here (`app.reviews.forgetting`).

They go into a repository of their own beside the clone (`Clone.proposed`): anybody may open a pull request, and what
they wrote is to be looked at, not built by its hash. Each head is asked for once; a push is another head. So one that
takes more room than a repository may, or over which we stumble, is not fetched again and again, nor does it hold the
others up: what broke stands in the job's log and result, by name. Where git or the disk fails, which may pass, it is
tried again in pauses that double, and marked only after the last.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.contributions.clones import Clone, GitError, OverLimitError, is_hash
from app.contributions.jobs import limits_of
from app.contributions.models import Change, ChangeState, Repository
from app.contributions.registry import clone_of
from app.jobs import Cancelled, LeaseLost, NotYet, StepContext, Workflow, schedule
from app.log import log
from app.reviews import store
from app.reviews.models import ForkRetry
from app.reviews.reading import ChangeRead, read_change

FOR_S = 30.0
AT_ONCE = 50
# Two minutes, then four and so on: seventeen hours in all, in which a full disk is noticed.
MOST_TRIES = 10
FIRST_PAUSE = timedelta(minutes=2)
NOWHERE = "its commits are not there any more, or take more room than FLAMBEAU_CLONE_LIMIT_GB allows"
UNREADABLE = "its commits cannot be read; the log of the job that read forks says why"
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
    may_pass: bool = False


@contextmanager
def _told(step: StepContext, name: str, broken: list[str]) -> Iterator[_Told]:
    """Go on with the next where something breaks, and say of which it was; an error of ours with where it was."""
    told = _Told()
    try:
        yield told
    except (LeaseLost, Cancelled, sa.exc.OperationalError):
        raise  # the job is another's by now, or the database is away
    except (GitError, OSError) as error:
        told.is_broken = told.may_pass = True
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
    """Of one repository the pull requests from forks whose head was not asked for yet: open ones, or else closed."""
    unread = (
        sa.select(Change)
        .join(Repository, Repository.id == Change.repository_id)
        .where(
            store.is_from_fork(), Change.head_sha != "", Change.asked_sha != Change.head_sha,
            Repository.fetched_at.is_not(None), Repository.default_branch.is_not(None), Repository.id.not_in(away),
        )
        .order_by(Change.repository_id, Change.updated_at.desc(), Change.id)
        .limit(AT_ONCE)
    )  # fmt: skip
    waits = sa.exists().where(
        ForkRetry.change_id == Change.id, ForkRetry.head_sha == Change.head_sha, ForkRetry.again_at > step.clock.now()
    )
    is_kept = Change.closed_at > store.kept_since(step.settings, step.clock.now())
    with step.db.read() as session:
        for which in (Change.state == ChangeState.OPEN, is_kept):
            if found := list(session.scalars(unread.where(which, ~waits))):
                return [one for one in found if one.repository_id == found[0].repository_id]
    return []


def _read_one(
    step: StepContext, repository: Repository, clone: Clone, branches: Mapping[str, str], change: Change,
    head: str | None, broken: list[str],
) -> None:  # fmt: skip
    found, lacks = None, "" if head else NOWHERE
    with _told(step, f"{repository.name} #{change.number}", broken) as told:
        if head is not None:
            base = _base(clone, branches, change) or clone.resolve(str(repository.default_branch))
            found = read_change(clone.proposed, base_branch=base, head=head)
        with step.lease.transaction() as (session, _job):
            _write(session, step, repository, change, found, lacks)
    if told.is_broken:
        with step.lease.transaction() as (session, _job):
            if not (told.may_pass and _is_tried_again(session, step, change)):
                _write(session, step, repository, change, None, UNREADABLE)


def _is_tried_again(session: Session, step: StepContext, change: Change) -> bool:
    """Write down when it is tried again; whether it is."""
    known = session.get(ForkRetry, change.id) or ForkRetry(change_id=change.id, head_sha="", tries=0)
    tries = known.tries + 1 if known.head_sha == change.head_sha else 1
    known.head_sha, known.tries = change.head_sha, tries
    known.again_at = step.clock.now() + FIRST_PAUSE * 2 ** (tries - 1)
    session.add(known)
    return tries < MOST_TRIES


def _base(clone: Clone, branches: Mapping[str, str], change: Change) -> str | None:
    """What the commits are beside: the branch they are for; of a closed one as it was then, since it may have them."""
    if change.state is not ChangeState.OPEN and is_hash(change.base_sha) and clone.has(change.base_sha):
        return change.base_sha
    return branches.get(change.base_ref)


def _write(
    session: Session, step: StepContext, repository: Repository, seen: Change, found: ChangeRead | None, lacks: str
) -> None:  # fmt: skip
    """Write down what was read, or what is lacking, unless the pull request was closed or moved meanwhile."""
    known = session.get_one(Change, seen.id)
    if (known.state, known.head_ref, known.head_sha) != (seen.state, "", seen.head_sha):
        return
    known.too_long = lacks
    if found is not None:
        audit.observe(session, job=step.job.public_id, source=repository.public_id,
                      range=f"#{seen.number}@{found.head}", rows=len(found.commits), sha256=found.sha256)  # fmt: skip
        store.put(session, known, repository_id=repository.id, branch="", found=found)
    known.asked_sha = known.head_sha
    session.execute(sa.delete(ForkRetry).where(ForkRetry.change_id == known.id))
