"""Workflows of the ingest: `watch` asks every repository each minute, `ingest` reads one that has something new."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.clones import GitError, ask
from app.contributions.ingest import Reader, plan
from app.contributions.mailmaps import read_mailmap
from app.contributions.measuring import settle_measures
from app.contributions.models import Branch, Repository, RepositoryState
from app.contributions.modules import modules_are_current, remake_modules
from app.contributions.registry import by_public_id, clone_of, enqueue_ingest, record_branches
from app.contributions.settling import anything_due, settle
from app.db import Database
from app.jobs import Failed, Job, JobState, StepContext, Workflow, schedule
from app.people.queries import refresh_proposals

ingest = Workflow("ingest", title="Read a repository's history")
watch = Workflow("watch", title="Ask every repository for something new", attempts=1)
schedule("watch", every_s=60, workflow="watch")


@ingest.step("fetch")
def fetch(step: StepContext) -> dict[str, Any]:
    """Bring the source's branches into the clone and record them; other slices hear of every new head."""
    with step.db.read() as session:
        repository = _repository(session, step)
        clone = clone_of(step.settings, repository)
    step.progress(None, f"fetching {repository.url}")
    try:
        source = clone.fetch(repository.url, keep=repository.default_branch)
    except GitError as error:
        _set_state(step.db, repository.public_id, RepositoryState.FAILED, str(error))
        raise Failed(str(error)) from None
    with step.db.write() as session:
        moved = record_branches(session, _repository(session, step), source)
    step.log(f"{len(source.branches)} branches, {len(moved)} of them moved")
    return {
        "branches": len(source.branches),
        "moved": len(moved),
        "head": source.branches.get(source.default_branch or ""),
    }


@ingest.step("read")
def read(step: StepContext) -> dict[str, Any]:
    """Read what is missing, batch by batch; a killed worker's successor goes on after the last whole batch."""
    with step.db.read() as session:
        repository = _repository(session, step)
        clone = clone_of(step.settings, repository)
        todo = plan(session, clone, repository)
    if todo.gone:
        step.log(f"the history was rewritten: {len(todo.gone):,} commits are taken back")

    def report(finished: int, total: int) -> None:
        step.progress(finished / total, f"{finished:,} of {total:,} commits")

    writing = _writing(step)
    reader = Reader(
        clone=clone, repository_id=repository.id, job=step.job.public_id, source=repository.public_id,
        now=step.clock.now(), writing=writing, report=report, settle=lambda: settle(writing),
    )  # fmt: skip
    try:
        count = reader.run(todo)
    except GitError as error:
        _set_state(step.db, repository.public_id, RepositoryState.FAILED, str(error))
        raise Failed(f"the history cannot be read to its end ({error})") from None
    return {"read": count, "taken_back": len(todo.gone), "head": todo.head}


@ingest.step("people")
def people(step: StepContext) -> dict[str, Any]:
    """Take the mailmap as evidence of who is who, and note that the repository is read."""
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
        repository.ingested_sha = step.results["read"]["head"]
        repository.ingested_at = step.clock.now()
        repository.has_line_counts = not clone.is_partial
        repository.state, repository.problem = RepositoryState.READY, ""
    step.log(f"{step.results['read']['read']:,} commits read, {linked} identities joined by the mailmap")
    return {"linked": linked, "modules": remade}


@watch.step("ask")
def ask_all(step: StepContext) -> dict[str, int]:
    """Compare each source's branches with those recorded; enqueue a reading where they differ."""
    with step.db.read() as session:
        repositories = list(session.scalars(sa.select(Repository).order_by(Repository.id)))
        heads = {repository.id: _recorded(session, repository) for repository in repositories}
        busy = _being_read(session)
    asked = changed = 0
    for repository in repositories:
        if repository.public_id in busy:
            continue
        asked += 1
        try:
            source = ask(repository.url, timeout_s=20)
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


def _being_read(session: Session) -> set[str]:
    unfinished = [state for state in JobState if not state.is_finished]
    rows = session.scalars(sa.select(Job.payload).where(Job.workflow == "ingest", Job.state.in_(unfinished)))
    return {str(payload["repository"]) for payload in rows}


def _set_state(db: Database, public_id: str, state: RepositoryState, problem: str) -> None:
    with db.write() as session:
        repository = by_public_id(session, public_id)
        if repository is not None and (repository.state, repository.problem) != (state, problem):
            repository.state, repository.problem = state, problem
