"""`flask governance check` and `flask governance sync [--dry-run]`."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import AppGroup

from app.audit import Actor
from app.clock import current_clock
from app.db import current_db
from app.governance import sync as syncing
from app.governance_files import GovernanceError, Reading, read
from app.settings import current_settings

cli = AppGroup("governance", help="The files of governance/: check them, and sync them into the database.")
_folder = click.option("--folder", type=click.Path(path_type=Path), help="Another folder than the settings' own.")


@cli.command("check")
@_folder
def check(folder: Path | None) -> None:
    """Report every problem of the files with file, key and line; exit with an error if there is one."""
    reading = _read(folder)
    for problem in reading.problems:
        click.echo(str(problem), err=not problem.is_warning)
    if reading.errors:
        raise click.ClickException(f"{len(reading.errors)} problems; mend the files and check again")
    click.echo(f"governance: no problem, {len(reading.warnings)} warnings")


@cli.command("sync")
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@_folder
def sync(*, dry_run: bool, folder: Path | None) -> None:
    """Bring the database to the files: all of it or, if a file has a problem, nothing."""
    reading = _read(folder)
    try:
        governance = reading.require()
    except GovernanceError as error:
        raise click.ClickException(str(error)) from None
    if dry_run:
        with current_db().read() as session:
            changes = syncing.plan(session, governance, current_clock().now().date())
    else:
        with current_db().write() as session:
            actor = Actor.system("governance-sync")
            changes = syncing.apply(session, governance, actor=actor, reason="synced from the files")
    for change in changes:
        click.echo(f"{'would ' if dry_run else ''}sync {change.thing}: {change.text}")
    done = "would change" if dry_run else "changed"
    click.echo(f"governance: {len(changes)} things {done}, {len(reading.warnings)} warnings (flask governance check)")


def _read(folder: Path | None) -> Reading:
    return read(folder or current_settings().governance_dir, today=current_clock().now().date())
