"""`flask contributions add | read | list`: repositories from the command line."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from app.audit import Actor
from app.contributions import queries
from app.contributions.clones import GitError
from app.contributions.registry import enqueue_ingest, ensure_repository, name_of
from app.db import current_db
from app.jobs import Job
from app.jobs.here import ended_well, work_here
from app.wording import plain

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

    def is_under_way(session: Session) -> bool:
        passes = queries.passes(session, found)
        return any(job and not job.state.is_finished for job in (passes.reading, passes.counting))

    def look(session: Session) -> tuple[Job | None, float | None]:
        passes = queries.passes(session, found)
        job = passes.reading if passes.reading and not passes.reading.state.is_finished else passes.counting
        return job, passes.lines_share if job is passes.counting else (job.progress if job else None)

    work_here(is_under_way, look)
    with current_db().read() as session:
        ended_well(session, job_id)
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
