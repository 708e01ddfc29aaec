"""`flask contributions add | read | list`: repositories from the command line."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import AppGroup

from app.audit import Actor
from app.contributions import queries
from app.contributions.clones import GitError
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
    click.echo(told)


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
    Worker(current_app._get_current_object()).run_until_idle()  # type: ignore[attr-defined]  # a proxy
    with current_db().read() as session:
        job = job_by_public_id(session, job_id)
        if job is None or job.state is not JobState.SUCCEEDED:
            raise click.ClickException(f"the reading did not end well: {job.error if job else 'it is gone'}")
        click.echo(f"{found.name}: {queries.commit_count(session, found.id):,} commits counted")


@cli.command("list")
def list_all() -> None:
    """Every repository with its state and its number of commits."""
    with current_db().read() as session:
        for one in queries.repositories(session):
            problem = f"  ({one.problem})" if one.problem else ""
            click.echo(
                f"{one.name}\t{one.state.value}\t{queries.commit_count(session, one.id):,} commits\t{one.url}{problem}"
            )
