"""Keeps changes level with the branches of ingested repositories: a new branch is a change, a deleted one is closed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from app import audit
from app.audit import Actor
from app.contributions import events
from app.contributions.models import Branch, ChangeState, Repository
from app.contributions.registry import by_public_id, clone_of
from app.jobs import Failed, StepContext, Workflow, enqueue
from app.reviews import forgetting, forks, store
from app.reviews.reading import from_json, read_change

__all__ = ["branch_gone", "branch_moved", "forgetting", "forks", "read", "write_down"]
workflow = Workflow("read-change", title="Read a branch for review")


@events.on_branch
def branch_moved(session: Session, repository: Repository, branch: Branch, old: str | None, new: str) -> None:
    """A branch is new or moved: read it; with the default branch, read every open change of the repository anew."""
    names = list(session.scalars(store.open_refs(repository.id))) if branch.is_protected else [branch.name]
    _ask(session, repository, names if repository.is_foundation else [])


@events.on_branch_gone
def branch_gone(session: Session, repository: Repository, branch: Branch) -> None:
    """A branch was deleted: its change is closed, or merged if the default branch has its commits."""
    if session.scalar(store.change_of(repository.id, branch.name)) is not None:
        _ask(session, repository, [branch.name])


def _ask(session: Session, repository: Repository, names: list[str]) -> None:
    for name in names:
        payload = {"repository": repository.public_id, "branch": name}
        enqueue(session, workflow.name, payload, actor=Actor.system("reviews"))


@workflow.step("read")
def read(step: StepContext) -> dict[str, Any]:
    """Ask git what the branch adds to the default branch now."""
    with step.db.read() as session:
        repository = _repository(session, step)
        public_id, default = repository.public_id, repository.default_branch
        known = session.scalar(store.change_of(repository.id, step.payload["branch"]))
        last_head = known.head_sha if known else None
        clone = clone_of(step.settings, repository)
    head = clone.branches().get(step.payload["branch"])
    if default is None or default not in clone.branches():
        raise Failed(f"repository {public_id} has no default branch to compare with; push one")
    if head is None:
        merged = last_head is not None and clone.has(last_head) and clone.is_ancestor(last_head, clone.resolve(default))
        return {"state": (ChangeState.MERGED if merged else ChangeState.CLOSED).value}
    found = read_change(clone, base_branch=default, head=head)
    if found is None:
        return {"state": ChangeState.MERGED.value, "head": head}
    return {"state": ChangeState.OPEN.value, "change": asdict(found)}


@workflow.step("store", transactional=True)
def write_down(step: StepContext) -> dict[str, Any] | None:
    """Write down what was read: open the change, move its head, or close it.

    The log's entry comes first, as wherever things are measured: see `app.db.Turn`.
    """
    read, session = step.results["read"], step.session
    repository, branch = _repository(session, step), step.payload["branch"]
    known = session.scalar(store.change_of(repository.id, branch))
    state = ChangeState(read["state"])
    if state is not ChangeState.OPEN:
        if known is None or known.state is not ChangeState.OPEN:
            return None
        _observe(step, repository, branch, rows=1, sha256=known.head_sha)
        store.close(session, known, state)
        return {"change": known.public_id}
    found = from_json(read["change"])
    _observe(step, repository, f"{branch}@{found.head}", rows=len(found.commits), sha256=found.sha256)
    change = store.put(session, known, repository_id=repository.id, branch=branch, found=found)
    return {"change": change.public_id}


def _observe(step: StepContext, repository: Repository, what: str, *, rows: int, sha256: str) -> None:
    audit.observe(
        step.session, job=step.job.public_id, source=repository.public_id, range=what, rows=rows, sha256=sha256
    )


def _repository(session: Session, step: StepContext) -> Repository:
    repository = by_public_id(session, str(step.payload["repository"]))
    if repository is None:
        raise Failed(f"repository {step.payload['repository']} is gone; nothing is left to read")
    return repository
