"""`flask github connect | read | list`: GitHub as a source, from the command line."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from app.audit import Actor
from app.checks import RefusedError
from app.contributions.models import Repository
from app.contributions.queries import repositories
from app.db import current_db
from app.github import queries
from app.github.connecting import connect, connection_of, read_now
from app.jobs import Job, job_by_public_id
from app.jobs.here import ended_well, work_here
from app.settings import current_settings
from app.wording import plain

cli = AppGroup("github", help="Pull requests, issues and releases, read from GitHub.")
ACTOR = Actor.system("command-line")


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

    def is_under_way(session: Session) -> bool:
        job = job_by_public_id(session, job_id)
        return job is not None and not job.state.is_finished

    def look(session: Session) -> tuple[Job | None, float | None]:
        kinds = queries.place(session, repository).kinds
        return job_by_public_id(session, job_id), next((one.share for one in kinds if one.is_under_way), None)

    work_here(is_under_way, look)
    with current_db().read() as session:
        ended_well(session, job_id)
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
