"""The build workflow, done step by step on a runner, and what asks for builds of protected branches."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.audit import Actor
from app.builds import queries
from app.builds.targets import with_wheels
from app.contributions.clones import Clone, GitError
from app.contributions.events import on_branch
from app.contributions.models import Branch, Repository
from app.contributions.registry import by_public_id, clone_of
from app.governance.queries import current
from app.governance_files.recipe import STEPS
from app.jobs import Failed, StepContext, Workflow, enqueue

build = Workflow("build", queue="runner", attempts=3, audited=True, title="Build a commit for one hardware target")
for _name in STEPS:
    build.remote_step(_name)

ask_builds = Workflow("ask-builds", title="Ask for the builds of a protected branch's new head")


@on_branch
def ask_for_builds(session: Session, repository: Repository, branch: Branch, old: str | None, new: str) -> None:
    """A protected branch of the foundation moved: its head will be built for every target, unasked."""
    if branch.is_protected and repository.is_foundation:
        payload = {"repository": repository.public_id, "commit": new}
        enqueue(session, "ask-builds", payload, key=f"{repository.public_id}:{new}", actor=Actor.system("branches"))


@ask_builds.step("ask")
def ask(step: StepContext) -> dict[str, Any]:
    """Ask for the builds, if the project that the recipe builds lies in the commit; a commit is built once."""
    with step.db.write() as session:
        repository = by_public_id(session, str(step.payload["repository"]))
        if repository is None:
            raise Failed("the repository is gone; nothing to build")
        governance = current(session)
        clone = clone_of(step.settings, repository)
        recipe = governance.recipe
        try:
            planned = queries.plan(step.settings, session, repository, str(step.payload["commit"]))
        except GitError as error:
            raise Failed(f"the commit cannot be built: {error}") from None
        if not is_project_of(clone, planned.commit, recipe.project):
            return {"asked": [], "because": f"the commit does not hold the project {recipe.project}"}
        asked = [
            queries.request_build(
                session, planned, recipe, target=target.key, actor=Actor.system("branches"),
                is_local=step.settings.is_local,
            ).public_id
            for target in with_wheels(governance.targets)
        ]  # fmt: skip
    return {"asked": asked}


def is_project_of(clone: Clone, commit: str, project: str) -> bool:
    """Whether the recipe's project lies in this commit: its pyproject.toml names it."""
    text = clone.read_file(commit, "pyproject.toml")
    return text is not None and f'name = "{project}"'.encode() in text
