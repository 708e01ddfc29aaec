"""`flask github connect | read | list`: GitHub as a source, from the command line."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from app.audit import Actor
from app.checks import RefusedError
from app.contributions.git import plain
from app.contributions.models import Repository
from app.contributions.queries import repositories
from app.db import current_db, database_now
from app.github import queries
from app.github.connecting import connect, connection_of, read_now
from app.jobs import JobState, Worker, job_by_public_id
from app.settings import current_settings

cli = AppGroup("github", help="Pull requests, issues and releases, read from GitHub.")
ACTOR = Actor.system("command-line")
LOOK_S = 0.5


@cli.command("connect")
@click.argument("name")
@click.argument("full_name", metavar="[OWNER/NAME]", required=False)
@click.option("--reason", default="connected from the command line", show_default=True)
def connect_one(name: str, full_name: str | None, reason: str) -> None:
    """Say where the repository NAME is at GitHub; its clone's address tells, where that is there."""
    with current_db().write() as session:
        repository = _named(session, name)
        at = full_name or queries.suggested(repository, current_settings().github)
        if not at:
            raise click.ClickException(f"{repository.name} is not fetched from GitHub; write OWNER/NAME behind it")
        try:
            made = connect(session, repository, at, actor=ACTOR, reason=reason)
        except RefusedError as error:
            raise click.ClickException(error.told) from None
        told = f"{repository.name}: {made.full_name}"
    click.echo(plain(told))


@cli.command("read")
@click.argument("name")
def read(name: str) -> None:
    """Read what is new at GitHub here and now, and wait until it is done, for GitHub's hour too."""
    with current_db().write() as session:
        repository = _named(session, name)
        connection = connection_of(session, repository.id)
        if connection is None:
            raise click.ClickException(f"{repository.name} is not connected; flask github connect {repository.name}")
        asked = read_now(session, repository, connection, actor=ACTOR, reason="asked for from the command line")
        job_id = asked.public_id
    worker = Worker(current_app._get_current_object())  # type: ignore[attr-defined]  # a proxy
    with _telling(job_id, repository):
        while not _is_over(job_id):
            worker.run_until_idle()
            if not _is_over(job_id):
                time.sleep(LOOK_S)
    with current_db().read() as session:
        job = job_by_public_id(session, job_id)
        if job is None or job.state is not JobState.SUCCEEDED:
            why = plain(job.error or "") if job else "it is gone"
            raise click.ClickException(f"the reading did not end well: {why}")
        kinds = ", ".join(one.said for one in queries.place(session, repository).kinds)
        click.echo(f"{repository.name}: {kinds}")


@cli.command("list")
def list_all() -> None:
    """Every repository that is connected, with its place and what was read of it."""
    with current_db().read() as session:
        for one in queries.places(session):
            if one.connection is not None:
                kinds = ", ".join(each.said for each in one.kinds) or "nothing read yet"
                problem = f"  ({plain(one.connection.problem)})" if one.connection.problem else ""
                click.echo(f"{one.repository.name}\t{one.connection.full_name}\t{kinds}{problem}")


def _named(session: Session, name: str) -> Repository:
    found = next((one for one in repositories(session) if name in (one.name, one.public_id)), None)
    if found is None:
        known = ", ".join(one.name for one in repositories(session)) or "none"
        raise click.ClickException(f"there is no repository {name!r}; there are: {known}")
    return found


def _is_over(job_id: str) -> bool:
    with current_db().read() as session:
        job = job_by_public_id(session, job_id)
    return job is None or job.state.is_finished


@contextmanager
def _telling(job_id: str, repository: Repository) -> Iterator[None]:
    """Say how far it is while the block runs: a bar on one line of a terminal; elsewhere a line for each long wait."""
    db, done, is_terminal = current_db(), threading.Event(), sys.stderr.isatty()
    said: set[str] = set()

    def tell() -> None:
        while not done.wait(LOOK_S):
            with db.read() as session:
                job = job_by_public_id(session, job_id)
                kinds = queries.place(session, repository).kinds
                waits_s = (job.run_at - database_now(session)).total_seconds() if job else 0.0
            note = plain((job.note if job else "") or "")
            share = next((one.share for one in kinds if one.is_under_way), None)
            if is_terminal:
                click.echo(f"\r\x1b[2K[{'=' * round(30 * (share or 0)):30}] {note}"[:110], nl=False, err=True)
            elif job and job.state is JobState.WAITING and waits_s > 3 and note not in said:
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
