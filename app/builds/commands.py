"""`flask runner`: let runners in and send them away."""

from __future__ import annotations

import os
from pathlib import Path

import click
import sqlalchemy as sa
from flask.cli import AppGroup

from app import audit
from app.audit import Actor
from app.builds import queries
from app.builds.models import RunnerRow
from app.db import clock_of, current_db
from app.governance.queries import current

cli = AppGroup("runner", help="Machines that build and test.")


@cli.command("add")
@click.argument("name")
@click.option("--hardware", multiple=True, required=True, help="A target of hardware.yaml; may be given several times.")
@click.option("--token-file", type=click.Path(path_type=Path), required=True, help="Where the token is written (0600).")
def add(name: str, hardware: tuple[str, ...], token_file: Path) -> None:
    """Register a runner, or give a known one a new token."""
    with current_db().read() as session:
        known = {target.key for target in current(session).targets}
    unknown = sorted(set(hardware) - known)
    if unknown:
        raise click.ClickException(f"no hardware target {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    with current_db().write() as session:
        token = queries.register_runner(session, name, hardware, actor=Actor.system("command-line"),
                                        reason="registered from the command line")  # fmt: skip
    write_secret(token_file, token)
    click.echo(f"runner {name} is registered for {', '.join(hardware)}; its token is in {token_file}")


@cli.command("list")
def show() -> None:
    """List the runners."""
    with current_db().read() as session:
        for row in queries.runners(session):
            state = "revoked" if row.revoked_at else f"seen {row.seen_at or 'never'}"
            click.echo(f"{row.name}\t{', '.join(row.hardware)}\t{state}\t{row.isolation}")


@cli.command("revoke")
@click.argument("name")
@click.option("--reason", required=True)
def revoke(name: str, reason: str) -> None:
    """Send a runner away; its token and the tokens of its jobs open nothing any more."""
    with current_db().write() as session:
        row = session.scalar(sa.select(RunnerRow).where(RunnerRow.name == name))
        if row is None:
            raise click.ClickException(f"no runner is called {name}; `flask runner list` shows them")
        row.revoked_at = clock_of(session).now()
        audit.record(session, actor=Actor.system("command-line"), action="builds.runner.revoke", thing=row.public_id,
                     reason=reason)  # fmt: skip
    click.echo(f"runner {name} is revoked")


def write_secret(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text + "\n")
    os.replace(draft, path)
