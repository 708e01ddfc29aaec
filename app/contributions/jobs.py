"""Workflows of the ingest: `watch` asks every repository each minute, `ingest` reads what is new, `lines` counts lines.

Reading comes first and alone gives every figure but those of lines; counting lines takes longer, gives way to other
work every half minute, and goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor
from app.contributions import readying
from app.contributions.clones import GitError, Limits, ask
from app.contributions.ingest import Reader, plan
from app.contributions.lines import LineCounter, due_count
from app.contributions.mailmaps import read_mailmap
from app.contributions.measuring import settle_measures
from app.contributions.models import Branch, LineCountDue, Repository, RepositoryState
from app.contributions.modules import modules_are_current, remake_modules
from app.contributions.recounting import ask_for_recount
from app.contributions.registry import (
    being_read,
    by_public_id,
    clone_of,
    enqueue_ingest,
    enqueue_lines,
    record_branches,
)
from app.contributions.settling import anything_due, settle
from app.db import Database
from app.jobs import Failed, NotYet, StepContext, Workflow, schedule
from app.people.queries import refresh_proposals
from app.settings import Settings

__all__ = ["ask_all", "count", "fetch", "limits_of", "people", "read", "readying"]
LINES_FOR_S = 30.0
ingest = Workflow("ingest", title="Read a repository's history")
lines = Workflow("lines", title="Count the lines of a repository's commits")
watch = Workflow("watch", title="Ask every repository for something new", attempts=1)
schedule("watch", every_s=60, workflow="watch")


def limits_of(settings: Settings) -> Limits:
    """What one repository may take, as this installation has it."""
    return Limits(int(settings.clone_limit_gb * (1 << 30)), settings.commit_limit,
                  int(settings.free_disk_gb * (1 << 30)))  # fmt: skip


@ingest.step("fetch")
def fetch(step: StepContext) -> dict[str, Any]:
    """Bring the source's branches into the clone and record them; other slices hear of every new head."""
    with step.db.read() as session:
        repository = _repository(session, step)
        clone = clone_of(step.settings, repository)
    was_there = clone.exists
    limits = limits_of(step.settings)
    step.progress(None, f"fetching {repository.url}")
    try:
        source = clone.fetch(repository.url, keep=repository.default_branch, reach=repository.reach, limits=limits,
                             report=lambda said: step.progress(None, f"fetching: {said}"))  # fmt: skip
        head = source.branches.get(source.default_branch or "")
        if head is not None and (count := clone.count_commits(head)) > limits.commits:
            if not was_there:
                clone.remove()
            raise GitError(f"{repository.url} has {count:,} commits and a repository may have {limits.commits:,}; "
                           "raise FLAMBEAU_COMMIT_LIMIT if it should be counted")  # fmt: skip
    except GitError as error:
        _set_state(step.db, repository.public_id, RepositoryState.FAILED, str(error))
        raise Failed(str(error)) from None
    with step.db.write() as session:
        moved = record_branches(session, _repository(session, step), source)
    step.log(f"{len(source.branches)} branches, {len(moved)} of them moved")
    try:
        if clone.tidy(limits=limits):
            step.log("the clone's packs are joined")
    except GitError as error:
        step.log(f"the clone's packs are left as they are ({error})")
    return {"branches": len(source.branches), "moved": len(moved), "head": head}


@ingest.step("read")
def read(step: StepContext) -> dict[str, Any]:
    """Read what is missing, batch by batch; a killed worker's successor goes on after the last whole batch."""
    with step.db.read() as session:
        repository = _repository(session, step)
        clone = clone_of(step.settings, repository)
        todo = plan(session, clone, repository)
    begun, writing = time.monotonic(), _writing(step)

    def report(finished: int, total: int) -> None:
        step.progress(finished / total, f"{finished:,} of {total:,} commits, {_rate(finished, begun)}")

    reader = Reader(
        clone=clone, repository_id=repository.id, job=step.job.public_id, source=repository.public_id,
        now=step.clock.now(), writing=writing, report=report, settle=lambda: settle(writing),
    )  # fmt: skip
    try:
        count = reader.run(todo)
    except GitError as error:
        _set_state(step.db, repository.public_id, RepositoryState.FAILED, str(error))
        raise Failed(f"the history cannot be read to its end ({error})") from None
    if reader.taken_back:
        step.log(f"the history was rewritten: {reader.taken_back:,} commits are taken back")
    step.log(f"{count:,} commits in {time.monotonic() - begun:,.1f} s, {_rate(count, begun)}")
    return {"read": count, "taken_back": reader.taken_back, "head": todo.head}


@ingest.step("people")
def people(step: StepContext) -> dict[str, Any]:
    """Take the mailmap as evidence of who is who, note that the repository is read, and ask for its lines."""
    writing = _writing(step)
    with writing() as session:
        repository = _repository(session, step)
        clone = clone_of(step.settings, repository)
        linked = read_mailmap(session, repository, clone)
        remade = None if modules_are_current(session) else remake_modules(session)
    step.progress(None, "counting")
    settle(writing)
    settle_measures(writing)
    with writing() as session:
        refresh_proposals(session)
    with writing() as session:
        repository = _repository(session, step)
        repository.ingested_sha = repository.reading_sha = step.results["read"]["head"]
        repository.ingested_at = step.clock.now()
        repository.has_line_counts = not clone.is_partial
        repository.state, repository.problem = RepositoryState.READY, ""
        if due_count(session, repository.id):
            enqueue_lines(session, repository, actor=step.actor, key=f"{repository.public_id}:{step.job.public_id}")
    step.log(f"{step.results['read']['read']:,} commits read, {linked} identities joined by the mailmap")
    return {"linked": linked, "modules": remade}


@lines.step("count")
def count(step: StepContext) -> dict[str, Any]:
    """Count lines, newest first, for half a minute at a time; then others have their turn."""
    with step.db.read() as session:
        repository = _repository(session, step)
        clone = clone_of(step.settings, repository)
        already = due_count(session, repository.id)
    begun = time.monotonic()

    def report(done: int, left: int) -> None:
        said = f"{left:,} commits still to count, {_rate(done, begun)}"
        step.progress(1 - left / max(already, left, 1), said)

    counter = LineCounter(
        clone=clone, repository_id=repository.id, job=step.job.public_id, source=repository.public_id,
        writing=_writing(step), report=report, is_over=lambda: time.monotonic() - begun > LINES_FOR_S,
    )  # fmt: skip
    done = counter.run()
    if done:
        step.log(f"lines of {done:,} commits in {time.monotonic() - begun:,.1f} s, {_rate(done, begun)}")
    if counter.uncounted:
        step.log(f"{counter.uncounted:,} of them cannot be counted: contents of files are missing")
    with step.db.read() as session:
        left = due_count(session, repository.id)
    if left:
        raise NotYet(0.1, f"{left:,} commits still to count, {_rate(done, begun)}")
    return {"counted": done - counter.uncounted, "uncounted": counter.uncounted}


@watch.step("ask")
def ask_all(step: StepContext) -> dict[str, int]:
    """Compare each source's branches with those recorded; enqueue a reading where they differ."""
    with step.db.read() as session:
        repositories = list(session.scalars(sa.select(Repository).order_by(Repository.id)))
        heads = {repository.id: _recorded(session, repository) for repository in repositories}
        busy = being_read(session)
    asked = changed = 0
    for repository in repositories:
        if repository.public_id in busy:
            continue
        asked += 1
        try:
            source = ask(repository.url, keep=repository.default_branch, reach=repository.reach, timeout_s=20)
        except GitError as error:
            _set_state(step.db, repository.public_id, repository.state, str(error))
            continue
        if source.branches == heads[repository.id] and repository.state is not RepositoryState.READING:
            if repository.problem and repository.state is RepositoryState.READY:
                _set_state(step.db, repository.public_id, repository.state, "")
            continue
        changed += 1
        with step.db.write() as session:
            current = session.get_one(Repository, repository.id)
            enqueue_ingest(session, current, actor=step.actor, key=f"{current.public_id}:{step.job.public_id}")
    with step.db.write() as session:
        if not modules_are_current(session):
            remake_modules(session)
        _enqueue_left_lines(session, step.actor)
        ask_for_recount(session, actor=step.actor)
    if anything_due(step.db):
        settle(step.db.write)
    settle_measures(step.db.write)
    return {"asked": asked, "changed": changed}


def _writing(step: StepContext) -> Callable[[], AbstractContextManager[Session]]:
    """Transactions that hold the job's lease: a worker that lost it can write nothing more."""

    @contextmanager
    def writing() -> Iterator[Session]:
        with step.lease.transaction() as (session, _job):
            yield session

    return writing


def _repository(session: Session, step: StepContext) -> Repository:
    found = by_public_id(session, str(step.payload["repository"]))
    if found is None:
        raise Failed(f"there is no repository {step.payload['repository']!r} any more; nothing to read")
    return found


def _recorded(session: Session, repository: Repository) -> dict[str, str]:
    rows = session.execute(sa.select(Branch.name, Branch.head_sha).where(Branch.repository_id == repository.id))
    return {name: head for name, head in rows}


def _enqueue_left_lines(session: Session, actor: Actor) -> None:
    """Ask once more for lines that nobody counts, because their job was stopped say: once for each head."""
    busy = being_read(session, "lines") | being_read(session)
    left = sa.select(LineCountDue.repository_id).distinct()
    for repository in session.scalars(sa.select(Repository).where(Repository.id.in_(left))):
        if repository.public_id not in busy:
            key = f"{repository.public_id}:left:{repository.ingested_sha}"
            enqueue_lines(session, repository, actor=actor, key=key)


def _rate(count: int, begun: float) -> str:
    return f"{count / max(time.monotonic() - begun, 0.001):,.0f} a second"


def _set_state(db: Database, public_id: str, state: RepositoryState, problem: str) -> None:
    with db.write() as session:
        repository = by_public_id(session, public_id)
        if repository is not None and (repository.state, repository.problem) != (state, problem):
            repository.state, repository.problem = state, problem
