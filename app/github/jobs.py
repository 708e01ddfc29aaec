"""Workflows of GitHub as a source: `github-heard` handles what webhooks brought; `reading_jobs` has those that read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from app.contributions.models import Repository
from app.github.asking import repositories_due
from app.github.connecting import ask_for_reading, connection_of
from app.github.hooks import WORKFLOW
from app.github.listening import Listener
from app.github.reading_jobs import read, watch
from app.jobs import StepContext, Workflow, schedule

__all__ = ["handle", "heard", "read", "watch"]
heard = Workflow(WORKFLOW, title="Handle what GitHub's webhooks brought", backoff_s=1.0)
# For what waited until its pull request was read; what comes in asks for a run of its own.
schedule(WORKFLOW, every_s=300, workflow=WORKFLOW)


@heard.step("handle")
def handle(step: StepContext) -> dict[str, int]:
    """Handle what was received, and what waited for something that is known by now."""

    @contextmanager
    def writing() -> Iterator[Session]:
        with step.lease.transaction() as (session, _job):
            yield session

    counted = Listener(writing, step.actor).run(report=lambda done: step.progress(None, f"{done:,} calls handled"))
    if step.settings.github is not None:
        with writing() as session:
            _ask_for_what_is_due(session, step)
    return counted


def _ask_for_what_is_due(session: Session, step: StepContext) -> None:
    """Have numbers that calls told too little of read at once; a reading under way takes them up, or the next."""
    for number in repositories_due(session):
        connection = connection_of(session, number)
        if connection is not None and not connection.problem:
            repository = session.get_one(Repository, number)
            key = f"{repository.public_id}:heard:{step.job.public_id}"
            ask_for_reading(session, repository, actor=step.actor, key=key, is_routine=True)
