"""Works on jobs here and now, for commands: until what was asked for is over, saying on the terminal how far it is."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from flask import current_app
from sqlalchemy.orm import Session

from app.db import current_db, database_now
from app.jobs.tables import Job, JobState
from app.jobs.worker import Worker
from app.jobs.workflows import job_by_public_id
from app.wording import plain

LOOK_S = 0.5
PAUSE_S = 0.1
LONG_WAIT_S = 3.0
Look = Callable[[Session], tuple[Job | None, float | None]]
"""The job that speaks for what is under way, and how much of it is done (None: nobody knows yet)."""


def work_here(is_under_way: Callable[[Session], bool], look: Look) -> None:
    """Work on whatever is due as long as something is under way, and wait with it where it waits."""
    worker = Worker(current_app)
    with _told(look):
        while _ask(is_under_way):
            if not worker.run_until_idle():
                time.sleep(PAUSE_S)


def ended_well(session: Session, job_id: str) -> None:
    """Go on only if a job succeeded. Raises: click.ClickException with what stopped it."""
    job = job_by_public_id(session, job_id)
    if job is None or job.state is not JobState.SUCCEEDED:
        why = plain(job.error or "") if job else "it is gone"
        raise click.ClickException(f"the reading did not end well: {why}")


def _ask(question: Callable[[Session], bool]) -> bool:
    with current_db().read() as session:
        return question(session)


@contextmanager
def _told(look: Look) -> Iterator[None]:
    """Say how far it is while the block runs: a bar on one line of a terminal; elsewhere a line for each long wait."""
    db, done, is_terminal = current_db(), threading.Event(), sys.stderr.isatty()
    said: set[str] = set()

    def tell() -> None:
        while not done.wait(LOOK_S):
            with db.read() as session:
                job, share = look(session)
                waits = job if job is not None and job.state is JobState.WAITING else None
                waits_s = (waits.run_at - database_now(session)).total_seconds() if waits else 0.0
            note = plain((job.note if job else "") or "")
            if is_terminal:
                click.echo(f"\r\x1b[2K[{'=' * round(30 * (share or 0)):30}] {note}"[:110], nl=False, err=True)
            elif waits_s > LONG_WAIT_S and note not in said:
                said.add(note)
                click.echo(f"{note} ({waits_s:,.0f} s)", err=True)
        if is_terminal:
            click.echo("\r\x1b[2K", nl=False, err=True)

    thread = threading.Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
