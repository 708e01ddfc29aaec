"""The portal's commands: `flask db`, `flask admin`, `flask audit`, `flask backup`, `flask restore`, `flask worker`."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from app import audit, backup, sessions
from app.auth import current_directory
from app.db import current_db
from app.jobs import Worker
from app.jobs.leases import LEASE_S
from app.settings import current_settings
from app.upgrading import alembic_config

LINK_HOURS = 24

database = AppGroup("db", help="The database's tables.")
admin = AppGroup("admin", help="Administrators.")
log = AppGroup("audit", help="The audit log.")


@database.command("upgrade")
@click.argument("revision", default="heads")
def upgrade(revision: str) -> None:
    """Bring the tables up to date (or to REVISION)."""
    current_db().upgrade(revision)
    click.echo(f"database: {current_db().dialect}, tables up to date")


@database.command("revision")
@click.argument("name")
@click.option("--number", required=True, help="Four digits; the file becomes NUMBER_NAME.py.")
def revision(name: str, number: str) -> None:
    """Write a migration from the difference between the models and this database, for you to read and mend."""
    from alembic import command

    with current_db().engine.connect() as connection:
        command.revision(alembic_config(connection), message=name, rev_id=number, autogenerate=True)


@admin.command("invite")
@click.option("--name", default="First administrator", show_default=True)
@click.option("--email", default="", help="Kept as an identity of the person; no mail is sent.")
def invite(name: str, email: str) -> None:
    """Make the first administrator (if there is none) and print a link that signs them in once."""
    first_administrator = current_directory().first_administrator
    if first_administrator is None:
        raise click.ClickException("no part of this portal knows how to seat an administrator")
    with current_db().write() as session:
        try:
            person = first_administrator(session, name, email, "invited from the command line")
        except LookupError as error:
            raise click.ClickException(str(error)) from None
        token = sessions.issue_link(session, person, "administrator", timedelta(hours=LINK_HOURS))
        audit.record(
            session,
            actor=audit.Actor.system("command-line"),
            action="admin.invite",
            thing=person,
            reason="invited from the command line",
        )
    click.echo(f"{current_settings().base_url}/sign-in/{token}")
    click.echo(f"The link works once, within {LINK_HOURS} hours.", err=True)


@log.command("verify")
def verify() -> None:
    """Walk along the whole chain; exit with an error if an entry was changed or is missing."""
    with current_db().read() as session:
        found = audit.verify(session)
    if not found.ok:
        raise click.ClickException(f"the audit log is broken: {found.because}; restore it from a backup and compare")
    click.echo(f"audit log whole: {found.entries} entries, head {found.head}")


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@with_appcontext
def back_up(target: Path) -> None:
    """Write the whole portal (rows and artefacts) into the file TARGET."""
    try:
        made = backup.backup(current_db(), current_settings().home, target)
    except (backup.BackupError, OSError) as error:
        raise click.ClickException(f"no backup was made: {error}") from None
    click.echo(f"{target}: {sum(made.rows.values())} rows of {len(made.rows)} tables, audit head {made.audit_head}")


@click.command("restore")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@with_appcontext
def bring_back(source: Path) -> None:
    """Fill this empty portal from the backup SOURCE; the database may be of the other kind."""
    try:
        made = backup.restore(current_db(), current_settings().home, source)
    except backup.BackupError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"restored {sum(made.rows.values())} rows of {len(made.rows)} tables, audit head {made.audit_head}")


@click.command("worker")
@click.option("--queue", default="worker", show_default=True)
@click.option("--lease", "lease_s", default=LEASE_S, show_default=True, help="Seconds until a dead worker is replaced.")
@click.option("--once", is_flag=True, help="Work until nothing is due, then end.")
@with_appcontext
def worker(queue: str, lease_s: float, once: bool) -> None:
    """Work on jobs until stopped (Ctrl-C or SIGTERM); the step in hand is finished first."""
    made = Worker(current_app, queue=queue, lease_s=lease_s)
    if once:
        made.run_until_idle()
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: made.stop())
    made.run_forever()


commands = [database, admin, log, back_up, bring_back, worker]
