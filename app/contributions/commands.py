"""`flask contributions add | read | list`: repositories from the command line."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import current_app
from flask.cli import AppGroup

from app.audit import Actor
from app.contributions import queries
from app.contributions.clones import GitError
from app.contributions.git import plain
from app.contributions.models import Repository
from app.contributions.registry import enqueue_ingest, ensure_repository, name_of
from app.db import current_db
from app.jobs import JobState, Worker, job_by_public_id

cli = AppGroup("contributions", help="Repositories whose history is counted.")
ACTOR = Actor.system("command-line")


@cli.command("add")
@click.argument("location")
@click.option("--name", help="How it is called; the last part of the path unless given.")
@click.option("--reason", default="added from the command line", show_default=True)
def add(location: str, name: str | None, reason: str) -> None:
    """Add the repository at a path or address; the worker reads it."""
    try:
        with current_db().write() as session:
            made = ensure_repository(session, location, name=name or name_of(location), actor=ACTOR, reason=reason)
            told = f"{made.name} ({made.public_id}): {made.url}"
    except GitError as error:
        raise click.ClickException(str(error)) from None
    click.echo(plain(told))


@cli.command("read")
@click.argument("name")
def read(name: str) -> None:
    """Read a repository here and now, and wait until it is done."""
    with current_db().write() as session:
        found = next((one for one in queries.repositories(session) if name in (one.name, one.public_id)), None)
        if found is None:
            known = ", ".join(one.name for one in queries.repositories(session)) or "none"
            raise click.ClickException(f"there is no repository {name!r}; there are: {known}")
        key = f"{found.public_id}:command:{found.version}"
        job_id = enqueue_ingest(session, found, actor=ACTOR, key=key).public_id
    worker = Worker(current_app._get_current_object())  # type: ignore[attr-defined]  # a proxy
    with _telling(found):
        worker.run_until_idle()
        while _is_under_way(found):  # counting lines gives way to other jobs now and then
            time.sleep(0.1)
            worker.run_until_idle()
    with current_db().read() as session:
        job = job_by_public_id(session, job_id)
        if job is None or job.state is not JobState.SUCCEEDED:
            why = plain(job.error or "") if job else "it is gone"
            raise click.ClickException(f"the reading did not end well: {why}")
        passes = queries.passes(session, found)
        lines = "" if found.has_line_counts else "; no lines: the source gives no file contents"
        lines = f"; lines of {passes.lines_share:.0%} of them" if passes.lines_due else lines
        click.echo(f"{found.name}: {passes.commits:,} commits counted{lines}")


@cli.command("list")
def list_all() -> None:
    """Every repository with its state and its number of commits."""
    with current_db().read() as session:
        for one in queries.repositories(session):
            passes = queries.passes(session, one)
            lines = f", lines of {passes.lines_share:.0%}" if passes.lines_due else ""
            problem = f"  ({plain(one.problem)})" if one.problem else ""
            click.echo(f"{one.name}\t{one.state.value}\t{passes.commits:,} commits{lines}\t{plain(one.url)}{problem}")


@contextmanager
def _telling(repository: Repository) -> Iterator[None]:
    """Write to the terminal, on one line, how far both passes are while the block runs; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield
        return
    db, done = current_db(), threading.Event()

    def tell() -> None:
        while not done.wait(0.5):
            with db.read() as session:
                passes = queries.passes(session, repository)
            job = passes.reading if passes.reading and not passes.reading.state.is_finished else passes.counting
            share = passes.lines_share if job is passes.counting else passes.reading and passes.reading.progress
            bar = "=" * round(30 * (share or 0))
            note = plain((job.note if job else "") or "")
            click.echo(f"\r\x1b[2K[{bar:30}] {note}"[:110], nl=False, err=True)
        click.echo("\r\x1b[2K", nl=False, err=True)

    thread = threading.Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _is_under_way(repository: Repository) -> bool:
    with current_db().read() as session:
        passes = queries.passes(session, repository)
    return any(job and not job.state.is_finished for job in (passes.reading, passes.counting))
