"""How long commits of pull requests from forks are kept, and forgetting those that are over: once a day, written down.

Anybody may propose anything, so what nobody took would grow for ever. What was read of it (commits, paths, sizes, who
said what) stays; what goes are the contents, which the forge has as well. A pull request that is open keeps its own.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.contributions.clones import GitError
from app.contributions.models import Change, ChangeState, Repository
from app.contributions.registry import clone_of
from app.jobs import StepContext, Workflow, schedule
from app.reviews import store
from app.wording import counted

MOST_NAMED = 200
workflow = Workflow("forget-forks", title="Forget what was proposed and is over", attempts=2)
schedule("forget-forks", every_s=86_400, workflow="forget-forks")


@workflow.step("forget")
def forget(step: StepContext) -> dict[str, int]:
    """Let go, in one repository after another, of what was closed long ago, and of what is no pull request here."""
    with step.db.read() as session:
        repositories = list(session.scalars(sa.select(Repository).order_by(Repository.id)))
    gone = 0
    for repository in repositories:
        clone = clone_of(step.settings, repository)
        reason = f"closed more than {counted(step.settings.proposed_days, 'day')} ago, or no pull request here"
        try:
            with step.db.read() as session:
                over = clone.proposed_numbers() - _kept(session, step, repository)
            if not over:
                continue
            # First the word, then the deed: what is killed between them is told of and done once more.
            with step.lease.transaction() as (session, _job):
                audit.record(
                    session, actor=step.actor, action="reviews.forks.forget", thing=repository.public_id,
                    reason=reason, data={"pull_requests": len(over), "numbers": sorted(over)[:MOST_NAMED]},
                )  # fmt: skip
                _ask_anew(session, repository, over)
            clone.forget_proposed(over)
        except GitError as error:
            step.log(f"{repository.name}: {error}")
            continue
        step.log(f"{repository.name}: {counted(len(over), 'pull request')}")
        gone += len(over)
    return {"gone": gone}


def _ask_anew(session: Session, repository: Repository, over: set[int]) -> None:
    """Their heads count as not asked for: one that is opened again is fetched again, though nothing was pushed."""
    mine = Change.repository_id == repository.id, store.is_from_fork(), Change.number.in_(over)
    session.execute(sa.update(Change).where(*mine).values(asked_sha=""))


def _kept(session: Session, step: StepContext, repository: Repository) -> set[int]:
    """The numbers of the pull requests whose commits stay."""
    since = store.kept_since(step.settings, step.clock.now())
    is_kept = sa.or_(Change.state == ChangeState.OPEN, Change.closed_at > since)
    mine = Change.repository_id == repository.id, store.is_from_fork(), is_kept
    rows = session.scalars(sa.select(Change.number).where(*mine))
    return {number for number in rows if number is not None}
